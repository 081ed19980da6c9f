//! The rules of connector objects by example and by property.

mod conflicts;
mod containers;
mod hostile;
mod limits;
mod objects;
mod parts;
mod permissions;
mod precedence;
mod properties;
mod requests;
mod seeds;
mod sensitive;

use super::*;
use crate::json;

/// A customer-org that is right, member by member.
const OBJECT: [(&str, &str); 8] = [
    ("id", r#""o-1""#),
    ("updateSequenceNumber", "1"),
    ("displayName", r#""Acme""#),
    ("url", r#""https://example.com/o-1""#),
    ("createdAt", r#""2024-01-01T00:00:00.000Z""#),
    ("lastUpdatedAt", r#""2024-01-02T00:00:00.000Z""#),
    (
        "permissions",
        r#"[{"accessControls":[{"principals":[{"type":"EVERYONE"}]}]}]"#,
    ),
    ("atlassian:customer-org", "{}"),
];

/// The text of that object with other members: each a name and the text of its value, which takes the
/// place of the member of that name; an empty text leaves the member out.
fn object_with(changes: &[(&str, &str)]) -> String {
    let mut members: Vec<(&str, &str)> = OBJECT.to_vec();
    for (name, value) in changes {
        match members.iter_mut().find(|(known, _)| known == name) {
            Some(member) => member.1 = value,
            None => members.push((name, value)),
        }
    }
    let members: Vec<_> = members
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name:?}:{value}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// The body of a request with these objects.
fn request(objects: &[String]) -> String {
    format!(r#"{{"objects":[{}]}}"#, objects.join(","))
}

/// Reads the body of a request that must be right as a whole.
fn set(body: &str) -> SetObjects {
    let node = json::parse(body.as_bytes()).unwrap();
    SetObjects::read(&node).unwrap()
}

/// The first object of a request, which must be right.
fn first(body: &str) -> Object {
    set(body).objects.remove(0).unwrap()
}

fn read(changes: &[(&str, &str)]) -> Result<Object, RejectedObject> {
    set(&request(&[object_with(changes)])).objects.remove(0)
}

/// The member of the canonical text by its JSON pointer; null where there is none.
fn read_back(changes: &[(&str, &str)], pointer: &str) -> serde_json::Value {
    let object = read(changes).unwrap();
    let body: serde_json::Value = serde_json::from_str(&object.body).unwrap();
    body.pointer(pointer).cloned().unwrap_or_default()
}

/// Keys and messages of all that is wrong with the object.
fn problems(changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let rejected = read(changes).unwrap_err();
    let pair = |problem: Problem| (problem.key, problem.message);
    rejected.problems.into_iter().map(pair).collect()
}

/// The object is refused with just this.
#[track_caller]
fn refuses(changes: &[(&str, &str)], key: &str, message: &str) {
    assert_eq!(problems(changes), [(key.to_owned(), message.to_owned())]);
}
