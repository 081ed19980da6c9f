//! The request that brings objects: its shape, and what is refused as a whole.

use super::Object;
use super::draft::{Names, sort};
use super::number::shown;
use crate::Excerpt;
use crate::json::{At, Node};
use crate::limits::{OBJECTS_MAX, TAG_CHARS_MAX, TAGS_MAX};
use std::collections::BTreeMap;

/// Tags of an object (`properties` on the wire), by which objects can be deleted later.
pub type Tags = BTreeMap<String, String>;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: the canonical path of the property, such as `permissions[0].accessControls`.
    pub key: String,
    /// What is wrong and what would be right. Never holds `customAndSensitiveData`.
    pub message: String,
}

/// The request is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestFault {
    /// In a line.
    pub error: String,
    /// Everything that is wrong; at least one.
    pub errors: Vec<Problem>,
}

impl RequestFault {
    /// A fault with one problem.
    pub fn at(key: impl Into<String>, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            error: message.clone(),
            errors: vec![Problem {
                key: key.into(),
                message,
            }],
        }
    }
}

/// An object is refused; the others of its request are not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RejectedObject {
    /// The canonical name of its type, where that could be read.
    pub object_type: Option<String>,
    /// Its id, where that could be read.
    pub id: Option<String>,
    /// All that is wrong with it; at least one.
    pub problems: Vec<Problem>,
}

/// The body of setObjects.
#[derive(Clone, Debug, PartialEq)]
pub struct SetObjects {
    /// The connection, when the request names one.
    pub connection_id: Option<String>,
    /// Whether they are old ones, brought once (`operationType` `BACKFILL`): the vendor's limits differ by it.
    pub is_backfill: bool,
    /// The objects in the order given, each on its own.
    pub objects: Vec<Result<Object, RejectedObject>>,
}

/// `entities` is what older callers say.
const REQUEST: Names<4> = [
    &["objects", "entities"],
    &["properties"],
    &["connectionId"],
    &["operationType"],
];

impl SetObjects {
    /// Reads the body. Members that nobody knows are ignored.
    ///
    /// # Errors
    ///
    /// When its shape is wrong as a whole: no list of 1 to 100 objects, bad `properties`, an unknown
    /// `operationType`. What is wrong with an object stands with the object.
    pub fn read(body: &Node<'_>) -> Result<Self, RequestFault> {
        let Node::Object(members) = body else {
            return Err(RequestFault::at(
                "",
                format!("the request body must be an object, found {}", body.kind()),
            ));
        };
        let [objects, properties, connection_id, operation_type] = sort(members, &REQUEST).known;
        let mut errors = Vec::new();
        let items = keep(&mut errors, read_items(objects));
        let tags = match properties.map(read_tags) {
            None => Tags::new(),
            Some(Ok(tags)) => tags,
            Some(Err(problems)) => {
                errors.extend(problems);
                Tags::new()
            }
        };
        let connection_id = keep(&mut errors, read_connection_id(connection_id));
        let is_backfill = keep(&mut errors, read_is_backfill(operation_type));
        if let Some(first) = errors.first() {
            return Err(RequestFault {
                error: first.message.clone(),
                errors,
            });
        }
        let items = items.unwrap_or_default();
        Ok(Self {
            connection_id: connection_id.flatten(),
            is_backfill: is_backfill.unwrap_or(false),
            objects: items.iter().map(|item| Object::read(item, &tags)).collect(),
        })
    }
}

/// The value, or nothing and its problem noted.
fn keep<T>(errors: &mut Vec<Problem>, result: Result<T, Problem>) -> Option<T> {
    result.map_err(|problem| errors.push(problem)).ok()
}

fn problem(key: impl Into<String>, message: impl Into<String>) -> Problem {
    Problem {
        key: key.into(),
        message: message.into(),
    }
}

fn read_items<'n, 'a>(node: Option<&'n Node<'a>>) -> Result<&'n [Node<'a>], Problem> {
    let refuse = |message: String| Err(problem("objects", message));
    match node {
        Some(Node::Array(items)) if items.is_empty() => refuse("objects array cannot be empty".to_owned()),
        Some(Node::Array(items)) if items.len() > OBJECTS_MAX => refuse(format!(
            "objects array cannot contain more than {OBJECTS_MAX} items, found {}",
            items.len()
        )),
        Some(Node::Array(items)) => Ok(items),
        Some(other) => refuse(format!("objects must be an array, found {}", other.kind())),
        None => refuse("objects must be an array, and there is none".to_owned()),
    }
}

fn read_connection_id(node: Option<&Node<'_>>) -> Result<Option<String>, Problem> {
    match node {
        None => Ok(None),
        Some(Node::Text(id)) if !id.is_empty() => Ok(Some(id.clone().into_owned())),
        Some(other) => Err(problem(
            "connectionId",
            format!("connectionId must be a non-empty string, found {}", shown(other)),
        )),
    }
}

fn read_is_backfill(node: Option<&Node<'_>>) -> Result<bool, Problem> {
    match node {
        None => Ok(false),
        Some(Node::Text(name)) if name == "NORMAL" => Ok(false),
        Some(Node::Text(name)) if name == "BACKFILL" => Ok(true),
        Some(other) => Err(problem(
            "operationType",
            format!("operationType must be NORMAL or BACKFILL, found {}", shown(other)),
        )),
    }
}

/// Reads a map of tags: `properties` of a request, or of an object.
///
/// # Errors
///
/// All that is wrong with it, by paths that begin with `properties`.
pub fn read_tags(node: &Node<'_>) -> Result<Tags, Vec<Problem>> {
    let Node::Object(members) = node else {
        let message = format!("properties must be an object, found {}", node.kind());
        return Err(vec![problem("properties", message)]);
    };
    // First, so that a map of a million members has one problem.
    refuse_many_tags(members.len()).map_err(|problem| vec![problem])?;
    let mut tags = Tags::new();
    let mut problems = Vec::new();
    for (key, value) in members.iter() {
        match read_tag(key, value) {
            Ok(value) => {
                tags.insert(key.to_owned(), value.to_owned());
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        Ok(tags)
    } else {
        Err(problems)
    }
}

/// Refuses so many tags, when they are too many.
pub(super) fn refuse_many_tags(found: usize) -> Result<(), Problem> {
    if found <= TAGS_MAX {
        return Ok(());
    }
    Err(problem(
        "properties",
        format!("properties object cannot contain more than {TAGS_MAX} properties, found {found}"),
    ))
}

fn read_tag<'n>(key: &str, value: &'n Node<'_>) -> Result<&'n str, Problem> {
    let root = At::root();
    let properties = root.member("properties");
    // Written out only where something is wrong with it.
    let at = properties.member(key);
    let fits = |text: &str| (1..=TAG_CHARS_MAX).contains(&text.chars().count());
    if !fits(key) || key.contains(':') || key.starts_with('_') {
        let message = format!(
            "a key of properties must have 1 to {TAG_CHARS_MAX} characters, no colon, and no underscore at its beginning, found {:?}",
            Excerpt(key)
        );
        return Err(problem(at.to_string(), message));
    }
    match value {
        Node::Text(text) if fits(text) => Ok(text),
        Node::Text(text) => {
            let found = text.chars().count();
            let message = format!("{at} must have 1 to {TAG_CHARS_MAX} characters, found {found}");
            Err(problem(at.to_string(), message))
        }
        other => {
            let message = format!("{at} must be a string, found {}", other.kind());
            Err(problem(at.to_string(), message))
        }
    }
}
