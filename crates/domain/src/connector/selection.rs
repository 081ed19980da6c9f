//! Requests that name things to be deleted: by their external ids, or by a tag.

use super::people::{check_count, connection_id, id_text, object, sequence};
use super::{ObjectType, RequestFault, read_tags};
use crate::Excerpt;
use crate::json::{Members, Node};

/// Things to be deleted, by their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalIds {
    /// The connection, when the request names one.
    pub connection_id: Option<String>,
    /// The ids, 1 to 100, in the order given.
    pub ids: Vec<String>,
}

/// Objects to be deleted, by their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteObjects {
    /// Which.
    pub which: ExternalIds,
    /// Of which type.
    pub object_type: ObjectType,
    /// Only those whose number is not greater, where it is given.
    pub sequence: Option<i64>,
}

/// Objects to be deleted, by a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteByProperties {
    /// The connection, when the request names one.
    pub connection_id: Option<String>,
    /// Of which type.
    pub object_type: ObjectType,
    /// The tag and its content.
    pub tag: (String, String),
}

impl ExternalIds {
    /// Reads the body of a request.
    ///
    /// # Errors
    ///
    /// When it holds no list of 1 to 100 ids.
    pub fn read(body: &Node<'_>) -> Result<Self, RequestFault> {
        const NAME: &str = "externalIds";
        let members = object(body)?;
        let list = match members.get(NAME) {
            Some(Node::Array(list)) => list,
            None | Some(Node::Null) => return Err(RequestFault::at(NAME, format!("{NAME} is required"))),
            Some(_) => return Err(RequestFault::at(NAME, format!("{NAME} must be an array"))),
        };
        check_count(NAME, list.len())?;
        let ids = list.iter().enumerate().map(|(index, node)| {
            let at = format!("{NAME}[{index}]");
            let id = id_text(node).filter(|id| !id.is_empty());
            id.ok_or_else(|| RequestFault::at(at.as_str(), format!("{at} must be a non-empty string")))
        });
        Ok(Self {
            ids: ids.collect::<Result<_, _>>()?,
            connection_id: connection_id(members)?,
        })
    }
}

impl DeleteObjects {
    /// Reads the body of a request.
    ///
    /// # Errors
    ///
    /// When its shape is wrong.
    pub fn read(body: &Node<'_>) -> Result<Self, RequestFault> {
        let members = object(body)?;
        let object_type = object_type(members)?;
        let which = ExternalIds::read(body)?;
        let mut problems = Vec::new();
        let sequence = sequence(members, &mut problems);
        match problems.pop() {
            Some(problem) => Err(RequestFault::at(problem.key, problem.message)),
            None => Ok(Self {
                which,
                object_type,
                sequence,
            }),
        }
    }
}

impl DeleteByProperties {
    /// Reads the body of a request. The older form, a bare map, has no `objectType`: to guess one could
    /// delete too much.
    ///
    /// # Errors
    ///
    /// When its shape is wrong, or holds other than one tag.
    pub fn read(body: &Node<'_>) -> Result<Self, RequestFault> {
        const NAME: &str = "properties";
        let members = object(body)?;
        let object_type = object_type(members)?;
        let node = match members.get(NAME) {
            None | Some(Node::Null) => return Err(RequestFault::at(NAME, format!("{NAME} is required"))),
            Some(node) => node,
        };
        let Node::Object(given) = node else {
            return Err(RequestFault::at(NAME, "properties must be an object"));
        };
        match given.len() {
            0 => return Err(RequestFault::at(NAME, "properties object cannot be empty")),
            1 => {}
            count => {
                let message = format!("properties must hold exactly one property, found {count}");
                return Err(RequestFault::at(NAME, message));
            }
        }
        let tags = read_tags(node).map_err(|errors| RequestFault {
            error: errors
                .first()
                .map(|problem| problem.message.clone())
                .unwrap_or_default(),
            errors,
        })?;
        let Some(tag) = tags.into_iter().next() else {
            return Err(RequestFault::at(NAME, "properties object cannot be empty"));
        };
        Ok(Self {
            connection_id: connection_id(members)?,
            object_type,
            tag,
        })
    }
}

fn object_type(members: &Members<'_>) -> Result<ObjectType, RequestFault> {
    const NAME: &str = "objectType";
    match members.get(NAME) {
        None | Some(Node::Null) => Err(RequestFault::at(NAME, "objectType is required")),
        Some(Node::Text(name)) => known_type(name),
        Some(_) => Err(RequestFault::at(NAME, "objectType must be a string")),
    }
}

/// The type of this name.
///
/// # Errors
///
/// When it is none of the three, or empty.
pub fn known_type(name: &str) -> Result<ObjectType, RequestFault> {
    const NAME: &str = "objectType";
    if name.is_empty() {
        return Err(RequestFault::at(NAME, "objectType is required"));
    }
    ObjectType::parse(name).ok_or_else(|| {
        let known = ObjectType::ALL.map(ObjectType::name).join(", ");
        let message = format!(
            "unsupported object type {:?}; the types are {known}",
            Excerpt(name)
        );
        RequestFault::at(NAME, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn error<T: std::fmt::Debug>(read: fn(&Node<'_>) -> Result<T, RequestFault>, text: &str) -> String {
        read(&json::parse(text.as_bytes()).unwrap()).unwrap_err().error
    }

    #[test]
    fn ids_come_as_a_list() {
        let body =
            r#"{"objectType":"atlassian:organization","externalIds":["a/b",7,-0],"updateSequenceNumber":3}"#;
        let read = DeleteObjects::read(&json::parse(body.as_bytes()).unwrap()).unwrap();
        assert_eq!(read.object_type, ObjectType::Organisation);
        assert_eq!(
            (read.which.ids, read.sequence),
            (vec!["a/b".into(), "7".into(), "0".into()], Some(3))
        );
        for (body, wanted) in [
            ("{}", "externalIds is required"),
            (r#"{"externalIds":"a"}"#, "externalIds must be an array"),
            (r#"{"externalIds":[]}"#, "externalIds array cannot be empty"),
            (
                r#"{"externalIds":["a"],"connectionId":""}"#,
                "connectionId must be a non-empty string, found \"\"",
            ),
            (
                r#"{"externalIds":["a",""]}"#,
                "externalIds[1] must be a non-empty string",
            ),
        ] {
            assert_eq!(error(ExternalIds::read, body), wanted);
        }
        assert_eq!(
            error(DeleteObjects::read, r#"{"externalIds":["a"]}"#),
            "objectType is required"
        );
        let body = r#"{"externalIds":["a"],"objectType":"x"}"#;
        assert!(error(DeleteObjects::read, body).starts_with("unsupported object type \"x\""));
        let body = r#"{"externalIds":["a"],"objectType":"atlassian:customer-org","updateSequenceNumber":-1}"#;
        assert!(error(DeleteObjects::read, body).starts_with("updateSequenceNumber must be an integer"));
    }

    #[test]
    fn one_tag_is_named() {
        let typed = |properties: &str| {
            format!(r#"{{"objectType":"atlassian:customer-org","properties":{properties}}}"#)
        };
        // The older form.
        assert_eq!(
            error(DeleteByProperties::read, r#"{"source":"crm"}"#),
            "objectType is required"
        );
        for (properties, wanted) in [
            ("null", "properties is required"),
            ("[]", "properties must be an object"),
            ("{}", "properties object cannot be empty"),
            (
                r#"{"a":"1","b":"2"}"#,
                "properties must hold exactly one property, found 2",
            ),
        ] {
            assert_eq!(error(DeleteByProperties::read, &typed(properties)), wanted);
        }
    }
}
