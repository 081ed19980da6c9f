//! The request that brings objects: its shape, and what is refused as a whole.

use super::Object;
use crate::json::Node;
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
    /// The objects in the order given, each on its own.
    pub objects: Vec<Result<Object, RejectedObject>>,
}

impl SetObjects {
    /// Reads the body.
    ///
    /// # Errors
    ///
    /// When its shape is wrong as a whole: no list of 1 to 100 objects, bad `properties`, an unknown
    /// `operationType`.
    pub fn read(body: &Node<'_>) -> Result<Self, RequestFault> {
        let Node::Object(members) = body else {
            return Err(RequestFault::at("", "the request body must be an object"));
        };
        let Some(Node::Array(items)) = members.get("objects") else {
            return Err(RequestFault::at("objects", "objects must be an array"));
        };
        let tags = Tags::new();
        Ok(Self {
            connection_id: None,
            objects: items.iter().map(|item| Object::read(item, &tags)).collect(),
        })
    }
}

/// Reads a map of tags: `properties` of a request.
///
/// # Errors
///
/// All that is wrong with it, with paths that begin with `properties`.
pub fn read_tags(node: &Node<'_>) -> Result<Tags, Vec<Problem>> {
    match node {
        Node::Object(_) => Ok(Tags::new()),
        _ => Err(vec![Problem {
            key: "properties".to_owned(),
            message: "properties must be an object".to_owned(),
        }]),
    }
}
