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
