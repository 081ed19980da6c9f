//! One object: read from a request into its canonical form.
//!
//! The canonical text has the known members in one order under their canonical names, then those that
//! nobody knows as they were sent, and last the block of the type, so that `customAndSensitiveData`, its
//! last member, can be put back without reading the text again.

use super::draft::{Draft, Names, Text, sort};
use super::{Key, ObjectType, Problem, Readers, RejectedObject, Tags};
use super::{associations, block, number, parts, permissions, request};
use crate::digest;
use crate::json::{self, At, Node, write_text};
use crate::limits::{
    OBJECT_BYTES_MAX, OBJECT_DESCRIPTION_CHARS_MAX, OBJECT_ID_CHARS_MAX, OBJECT_NAME_CHARS_MAX,
    OBJECT_TEXT_CHARS_MAX, OBJECT_URL_CHARS_MAX,
};
use crate::text;
use std::collections::BTreeSet;

/// An object that may be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// The type.
    pub object_type: ObjectType,
    /// The id in the source system, as it was sent.
    pub id: String,
    /// `updateSequenceNumber`, never negative.
    pub sequence: i64,
    /// `displayName`, which is in the body too: trees show it without reading that.
    pub display_name: String,
    /// The canonical JSON text, without `customAndSensitiveData`.
    pub body: String,
    /// The text of `customAndSensitiveData`: stored apart, so that lists never load it.
    pub sensitive: Option<String>,
    /// SHA-256 in hexadecimal of body, sensitive and tags.
    pub digest: String,
    /// The request's `properties`, with the object's own over them.
    pub tags: Tags,
    /// `parentKey`
    pub parent: Option<Key>,
    /// `containerKey`
    pub container: Option<Key>,
    /// Ids of the categories that a customer-org is in, each once.
    pub categories: Vec<String>,
    /// Who may see it.
    pub readers: Readers,
}

const OBJECT: Names<17> = [
    &["schemaVersion"],
    &["id"],
    &["updateSequenceNumber"],
    &["displayName"],
    &["description"],
    &["url"],
    &["createdAt"],
    &["createdBy"],
    &["lastUpdatedAt", "lastUpdated"],
    &["lastUpdatedBy"],
    &["owners"],
    &["thumbnail"],
    &["parentKey"],
    &["containerKey"],
    &["permissions"],
    &["associations"],
    &["properties"],
];

/// What the members of this beginning are: blocks of types.
const BLOCK_PREFIX: &str = "atlassian:";
const SCHEMA_VERSION_DEFAULT: &str = "1.0";

impl Object {
    /// The whole canonical JSON text: `body` with `sensitive` in its place.
    pub fn whole(body: &str, sensitive: Option<&str>) -> String {
        // The last two brackets end the block of the type, and the object.
        let (Some(sensitive), Some(open)) = (sensitive, body.strip_suffix("}}")) else {
            return body.to_owned();
        };
        let mut whole = String::with_capacity(body.len() + sensitive.len() + 2 * block::SENSITIVE.len());
        whole.push_str(open);
        if !open.ends_with('{') {
            whole.push(',');
        }
        write_text(block::SENSITIVE, &mut whole);
        whole.push(':');
        write_text(sensitive, &mut whole);
        whole.push_str("}}");
        whole
    }

    /// The canonical JSON text as lists show it: without what is called `customAndSensitiveData`, in any case
    /// and at any place. In the block it is split off already; elsewhere nobody knows the member, so that it
    /// is kept with the others, and given back by the read of the one object.
    pub fn shown_in_lists(body: String) -> String {
        // The part of the name that nothing but itself folds to: an s may be a long one.
        const PART: &[u8] = b"tomAnd";
        let is_sensitive = |name: &str| text::key(name) == text::key(block::SENSITIVE);
        let mut windows = body.as_bytes().windows(PART.len());
        // The text is canonical: no letter in it is escaped.
        if !windows.any(|window| window.eq_ignore_ascii_case(PART)) {
            return body;
        }
        let mut shown = String::with_capacity(body.len());
        // Whatever could not be read would not be shown.
        let mut node = json::parse(body.as_bytes()).unwrap_or(Node::Null);
        node.retain(&|name| !is_sensitive(name));
        node.write(&mut shown);
        shown
    }

    /// Reads one object of a request, which has these tags for all its objects.
    pub(super) fn read(node: &Node<'_>, tags: &Tags) -> Result<Self, RejectedObject> {
        let mut draft = Draft::new();
        let read = Read::all(&mut draft, node, tags);
        let sent = read.as_ref().map(|read| (read.object_type, read.id.clone()));
        match read.and_then(|read| read.object(&mut draft)) {
            Some(object) if draft.is_clean() => Ok(object),
            _ => {
                let (object_type, id) = sent.unwrap_or_default();
                Err(RejectedObject {
                    object_type: object_type.map(|known| known.name().to_owned()),
                    id,
                    problems: draft.problems(),
                })
            }
        }
    }
}

