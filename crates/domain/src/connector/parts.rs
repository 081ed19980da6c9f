//! The small parts that objects share: people, thumbnails, keys of other objects.

use super::draft::{Draft, Names, Text, sort};
use super::{Key, ObjectType};
use crate::json::{At, Node};
use crate::limits::{OBJECT_ID_CHARS_MAX, OBJECT_PEOPLE_MAX, OBJECT_TEXT_CHARS_MAX, OBJECT_URL_CHARS_MAX};

/// Those by which a person can be found stand first.
const PERSON: Names<8> = [
    &["externalId"],
    &["accountId"],
    &["email"],
    &["ari"],
    &["name"],
    &["userName"],
    &["avatar"],
    &["url"],
];
const IDENTIFYING: usize = 4;
const THUMBNAIL: Names<2> = [&["externalUrl", "url"], &["mimeType"]];
const KEY: Names<2> = [&["type"], &["value"]];
const KEY_VALUE: Names<1> = [&["entityId"]];

/// A member that names one person: an object, or, as the vendor's trees have it, a list of at most one.
pub(super) fn person(draft: &mut Draft, name: &str, node: Option<&Node<'_>>) {
    let root = At::root();
    let at = root.member(name);
    let node = match node {
        None => return,
        Some(Node::Array(items)) => match items.as_slice() {
            [] => return,
            [single] => single,
            more => {
                let found = more.len();
                return draft.refuse(at, format_args!("must be one user reference, found {found}"));
            }
        },
        Some(node) => node,
    };
    draft.name(name);
    reference(draft, at, node);
}

/// A member that lists people.
pub(super) fn people(draft: &mut Draft, at: At<'_>, name: &str, node: Option<&Node<'_>>) {
    let Some(node) = node else { return };
    let at = at.member(name);
    let items = draft.items(at, node, OBJECT_PEOPLE_MAX).unwrap_or_default();
    draft.name(name);
    draft.open('[');
    for (index, item) in items.iter().enumerate() {
        reference(draft, at.index(index), item);
    }
    draft.close(']');
}

fn reference(draft: &mut Draft, at: At<'_>, node: &Node<'_>) {
    let Some(members) = draft.members(at, node) else {
        return;
    };
    let sorted = sort(members, &PERSON);
    draft.open('{');
    for (names, node) in PERSON.iter().zip(sorted.known) {
        for name in names.iter().take(1) {
            draft.text(at, name, node, Text::optional(usize::MAX));
        }
    }
    let is_given = |node: &Option<&Node<'_>>| match node {
        None => false,
        Some(Node::Text(text)) => !text.is_empty(),
        // Of the wrong kind, which is said already.
        Some(_) => true,
    };
    if !sorted.known.iter().take(IDENTIFYING).any(is_given) {
        draft.refuse(
            at,
            format_args!("must have a non-empty externalId, accountId, email or ari"),
        );
    }
    draft.put_others(&sorted.others);
    draft.close('}');
}

/// `thumbnail`
pub(super) fn thumbnail(draft: &mut Draft, node: Option<&Node<'_>>) {
    let root = At::root();
    let at = root.member("thumbnail");
    let Some(members) = node.and_then(|node| draft.members(at, node)) else {
        return;
    };
    let sorted = sort(members, &THUMBNAIL);
    let [url, mime_type] = sorted.known;
    draft.name("thumbnail");
    draft.open('{');
    draft.text(at, "externalUrl", url, Text::required(OBJECT_URL_CHARS_MAX));
    draft.text(at, "mimeType", mime_type, Text::optional(OBJECT_TEXT_CHARS_MAX));
    draft.put_others(&sorted.others);
    draft.close('}');
}

/// `parentKey` or `containerKey`
pub(super) fn key(draft: &mut Draft, name: &str, node: Option<&Node<'_>>) -> Option<Key> {
    let root = At::root();
    let at = root.member(name);
    let members = draft.members(at, node?)?;
    let sorted = sort(members, &KEY);
    let [object_type, value] = sorted.known;
    let given = draft.checked_text(
        at.member("type"),
        object_type,
        Text::required(OBJECT_TEXT_CHARS_MAX),
    );
    let known = given.and_then(ObjectType::parse);
    let object_type = known.map_or(given, |known| Some(known.name()));
    draft.name(name);
    draft.open('{');
    if let Some(object_type) = object_type {
        draft.name("type");
        draft.put_text(object_type);
    }
    let at_value = at.member("value");
    let entity_id = match value {
        None => {
            draft.missing(at_value);
            None
        }
        Some(value) => {
            draft.name("value");
            key_value(draft, at_value, value, known)
        }
    };
    draft.put_others(&sorted.others);
    draft.close('}');
    Some(Key {
        object_type: object_type?.to_owned(),
        entity_id,
    })
}

/// The value of a key. Those of the types that are kept here hold an `entityId`; of any other it is
/// not known what they hold, so they stay as they are.
fn key_value(draft: &mut Draft, at: At<'_>, node: &Node<'_>, known: Option<ObjectType>) -> Option<String> {
    let members = draft.members(at, node)?;
    if known.is_none() {
        draft.put(node);
        return match members.get("entityId") {
            Some(Node::Text(id)) if !id.is_empty() => Some(id.clone().into_owned()),
            _ => None,
        };
    }
    let sorted = sort(members, &KEY_VALUE);
    let [entity_id] = sorted.known;
    draft.open('{');
    let entity_id = draft.text(at, "entityId", entity_id, Text::required(OBJECT_ID_CHARS_MAX));
    draft.put_others(&sorted.others);
    draft.close('}');
    entity_id.map(str::to_owned)
}
