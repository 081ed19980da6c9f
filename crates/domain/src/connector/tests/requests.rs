//! What is refused as a whole, and that everything else is not.

use super::*;

fn fault(body: &str) -> RequestFault {
    SetObjects::read(&json::parse(body.as_bytes()).unwrap()).unwrap_err()
}

fn of_many(count: usize) -> String {
    request(&vec![object_with(&[]); count])
}

#[test]
fn the_shape_of_the_request() {
    for (body, key, message) in [
        ("[]", "", "the request body must be an object, found an array"),
        ("null", "", "the request body must be an object, found null"),
        ("{}", "objects", "objects must be an array, and there is none"),
        (
            r#"{"objects":null}"#,
            "objects",
            "objects must be an array, and there is none",
        ),
        (
            r#"{"objects":{}}"#,
            "objects",
            "objects must be an array, found an object",
        ),
        (
            r#"{"entities":{}}"#,
            "objects",
            "objects must be an array, found an object",
        ),
        (r#"{"objects":[]}"#, "objects", "objects array cannot be empty"),
        (
            r#"{"objects":[1],"properties":"x"}"#,
            "properties",
            "properties must be an object, found a string",
        ),
    ] {
        assert_eq!(fault(body), RequestFault::at(key, message), "{body}");
    }
}

#[test]
fn all_that_is_wrong_with_a_request_is_told() {
    let fault =
        fault(r#"{"objects":[],"properties":{"_a":"x","b":""},"connectionId":"","operationType":"x"}"#);
    let keys: Vec<_> = fault.errors.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "objects",
            "properties._a",
            "properties.b",
            "connectionId",
            "operationType"
        ]
    );
    assert_eq!(fault.error, "objects array cannot be empty");
}

#[test]
fn a_hundred_objects_and_no_more() {
    assert_eq!(set(&of_many(1)).objects.len(), 1);
    let hundred = set(&of_many(100));
    assert!(hundred.objects.len() == 100 && hundred.objects.iter().all(Result::is_ok));
    assert_eq!(
        fault(&of_many(101)),
        RequestFault::at(
            "objects",
            "objects array cannot contain more than 100 items, found 101"
        )
    );
}

#[test]
fn one_bad_object_among_a_hundred() {
    let mut objects = vec![object_with(&[]); 100];
    objects[41] = object_with(&[("displayName", "")]);
    let read = set(&request(&objects)).objects;
    let rejected: Vec<_> = (0..100).filter(|index| read[*index].is_err()).collect();
    assert_eq!(rejected, [41]);
}

#[test]
fn tags_at_their_bounds() {
    let long = "k".repeat(255);
    let longer = "k".repeat(256);
    let read = |text: &str| read_tags(&json::parse(text.as_bytes()).unwrap());
    for (text, tags) in [
        ("{}".to_owned(), 0),
        (r#"{"a":"1","b":"2","c":"3","d":"4","e":"5"}"#.to_owned(), 5),
        (format!(r#"{{"{long}":"{long}"}}"#), 1),
        (format!(r#"{{"{0}":"{0}"}}"#, "é".repeat(255)), 1),
        (r#"{"a_":" "}"#.to_owned(), 1),
    ] {
        assert_eq!(read(&text).unwrap().len(), tags, "{text}");
    }
    let key_rule = "a key of properties must have 1 to 255 characters, no colon, and no underscore at its beginning, found";
    for (text, message) in [
        (
            r#"{"a":"1","b":"2","c":"3","d":"4","e":"5","f":"6"}"#.to_owned(),
            "properties object cannot contain more than 5 properties, found 6".to_owned(),
        ),
        (r#"{"":"1"}"#.to_owned(), format!(r#"{key_rule} """#)),
        (r#"{"a:b":"1"}"#.to_owned(), format!(r#"{key_rule} "a:b""#)),
        (r#"{"_a":"1"}"#.to_owned(), format!(r#"{key_rule} "_a""#)),
        (
            format!(r#"{{"{longer}":"1"}}"#),
            format!(r#"{key_rule} "{}"…"#, "k".repeat(60)),
        ),
        (
            r#"{"a":""}"#.to_owned(),
            "properties.a must have 1 to 255 characters, found 0".to_owned(),
        ),
        (
            format!(r#"{{"a":"{longer}"}}"#),
            "properties.a must have 1 to 255 characters, found 256".to_owned(),
        ),
        (
            r#"{"a":1}"#.to_owned(),
            "properties.a must be a string, found a number".to_owned(),
        ),
        (
            r#"{"a":null}"#.to_owned(),
            "properties.a must be a string, found null".to_owned(),
        ),
    ] {
        let problems = read(&text).unwrap_err();
        let messages: Vec<_> = problems.into_iter().map(|problem| problem.message).collect();
        assert_eq!(messages, [message], "{text}");
    }
}

#[test]
fn more_than_five_merged_tags_reject_the_object() {
    let own = |tags: &str| object_with(&[("properties", tags)]);
    let objects = [
        own(r#"{"e":"5"}"#),
        own(r#"{"e":"5","f":"6"}"#),
        own(r#"{"a":"9","e":"5"}"#),
    ];
    let body = format!(
        r#"{{"objects":[{}],"properties":{{"a":"1","b":"2","c":"3","d":"4"}}}}"#,
        objects.join(",")
    );
    let read = set(&body).objects;
    assert!(read[0].is_ok() && read[2].is_ok());
    let problems = &read[1].as_ref().unwrap_err().problems;
    assert_eq!(problems.len(), 1);
    assert_eq!(
        problems[0].message,
        "properties object cannot contain more than 5 properties, found 6"
    );
}

#[test]
fn unknown_members_of_a_request_are_ignored() {
    let body = format!(
        r#"{{"objects":[{}],"validate":[1e400],"x":null}}"#,
        object_with(&[])
    );
    assert_eq!(set(&body), set(&of_many(1)));
}