/// What could be read, whether or not all of it is right.
struct Read {
    object_type: Option<ObjectType>,
    id: Option<String>,
    sequence: Option<i64>,
    display_name: Option<String>,
    sensitive: Option<String>,
    tags: Tags,
    parent: Option<Key>,
    container: Option<Key>,
    associated: Vec<String>,
    readers: Readers,
}

impl Read {
    fn all(draft: &mut Draft, node: &Node<'_>, tags: &Tags) -> Option<Self> {
        let at = At::root();
        let Node::Object(members) = node else {
            draft.note(Problem {
                key: String::new(),
                message: format!("an item of objects must be an object, found {}", node.kind()),
            });
            return None;
        };
        let sorted = sort(members, &OBJECT);
        let (blocks, others): (Vec<_>, Vec<_>) = sorted
            .others
            .into_iter()
            .partition(|(name, _)| name.starts_with(BLOCK_PREFIX));
        let block = type_block(draft, &blocks);
        let [
            version,
            id,
            sequence,
            name,
            description,
            url,
            created_at,
            created_by,
            updated_at,
            updated_by,
            owners,
            thumbnail,
            parent,
            container,
            permissions,
            associations,
            own_tags,
        ] = sorted.known;
        draft.open('{');
        schema_version(draft, version);
        let id = read_id(draft, id);
        let sequence = read_sequence(draft, sequence);
        let display_name = draft.text(at, "displayName", name, Text::required(OBJECT_NAME_CHARS_MAX));
        let description_rule = Text::optional(OBJECT_DESCRIPTION_CHARS_MAX);
        draft.text(at, "description", description, description_rule);
        read_url(draft, url);
        draft.instant(at, "createdAt", created_at);
        parts::person(draft, "createdBy", created_by);
        draft.instant(at, "lastUpdatedAt", updated_at);
        parts::person(draft, "lastUpdatedBy", updated_by);
        parts::people(draft, at, "owners", owners);
        parts::thumbnail(draft, thumbnail);
        let parent = parts::key(draft, "parentKey", parent);
        let container = parts::key(draft, "containerKey", container);
        let readers = permissions::read(draft, permissions);
        let associated = associations::read(draft, associations);
        let tags = merged_tags(draft, tags, own_tags);
        draft.put_others(&others);
        let sensitive = block.and_then(|(object_type, node)| block::read(draft, object_type, node));
        draft.close('}');
        Some(Self {
            object_type: block.map(|(object_type, _)| object_type),
            id,
            sequence,
            display_name: display_name.map(str::to_owned),
            sensitive,
            tags,
            parent,
            container,
            associated,
            readers,
        })
    }

    /// The object, where nothing is missing.
    fn object(self, draft: &mut Draft) -> Option<Object> {
        refuse_size(draft, self.sensitive.as_deref());
        if !draft.is_clean() {
            return None;
        }
        let body = std::mem::take(&mut draft.out);
        let object_type = self.object_type?;
        Some(Object {
            digest: digest_of(&body, self.sensitive.as_deref(), &self.tags),
            categories: match object_type {
                ObjectType::CustomerOrg => categories(self.associated, [&self.container, &self.parent]),
                _ => Vec::new(),
            },
            object_type,
            id: self.id?,
            sequence: self.sequence?,
            display_name: self.display_name?,
            body,
            sensitive: self.sensitive,
            tags: self.tags,
            parent: self.parent,
            container: self.container,
            readers: self.readers,
        })
    }
}

