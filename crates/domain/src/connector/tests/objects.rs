//! What an object must have, what it may have, and what becomes of it.

use super::*;
use serde_json::json;

const BLOCK: &str = "atlassian:customer-org";

#[test]
fn required_members() {
    for (name, _) in OBJECT.iter().take(7) {
        for absent in ["", "null"] {
            refuses(&[(name, absent)], name, &format!("{name} is required"));
        }
    }
    let none: Vec<_> = OBJECT.iter().map(|(name, _)| (*name, "")).collect();
    let keys: Vec<_> = problems(&none).into_iter().map(|(key, _)| key).collect();
    assert_eq!(
        keys,
        [
            "",
            "id",
            "updateSequenceNumber",
            "displayName",
            "url",
            "createdAt",
            "lastUpdatedAt",
            "permissions"
        ]
    );
    for (block, required) in [
        (
            r#"{"lastActivity":{}}"#,
            [
                "customerOrgLastActivity.lastActivityAt",
                "customerOrgLastActivity.event",
            ],
        ),
        (
            r#"{"lifeTimeValue":{}}"#,
            [
                "customerOrgLifeTimeValue.value",
                "customerOrgLifeTimeValue.currencyCode",
            ],
        ),
    ] {
        let expected = required.map(|name| format!("{BLOCK}.{name} is required"));
        let messages: Vec<_> = problems(&[(BLOCK, block)])
            .into_iter()
            .map(|(_, message)| message)
            .collect();
        assert_eq!(messages, expected);
    }
}

