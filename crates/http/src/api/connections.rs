//! Connections of connectors, and what administrators and agents may ask about the objects that came over
//! them: what hangs together, and why a value won. Our own.

use guildhall_domain::connector::Reason;
use guildhall_service::{ConnectionRow, NamedObject, Pointed};

use crate::api::connector::object_in_query;
use crate::call::{Call, Reply};
use crate::error::ApiError;
use crate::wire::{answer, body};

body! {
    /// A new connection.
    CreateConnectionRequest {
        /// What you call it: 1 to 255 characters.
        "name" name: String,
    }
}

answer! {
    /// A connection.
    ConnectionOut<'a> {
        /// Its id, a UUID.
        "id" id: &'a str,
        /// What its owner calls it.
        "name" name: &'a str,
        /// When it was made: RFC 3339, UTC.
        "createdAt" created_at: String,
    }
}

answer! {
    /// The connections of the tenant.
    ConnectionListOut<'a> {
        /// Oldest first.
        "connections" connections: Vec<ConnectionOut<'a>>,
    }
}

answer! {
    /// An object of a connector.
    TreeObjectOut<'a> {
        /// Its type.
        "objectType" object_type: &'a str,
        /// Its id.
        "externalId" external_id: &'a str,
        /// What it is called; absent where it does not exist.
        "displayName" display_name: Option<&'a str>,
    }
}

answer! {
    /// An object below another one.
    TreeChildOut<'a> {
        /// Its type.
        "objectType" object_type: &'a str,
        /// Its id.
        "externalId" external_id: &'a str,
        /// What it is called.
        "displayName" display_name: &'a str,
        /// How far below; 1 is a child.
        "depth" depth: i64,
        /// The type of its parent.
        "parentType" parent_type: &'a str,
        /// The id of its parent.
        "parentId" parent_id: &'a str,
    }
}

answer! {
    /// What hangs together with an object.
    ObjectTreeOut<'a> {
        /// The connection.
        "connectionId" connection_id: &'a str,
        /// The object.
        "object" object: TreeObjectOut<'a>,
        /// What its parentKey points to.
        "parent" parent: Option<TreeObjectOut<'a>>,
        /// What its containerKey points to.
        "container" container: Option<TreeObjectOut<'a>>,
        /// The categories that it is in.
        "categories" categories: Vec<TreeObjectOut<'a>>,
        /// What is below it by parentKey, level by level, each object once.
        "children" children: Vec<TreeChildOut<'a>>,
        /// What names it as its container.
        "contents" contents: Vec<TreeObjectOut<'a>>,
        /// Of a category: what is in it.
        "members" members: Vec<TreeObjectOut<'a>>,
        /// Whether one of the lists was cut off.
        "truncated" truncated: bool,
    }
}

answer! {
    /// A write that was accepted and not applied.
    ObjectWriteOut<'a> {
        /// Its number among those of the object, from 1.
        "number" number: i64,
        /// Its updateSequenceNumber.
        "updateSequenceNumber" sequence: i64,
        /// The number that it met.
        "storedSequenceNumber" stored_sequence: i64,
        /// LOWER, EQUAL_SAME, EQUAL_DIFFERENT or TOMBSTONE_NEWER.
        "reason" reason: &'a str,
        /// When it came: RFC 3339, UTC.
        "writtenAt" written_at: String,
    }
}

answer! {
    /// Why the value of an object is what it is.
    ObjectWritesOut<'a> {
        /// The number of the value, or of the deletion, that stands.
        "updateSequenceNumber" sequence: i64,
        /// Whether a deletion stands.
        "deleted" deleted: bool,
        /// When the object came into being: RFC 3339, UTC.
        "createdAt" created_at: String,
        /// When what stands was written: RFC 3339, UTC.
        "updatedAt" updated_at: String,
        /// How many writes were accepted and not applied, ever.
        "notApplied" not_applied: i64,
        /// The last of them, newest first; at most 20.
        "writes" writes: Vec<ObjectWriteOut<'a>>,
    }
}