/// The one block of the object, by the type that its name says.
fn type_block<'n, 'a>(
    draft: &mut Draft,
    blocks: &[(&'n str, &'n Node<'a>)],
) -> Option<(ObjectType, &'n Node<'a>)> {
    let root = At::root();
    let mut found: Vec<(ObjectType, &str, &Node<'_>)> = Vec::new();
    let mut are_all_known = true;
    for (name, node) in blocks.iter().filter(|(_, node)| **node != Node::Null) {
        match ObjectType::parse(name) {
            Some(object_type) => found.push((object_type, name, node)),
            None => {
                are_all_known = false;
                let key = root.member(name).to_string();
                let shown: String = name.chars().take(OBJECT_TEXT_CHARS_MAX).collect();
                let message = format!("unsupported object type {shown}");
                draft.note(Problem { key, message });
            }
        }
    }
    // The canonical spelling wins over an alias of the same type.
    let canonical = |(object_type, name, _): &(ObjectType, &str, &Node<'_>)| object_type.name() == *name;
    if let Some((first, _, _)) = found.iter().copied().find(canonical) {
        found.retain(|candidate| candidate.0 != first || canonical(candidate));
    }
    match found.as_slice() {
        [(object_type, _, node)] if are_all_known => Some((*object_type, node)),
        _ => {
            if are_all_known {
                draft.note(Problem {
                    key: String::new(),
                    message: format!(
                        "exactly one atlassian: type block is required, found {}",
                        found.len()
                    ),
                });
            }
            None
        }
    }
}

fn schema_version(draft: &mut Draft, node: Option<&Node<'_>>) {
    if node.is_none() {
        draft.name("schemaVersion");
        draft.put_text(SCHEMA_VERSION_DEFAULT);
    }
    let rule = Text::filled(OBJECT_TEXT_CHARS_MAX);
    draft.text(At::root(), "schemaVersion", node, rule);
}

/// The id: a string, or an integer by its digits.
fn read_id(draft: &mut Draft, node: Option<&Node<'_>>) -> Option<String> {
    let rule = Text::required(OBJECT_ID_CHARS_MAX);
    let digits = match node {
        Some(Node::Number(number)) if !number.contains(['.', 'e', 'E']) => {
            Node::Text(if *number == "-0" { "0" } else { number }.into())
        }
        _ => return draft.text(At::root(), "id", node, rule).map(str::to_owned),
    };
    draft
        .text(At::root(), "id", Some(&digits), rule)
        .map(str::to_owned)
}

fn read_sequence(draft: &mut Draft, node: Option<&Node<'_>>) -> Option<i64> {
    const NAME: &str = "updateSequenceNumber";
    let root = At::root();
    let Some(node) = node else {
        draft.missing(root.member(NAME));
        return None;
    };
    let sequence = number::sequence(node);
    match sequence {
        Some(sequence) => {
            draft.name(NAME);
            draft.out.push_str(&sequence.to_string());
        }
        None => draft.refuse(
            root.member(NAME),
            format_args!(
                "must be an integer from 0 to {}, found {}",
                i64::MAX,
                number::shown(node)
            ),
        ),
    }
    sequence
}

fn read_url(draft: &mut Draft, node: Option<&Node<'_>>) {
    let root = At::root();
    let rule = Text::required(OBJECT_URL_CHARS_MAX);
    let Some(text) = draft.text(root, "url", node, rule) else {
        return;
    };
    if let Err(error) = url::Url::parse(text) {
        draft.refuse(
            root.member("url"),
            format_args!(
                "must be an absolute URL, found {:?}: {error}",
                crate::Excerpt(text)
            ),
        );
    }
}

/// The request's tags, with the object's own over them.
fn merged_tags(draft: &mut Draft, of_request: &Tags, own: Option<&Node<'_>>) -> Tags {
    let mut tags = of_request.clone();
    let Some(own) = own else { return tags };
    match request::read_tags(own) {
        Ok(own) => tags.extend(own),
        Err(problems) => problems.into_iter().for_each(|problem| draft.note(problem)),
    }
    if let Err(problem) = request::refuse_many_tags(tags.len()) {
        draft.note(problem);
    }
    tags
}

fn refuse_size(draft: &mut Draft, sensitive: Option<&str>) {
    let found = match sensitive {
        None => draft.out.len(),
        Some(_) => Object::whole(&draft.out, sensitive).len(),
    };
    if found > OBJECT_BYTES_MAX {
        draft.refuse(
            At::root(),
            format_args!("must be at most {OBJECT_BYTES_MAX} bytes, found {found}"),
        );
    }
}

/// The categories of a customer-org: by association first, then by its keys.
fn categories(associated: Vec<String>, keys: [&Option<Key>; 2]) -> Vec<String> {
    let is_category = |key: &&Key| key.object_type == ObjectType::CustomerOrgCategory.name();
    let by_key = keys
        .into_iter()
        .flatten()
        .filter(is_category)
        .filter_map(|key| key.entity_id.clone());
    let mut known = BTreeSet::new();
    let mut categories: Vec<String> = associated.into_iter().chain(by_key).collect();
    categories.retain(|id| known.insert(id.clone()));
    categories
}

/// No text of an object holds U+0000, so it can stand between them.
fn digest_of(body: &str, sensitive: Option<&str>, tags: &Tags) -> String {
    let mut parts: Vec<&[u8]> = vec![body.as_bytes()];
    if let Some(sensitive) = sensitive {
        parts.extend([b"\0sensitive\0".as_slice(), sensitive.as_bytes()]);
    }
    for (key, value) in tags {
        parts.extend([b"\0tag\0".as_slice(), key.as_bytes(), b"\0", value.as_bytes()]);
    }
    digest::hex(&digest::sha256(&parts))
}
