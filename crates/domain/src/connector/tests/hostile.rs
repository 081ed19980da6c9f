//! Bodies that were made to break something: refused or read, never a panic, and in a time that grows
//! with their length only.

use super::*;
use crate::limits::{OBJECT_PROBLEMS_MAX, OBJECTS_BODY_BYTES_MAX};
use std::time::{Duration, Instant};

fn is_refused(body: &str) -> bool {
    let Ok(node) = json::parse(body.as_bytes()) else {
        return true;
    };
    match SetObjects::read(&node) {
        Err(fault) => !fault.errors.is_empty(),
        Ok(request) => request.objects.iter().all(Result::is_err),
    }
}

#[test]
fn what_json_does_not_allow() {
    for value in [
        "NaN",
        "Infinity",
        "-",
        "01",
        "1e",
        r#""\ud800""#,
        r#""\udc00\ud800""#,
        r#""\u0000""#,
        "\"\u{0}\"",
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"\u0061":2}"#,
        "'x'",
        "undefined",
        "[1,]",
    ] {
        for name in [
            "x",
            "displayName",
            "atlassian:customer-org",
            "updateSequenceNumber",
        ] {
            let body = request(&[object_with(&[(name, value)])]);
            assert!(json::parse(body.as_bytes()).is_err(), "{name} {value}");
        }
    }
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    // The object stands three levels deep.
    assert!(read(&[("x", &deep(61))]).is_ok());
    assert!(is_refused(&request(&[object_with(&[("x", &deep(62))])])));
    assert!(is_refused(&"[".repeat(1_000_000)));
    assert!(is_refused(&"{\"a\":".repeat(1_000_000)));
}

#[test]
fn numbers_of_any_size() {
    for number in [
        "1e400",
        "-0",
        "-1e400",
        "1e-400",
        "0e0",
        "1E+99999999999999999999",
    ] {
        assert!(read(&[("x", number)]).is_ok());
        for name in [
            "displayName",
            "permissions",
            "owners",
            "thumbnail",
            "properties",
            "url",
        ] {
            assert!(read(&[(name, number)]).is_err(), "{name} {number}");
        }
    }
}

#[test]
fn messages_stay_short() {
    let long = format!("\"{}\"", "\u{1f600}\u{301}".repeat(100_000));
    for name in [
        "url",
        "createdAt",
        "updateSequenceNumber",
        "permissions",
        "properties",
    ] {
        for (_, message) in problems(&[(name, &long)]) {
            assert!(message.len() < 1_000, "{message}");
        }
    }
    let number = "9".repeat(1_000_000);
    for name in ["createdAt", "updateSequenceNumber", "url", "id"] {
        for (_, message) in problems(&[(name, &number)]) {
            assert!(message.len() < 1_000, "{message}");
        }
    }
    let name = format!("atlassian:{}", "x".repeat(100_000));
    for (key, message) in problems(&[(&name, "{}")]) {
        assert!(key.len() + message.len() < 1_000);
    }
}

/// Bytes of the large bodies: the most that is taken in, or less where nothing is optimised.
const LARGE: usize = if cfg!(debug_assertions) {
    1024 * 1024
} else {
    OBJECTS_BODY_BYTES_MAX
};

/// The largest bodies, each made to cost as much as can be. The time is generous, for slow machines; what
/// takes the square of the length takes minutes or hours.
#[test]
fn the_largest_bodies() {
    let fill = |item: &str| {
        let count = LARGE / (item.len() + 1);
        vec![item; count].join(",")
    };
    let numbered = |name: &str, value: &str| {
        let count = LARGE / (name.len() + value.len() + 11);
        let members: Vec<_> = (0..count)
            .map(|number| format!("\"{name}{number:06}\":{value}"))
            .collect();
        members.join(",")
    };
    let marks = "\u{323}\u{301}".repeat(LARGE / 4);
    let associations: Vec<_> = (0..LARGE / 60)
        .map(|number| format!(r#"{{"associationType":"a","values":["{number}"],"x{number}":1}}"#))
        .collect();
    let principal = r#"{"type":"EVERYONE"}"#;
    let bodies = [
        request(&[object_with(&[("x", &format!("\"{marks}\""))])]),
        request(&[object_with(&[("displayName", &format!("\"{marks}\""))])]),
        request(&[object_with(&[("url", &format!("\"https://{marks}\""))])]),
        request(&[format!("{{{}}}", numbered("x", "1"))]),
        request(&[format!("{{{}}}", numbered("atlassian:", "1"))]),
        request(&[object_with(&[(
            "atlassian:customer-org",
            &format!("{{{}}}", numbered("y", "{}")),
        )])]),
        request(&[object_with(&[("permissions", &format!("[{}]", fill("7")))])]),
        request(&[object_with(&[("permissions", &entries(&fill(principal)))])]),
        request(&[object_with(&[("permissions", &entries(&fill("{}")))])]),
        request(&[object_with(&[("owners", &format!("[{}]", fill("{}")))])]),
        request(&[object_with(&[(
            "associations",
            &format!("[{}]", associations.join(",")),
        )])]),
        request(&[object_with(&[("associations", &format!("[{}]", fill("{}")))])]),
        request(&[object_with(&[("updateSequenceNumber", &"9".repeat(LARGE))])]),
        request(&[object_with(&[(
            "properties",
            &format!("{{{}}}", numbered("p", "1")),
        )])]),
        format!(r#"{{"objects":[7],"properties":{{{}}}}}"#, numbered("p", "1")),
        format!(r#"{{"objects":[{}]}}"#, fill("7")),
    ];
    for body in bodies {
        let start = Instant::now();
        let node = json::parse(body.as_bytes()).unwrap();
        let answer = SetObjects::read(&node);
        let problems = match answer {
            Err(fault) => fault.errors.len(),
            Ok(request) => {
                let problems = request
                    .objects
                    .into_iter()
                    .map(|object| object.unwrap_err().problems.len());
                problems.max().unwrap_or_default()
            }
        };
        assert!((1..=OBJECT_PROBLEMS_MAX + 1).contains(&problems), "{problems}");
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{}: {:?}",
            &body[..100],
            start.elapsed()
        );
    }
}

fn entries(principals: &str) -> String {
    format!(r#"[{{"accessControls":[{{"principals":[{principals}]}}]}}]"#)
}
