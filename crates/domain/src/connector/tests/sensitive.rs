//! `customAndSensitiveData` stands apart and is never told.

use super::*;
use serde_json::json;

const BLOCK: &str = "atlassian:customer-org";

#[test]
fn the_sensitive_text_stands_apart() {
    for (name, block) in [
        (
            "atlassian:organisation",
            r#"{"customAndSensitiveData":"{\"pin\":\"1\"}\n"}"#,
        ),
        (
            "atlassian:organisation",
            r#"{"x":{"y":{}},"customAndSensitiveData":"{\"pin\":\"1\"}\n"}"#,
        ),
        (
            BLOCK,
            r#"{"customAndSensitiveData":"{\"pin\":\"1\"}\n","country":"{"}"#,
        ),
        (
            "atlassian:customer-org-category",
            r#"{"key":"k","customAndSensitiveData":"{\"pin\":\"1\"}\n"}"#,
        ),
    ] {
        let object = read(&[(BLOCK, ""), (name, block)]).unwrap();
        assert_eq!(object.sensitive.as_deref(), Some("{\"pin\":\"1\"}\n"));
        assert!(!object.body.contains("pin") && !object.body.contains("Sensitive"));
        let whole = Object::whole(&object.body, object.sensitive.as_deref());
        let mut expected: serde_json::Value = serde_json::from_str(&object.body).unwrap();
        expected[name]["customAndSensitiveData"] = json!("{\"pin\":\"1\"}\n");
        let parsed: serde_json::Value = serde_json::from_str(&whole).unwrap();
        assert_eq!(parsed, expected);
        assert_eq!(first(&request(&[whole])), object);
    }
}

/// Whatever else is wrong, no message holds the sensitive text.
#[test]
fn no_message_holds_the_sensitive_text() {
    let secret = "hunter2-".repeat(9_000);
    let number = "98765432109876543210";
    for value in [
        format!("{secret:?}"),
        format!("[{secret:?}]"),
        format!("{{{secret:?}:{secret:?}}}"),
        number.to_owned(),
        format!("\"hunter2\",{:?}:[]", "id2"),
    ] {
        for name in ["atlassian:organisation", BLOCK] {
            let block = format!(r#"{{"customAndSensitiveData":{value},"industry":7,"key":7}}"#);
            for also in [
                ("displayName", ""),
                ("x", "1"),
                ("atlassian:organisation", "{}"),
                ("parentKey", "7"),
            ] {
                if let Err(rejected) = read(&[(BLOCK, ""), also, (name, &block)]) {
                    let told = format!("{rejected:?}");
                    assert!(!told.contains("hunter2") && !told.contains("98765"), "{told}");
                }
            }
        }
    }
}

/// Where nobody knows it, it is kept with the rest, and lists leave it out.
#[test]
fn lists_leave_it_out_wherever_it_stands() {
    for (name, value, shown) in [
        ("customAndSensitiveData", r#""hunter2""#, None),
        ("CUSTOMANDSENSITIVEDATA", r#"{"a":["hunter2"]}"#, None),
        ("cuſtomAndSenſitiveData", r#""hunter2""#, None),
        (
            "x",
            r#"[{"customAndSensitiveData":"hunter2","y":1.50},{"z":{"CustomAndSensitiveData":["hunter2"]}}]"#,
            Some(json!([{ "y": 1.5 }, { "z": {} }])),
        ),
        (
            BLOCK,
            r#"{"customandsensitivedata":"hunter2","country":"{"}"#,
            Some(json!({ "country": "{" })),
        ),
        (
            "containerKey",
            r#"{"type":"t","value":{"customAndSensitiveData":"hunter2"}}"#,
            Some(json!({ "type": "t", "value": {} })),
        ),
        (
            "associations",
            r#"[{"associationType":"t","values":[{"customAndSensitiveData":"hunter2"}]}]"#,
            Some(json!([{ "associationType": "t", "values": [{}] }])),
        ),
    ] {
        // The name as an escaped text of JSON, too.
        let escaped = name.replacen('a', r"\u0061", 1);
        for sent in [name, &escaped] {
            let object = object_with(&[(name, "")]).replacen('{', &format!("{{\"{sent}\":{value},"), 1);
            let object = first(&request(&[object]));
            let whole: serde_json::Value = serde_json::from_str(&object.body).unwrap();
            assert!(whole[name].to_string().contains("hunter2"), "{whole}");
            let list = Object::shown_in_lists(object.body);
            assert!(!list.contains("hunter2"), "{list}");
            let list: serde_json::Value = serde_json::from_str(&list).unwrap();
            assert_eq!(list.get(name), shown.as_ref());
            assert_eq!(list["displayName"], "Acme");
        }
    }
    // What is only called so by a value stays, and so does all else, to the byte.
    for value in [r#""customAndSensitiveData""#, r#"{"sensitiveData":1e0}"#] {
        let object = read(&[("x", value)]).unwrap();
        assert_eq!(Object::shown_in_lists(object.body.clone()), object.body);
    }
}