#[test]
fn all_that_is_wrong_with_an_object_is_told() {
    let rejected = read(&[
        ("updateSequenceNumber", "-1"),
        ("displayName", "7"),
        ("createdAt", r#""2024-01-01""#),
        ("parentKey", "{}"),
        (
            "permissions",
            r#"[{"accessControls":[{"principals":[{"type":"USER"},{"type":"x"},{},3]},{}]},{}]"#,
        ),
        (
            BLOCK,
            r#"{"industry":[],"contacts":[{},7],"lifeTimeValue":{"value":"1"}}"#,
        ),
    ])
    .unwrap_err();
    assert_eq!(rejected.id.as_deref(), Some("o-1"));
    assert_eq!(rejected.object_type.as_deref(), Some(BLOCK));
    let keys: Vec<_> = rejected
        .problems
        .iter()
        .map(|problem| problem.key.as_str())
        .collect();
    assert_eq!(
        keys,
        [
            "updateSequenceNumber",
            "displayName",
            "createdAt",
            "parentKey.type",
            "parentKey.value",
            "permissions[0].accessControls[0].principals[0].id",
            "permissions[0].accessControls[0].principals[1].type",
            "permissions[0].accessControls[0].principals[2].type",
            "permissions[0].accessControls[0].principals[3]",
            "permissions[0].accessControls[1].principals",
            "permissions[1].accessControls",
            "atlassian:customer-org.contacts[0]",
            "atlassian:customer-org.contacts[1]",
            "atlassian:customer-org.customerOrgLifeTimeValue.value",
            "atlassian:customer-org.customerOrgLifeTimeValue.currencyCode",
            "atlassian:customer-org.industry",
        ]
    );
}

#[test]
fn what_is_no_object() {
    for (item, kind) in [
        ("null", "null"),
        ("7", "a number"),
        ("[]", "an array"),
        (r#""x""#, "a string"),
    ] {
        let rejected = set(&request(&[item.to_owned()])).objects.remove(0).unwrap_err();
        assert_eq!((&rejected.object_type, &rejected.id), (&None, &None));
        let problem = &rejected.problems[0];
        assert_eq!(problem.key, "");
        assert_eq!(
            problem.message,
            format!("an item of objects must be an object, found {kind}")
        );
    }
}

#[test]
fn the_block_of_the_type() {
    let one = "exactly one atlassian: type block is required, found";
    for absent in ["", "null"] {
        refuses(&[(BLOCK, absent)], "", &format!("{one} 0"));
    }
    refuses(&[("atlassian:organisation", "{}")], "", &format!("{one} 2"));
    assert!(read(&[("atlassian:organisation", "null")]).is_ok());
    for extra in ["", "{}"] {
        refuses(
            &[(BLOCK, extra), ("atlassian:document", "{}")],
            "atlassian:document",
            "unsupported object type atlassian:document",
        );
    }
    refuses(
        &[(BLOCK, "[]")],
        BLOCK,
        "atlassian:customer-org must be an object, found an array",
    );
    let rejected = read(&[(BLOCK, ""), ("atlassian:x", "{}"), ("id", "")]).unwrap_err();
    assert_eq!((rejected.object_type, rejected.id), (None, None));
    assert_eq!(rejected.problems.len(), 2);
}

#[test]
fn ids() {
    for (sent, id) in [
        (r#"" pipelines/123/builds/456 ""#, " pipelines/123/builds/456 "),
        (r#""google|a:b""#, "google|a:b"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("-5", "-5"),
        ("-0", "0"),
    ] {
        let object = read(&[("id", sent)]).unwrap();
        assert_eq!(object.id, id);
        assert_eq!(read_back(&[("id", sent)], "/id"), json!(id));
    }
    for (sent, kind) in [
        ("1.0", "a number"),
        ("1e3", "a number"),
        ("true", "a boolean"),
        ("[]", "an array"),
    ] {
        refuses(
            &[("id", sent)],
            "id",
            &format!("id must be a string, found {kind}"),
        );
    }
    let longest = "1".repeat(1_024);
    assert!(read(&[("id", &longest)]).is_ok());
    refuses(
        &[("id", &format!("1{longest}"))],
        "id",
        "id must be at most 1024 characters, found 1025",
    );
}

#[test]
fn sequence_numbers() {
    for (sent, sequence) in [
        ("0", 0),
        ("-0", 0),
        ("1.0", 1),
        (r#""1""#, 1),
        ("1e3", 1_000),
        ("9223372036854775807", i64::MAX),
        (r#""9223372036854775807""#, i64::MAX),
    ] {
        let object = read(&[("updateSequenceNumber", sent)]).unwrap();
        assert_eq!(object.sequence, sequence);
        assert!(
            object
                .body
                .contains(&format!(r#""updateSequenceNumber":{sequence},"#))
        );
    }
    for (sent, shown) in [
        ("-1", "-1"),
        ("1.5", "1.5"),
        ("9223372036854775808", "9223372036854775808"),
        ("1e400", "1e400"),
        (r#""NaN""#, r#""NaN""#),
        (r#""-1""#, r#""-1""#),
        (r#""""#, r#""""#),
        ("true", "a boolean"),
    ] {
        let message =
            format!("updateSequenceNumber must be an integer from 0 to 9223372036854775807, found {shown}");
        refuses(
            &[("updateSequenceNumber", sent)],
            "updateSequenceNumber",
            &message,
        );
    }
}

#[test]
fn instants() {
    for name in ["createdAt", "lastUpdatedAt"] {
        let sent = r#""2024-04-16t11:31:32.98765+02:00""#;
        assert_eq!(
            read_back(&[(name, sent)], &format!("/{name}")),
            "2024-04-16T09:31:32.987Z"
        );
        for (wrong, shown) in [
            (r#""2024-04-16""#, r#""2024-04-16""#),
            ("1713259892000", "1713259892000"),
            (r#""""#, r#""""#),
            ("{}", "an object"),
        ] {
            let message =
                format!("{name} must be an ISO 8601 instant such as 2024-04-16T09:31:32.000Z, found {shown}");
            refuses(&[(name, wrong)], name, &message);
        }
    }
    // The order of the two is nobody's business.
    assert!(read(&[("createdAt", r#""2099-01-01T00:00:00Z""#)]).is_ok());
}

#[test]
fn urls() {
    for url in [
        "https://example.com",
        "HTTP://EXAMPLE.com/ä b",
        "mailto:a@b",
        "x:y",
    ] {
        assert_eq!(read_back(&[("url", &format!("{url:?}"))], "/url"), url);
    }
    for (url, why) in [
        ("/path", "relative URL without a base"),
        ("example.com", "relative URL without a base"),
        ("https://", "empty host"),
        ("https://a:b", "invalid port number"),
    ] {
        let message = format!("url must be an absolute URL, found {url:?}: {why}");
        refuses(&[("url", &format!("{url:?}"))], "url", &message);
    }
    refuses(&[("url", r#""""#)], "url", "url must not be empty");
}

#[test]
fn life_time_values() {
    let with =
        |value: &str| format!(r#"{{"customerOrgLifeTimeValue":{{"value":{value},"currencyCode":"x"}}}}"#);
    for (sent, canonical) in [
        ("1000000.0", "1000000.0"),
        ("-5", "-5.0"),
        ("0.1", "0.1"),
        ("-0", "-0.0"),
        ("1E+2", "100.0"),
        ("123456789012345678901234567890", "1.2345678901234568e29"),
    ] {
        let object = read(&[(BLOCK, &with(sent))]).unwrap();
        assert!(
            object.body.contains(&format!(r#""value":{canonical},"#)),
            "{}",
            object.body
        );
    }
    let key = "atlassian:customer-org.customerOrgLifeTimeValue.value";
    refuses(
        &[(BLOCK, &with("1e400"))],
        key,
        &format!("{key} must be a number that fits a double, found 1e400"),
    );
    refuses(
        &[(BLOCK, &with(r#""5""#))],
        key,
        &format!("{key} must be a number, found a string"),
    );
}

#[test]
fn digests_tell_contents_apart() {
    let plain = read(&[]).unwrap().digest;
    assert!(plain.len() == 64 && plain.bytes().all(|byte| byte.is_ascii_hexdigit()));
    // Another order and other spellings of the same thing.
    let same = r#"{"atlassian:customer-organization":{},"lastUpdated":"2024-01-02T01:00:00+01:00","schemaVersion":"1.0",
        "permissions":{"accessControls":[{"principals":[{"type":"everyone"}]}]},"createdBy":[],"url":"https://example.com/o-1",
        "displayName":"Acme","createdAt":"2024-01-01t00:00:00z","updateSequenceNumber":"01","id":"o-1"}"#;
    assert_eq!(first(&request(&[same.to_owned()])).digest, plain);
    let sensitive = |text: &str| format!(r#"{{"customAndSensitiveData":{text}}}"#);
    let mut digests = vec![plain];
    for changes in [
        [("displayName", r#""Other""#)],
        [("updateSequenceNumber", "2")],
        [(BLOCK, &sensitive(r#""""#))],
        [(BLOCK, &sensitive(r#""a""#))],
        [("properties", r#"{"a":"1"}"#)],
        [("properties", r#"{"a":"2"}"#)],
        [("properties", r#"{"a1":"2"}"#)],
    ] {
        digests.push(read(&changes).unwrap().digest);
    }
    let known: std::collections::BTreeSet<_> = digests.iter().collect();
    assert_eq!(known.len(), digests.len());
}