impl<'a> From<&'a ConnectionRow> for ConnectionOut<'a> {
    fn from(connection: &'a ConnectionRow) -> Self {
        Self {
            id: &connection.id,
            name: &connection.name,
            created_at: connection.created_at.to_rfc3339(),
        }
    }
}

impl<'a> From<&'a NamedObject> for TreeObjectOut<'a> {
    fn from(object: &'a NamedObject) -> Self {
        Self {
            object_type: object.id.0.name(),
            external_id: &object.id.1,
            display_name: Some(&object.display_name),
        }
    }
}

impl<'a> From<&'a Pointed> for TreeObjectOut<'a> {
    fn from(pointed: &'a Pointed) -> Self {
        Self {
            object_type: &pointed.object_type,
            external_id: &pointed.id,
            display_name: pointed.display_name.as_deref(),
        }
    }
}

/// `POST /guildhall/v1/connections`
pub async fn create(call: Call) -> Result<Reply, ApiError> {
    let body: CreateConnectionRequest = call.body()?;
    let connection = call
        .service
        .create_connection(call.caller().tenant, &body.name)
        .await?;
    Reply::json(&ConnectionOut::from(&connection))
}

/// `GET /guildhall/v1/connections`
pub async fn list(call: Call) -> Result<Reply, ApiError> {
    let connections = call.service.connections(call.caller().tenant).await?;
    Reply::json(&ConnectionListOut {
        connections: connections.iter().map(ConnectionOut::from).collect(),
    })
}

/// `DELETE /guildhall/v1/connections/{connectionId}`
pub async fn delete(call: Call) -> Result<Reply, ApiError> {
    call.service
        .delete_connection(call.caller().tenant, call.path("connectionId"))
        .await?;
    Ok(Reply::no_content())
}

/// `GET /guildhall/v1/objects/tree`
pub async fn tree(call: Call) -> Result<Reply, ApiError> {
    let (connection, depth) = (call.query("connectionId")?, call.query_number("depth")?);
    let tree = call
        .service
        .object_tree(call.caller(), connection, object_in_query(&call)?, depth)
        .await?;
    let children = tree.descendants.iter().map(|descendant| TreeChildOut {
        object_type: descendant.child.object.id.0.name(),
        external_id: &descendant.child.object.id.1,
        display_name: &descendant.child.object.display_name,
        depth: descendant.depth,
        parent_type: descendant.child.parent.0.name(),
        parent_id: &descendant.child.parent.1,
    });
    Reply::json(&ObjectTreeOut {
        connection_id: &tree.connection_id,
        object: (&tree.object).into(),
        parent: tree.parent.as_ref().map(Into::into),
        container: tree.container.as_ref().map(Into::into),
        categories: tree.categories.iter().map(Into::into).collect(),
        children: children.collect(),
        contents: tree.contents.iter().map(Into::into).collect(),
        members: tree.members.iter().map(Into::into).collect(),
        truncated: tree.truncated,
    })
}

/// `GET /guildhall/v1/objects/writes`
pub async fn writes(call: Call) -> Result<Reply, ApiError> {
    let (object_type, id) = object_in_query(&call)?;
    let story = call
        .service
        .object_story(call.caller(), call.query("connectionId")?, object_type, id)
        .await?;
    let writes = story.writes.iter().map(|write| ObjectWriteOut {
        number: write.number,
        sequence: write.sequence,
        stored_sequence: write.stored_sequence,
        reason: match write.reason {
            Reason::Lower => "LOWER",
            Reason::EqualSame => "EQUAL_SAME",
            Reason::EqualDifferent => "EQUAL_DIFFERENT",
            Reason::TombstoneNewer => "TOMBSTONE_NEWER",
        },
        written_at: write.written_at.to_rfc3339(),
    });
    Reply::json(&ObjectWritesOut {
        sequence: story.standing.sequence,
        deleted: story.standing.deleted_at.is_some(),
        created_at: story.standing.created_at.to_rfc3339(),
        updated_at: story.standing.updated_at.to_rfc3339(),
        not_applied: story.standing.kept_back,
        writes: writes.collect(),
    })
}
