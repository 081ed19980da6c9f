//! What connectors call (docs/api.md, "Connectors"): objects, and the users and groups that their
//! permissions rest on. Requests are read by the domain, which knows all the forms that they come in;
//! here stand their schemas, the answers, and the handlers.

use guildhall_domain::connector::{
    DeleteByProperties, DeleteObjects, ExternalIds, Group, Mapping, ObjectType, Person, Problem, SetObjects,
    SetPeople, User, known_type,
};
use guildhall_domain::{Rejection, Timestamp};
use guildhall_service::{ObjectsSet, PeopleSet, VisibleQuery};
use serde_json::{Value, json};

use crate::call::{Call, Reply};
use crate::error::ApiError;
use crate::wire::{Kept, Nullable, Schema, Schemas, answer, object_schema};

answer! {
    /// One thing that is wrong.
    ConnectorProblemOut<'a> {
        /// Where: the path of the property, by its canonical name.
        "key" key: &'a str,
        /// What is wrong, and what would be right.
        "message" message: &'a str,
    }
}

answer! {
    /// An object that was accepted.
    AcceptedObjectOut<'a> {
        /// Its type.
        "entityType" entity_type: &'a str,
        /// Its id.
        "entityId" entity_id: &'a str,
        /// Its place in the request, from 0.
        "index" index: i64,
    }
}

answer! {
    /// What names an object that was rejected; null where that could not be read.
    RejectedKeyOut<'a> {
        /// Its type.
        "entityType" entity_type: Nullable<'a>,
        /// Its id.
        "entityId" entity_id: Nullable<'a>,
    }
}

answer! {
    /// An object that was rejected.
    RejectedObjectOut<'a> {
        /// Which.
        "key" key: RejectedKeyOut<'a>,
        /// Its place in the request, from 0.
        "index" index: i64,
        /// All that is wrong with it.
        "errors" errors: Vec<ConnectorProblemOut<'a>>,
    }
}

answer! {
    /// What became of the objects.
    SetObjectsResultsOut<'a> {
        /// Those that are valid. One that is older than what is there is accepted too, and changes nothing.
        "accepted" accepted: Vec<AcceptedObjectOut<'a>>,
        /// The same once more, as callers of another variant expect it.
        "validObjects" valid_objects: Vec<AcceptedObjectOut<'a>>,
        /// Those that are not.
        "rejected" rejected: Vec<RejectedObjectOut<'a>>,
    }
}

answer! {
    /// The answer to setObjects.
    BulkObjectResponseOut<'a> {
        /// Whether at least one object was accepted.
        "success" success: bool,
        /// What became of each.
        "results" results: SetObjectsResultsOut<'a>,
        /// Where none was accepted: that it is so.
        "error" error: Option<&'a str>,
    }
}

answer! {
    /// An object.
    ObjectResponseOut {
        /// true
        "success" success: bool,
        /// The object in its canonical form.
        "object" object: Kept,
    }
}

answer! {
    /// Objects that an account may see.
    VisibleObjectsOut {
        /// The objects in their canonical form, without customAndSensitiveData.
        "objects" objects: Vec<Kept>,
        /// The cursor of the next page; absent on the last. A page may be short, or empty, and have one.
        "nextCursor" next_cursor: Option<String>,
    }
}

answer! {
    /// What became of one id.
    DeletedOut<'a> {
        /// The id.
        "externalId" external_id: &'a str,
        /// 200: deleted; 404: there was none, or it is newer than the delete.
        "statusCode" status_code: i64,
        /// Where there was none: that it is so.
        "message" message: Option<&'a str>,
    }
}

answer! {
    /// The answer to a delete by ids.
    DeleteResponseOut<'a> {
        /// true
        "success" success: bool,
        /// What became of each id, in the order of the request.
        "results" results: Vec<DeletedOut<'a>>,
    }
}

answer! {
    /// The answer to a delete by properties.
    DeleteByPropertiesResponseOut {
        /// true
        "success" success: bool,
        /// How many objects were deleted.
        "deleted" deleted: i64,
    }
}

answer! {
    /// A user, group or mapping that was accepted.
    AcceptedPersonOut<'a> {
        /// Its id.
        "externalId" external_id: &'a str,
        /// Its place in the request, from 0.
        "index" index: i64,
    }
}

answer! {
    /// A user, group or mapping that was not accepted.
    RejectedPersonOut<'a> {
        /// Its id; null where it could not be read.
        "externalId" external_id: Nullable<'a>,
        /// Its place in the request, from 0.
        "index" index: i64,
        /// All that is wrong with it.
        "errors" errors: Vec<ConnectorProblemOut<'a>>,
    }
}

answer! {
    /// What became of users, groups or mappings.
    SetPeopleResultsOut<'a> {
        /// Those that are valid. One that is older than what is there is among them, and changes nothing.
        "success" success: Vec<AcceptedPersonOut<'a>>,
        /// Those that are not.
        "failures" failures: Vec<RejectedPersonOut<'a>>,
    }
}

answer! {
    /// The answer to setUsers, setGroups and mapUsers.
    SetPeopleResponseOut<'a> {
        /// Whether at least one was accepted.
        "success" success: bool,
        /// What became of each.
        "results" results: SetPeopleResultsOut<'a>,
        /// Where none was accepted: that it is so.
        "error" error: Option<&'a str>,
    }
}

answer! {
    /// A user.
    ConnectorUserResponseOut {
        /// true
        "success" success: bool,
        /// The user as it was sent.
        "user" user: Kept,
    }
}

answer! {
    /// A group.
    ConnectorGroupResponseOut {
        /// true
        "success" success: bool,
        /// The group as it was sent, with id, members and meta.
        "group" group: Kept,
    }
}

impl Schema for SetObjects {
    fn schema(all: &mut Schemas) -> Value {
        let object = json!({ "type": "object", "additionalProperties": true });
        let members = [
            (
                "objects",
                "1 to 100 objects, each with exactly one block atlassian:….",
                json!({ "type": "array", "items": object }),
            ),
            ("properties", "At most 5 tags of all these objects.", tags()),
            ("connectionId", CONNECTION, String::schema(all)),
            (
                "operationType",
                "NORMAL or BACKFILL; of the latter more may be set in a minute, where that is limited.",
                String::schema(all),
            ),
        ];
        object_schema(
            all,
            "SetObjectsRequest",
            "Objects to be set.",
            &["objects"],
            members,
        )
    }
}

const CONNECTION: &str = "The connection; may be left out where the tenant has just one.";
const OBJECT_TYPE: &str =
    "atlassian:organisation, atlassian:customer-org or atlassian:customer-org-category.";

fn tags() -> Value {
    json!({ "type": "object", "additionalProperties": { "type": "string" } })
}

fn ids() -> Value {
    json!({ "type": "array", "items": { "type": "string" } })
}

impl Schema for DeleteObjects {
    fn schema(all: &mut Schemas) -> Value {
        let members = [
            ("objectType", OBJECT_TYPE, String::schema(all)),
            ("externalIds", "1 to 100 ids.", ids()),
            ("connectionId", CONNECTION, String::schema(all)),
            (
                "updateSequenceNumber",
                "Only objects whose number is not greater.",
                i64::schema(all),
            ),
        ];
        let required = ["objectType", "externalIds"];
        object_schema(
            all,
            "DeleteObjectsRequest",
            "Objects to be deleted.",
            &required,
            members,
        )
    }
}

impl Schema for DeleteByProperties {
    fn schema(all: &mut Schemas) -> Value {
        let members = [
            ("objectType", OBJECT_TYPE, String::schema(all)),
            ("properties", "Exactly one tag.", tags()),
            ("connectionId", CONNECTION, String::schema(all)),
        ];
        let required = ["objectType", "properties"];
        let doc = "The tag of objects to be deleted.";
        object_schema(all, "DeleteByPropertiesRequest", doc, &required, members)
    }
}

impl Schema for ExternalIds {
    fn schema(all: &mut Schemas) -> Value {
        let members = [
            ("externalIds", "1 to 100 ids.", ids()),
            ("connectionId", CONNECTION, String::schema(all)),
        ];
        object_schema(
            all,
            "ExternalIdsRequest",
            "Users or groups to be deleted.",
            &["externalIds"],
            members,
        )
    }
}

impl<T: Person> Schema for SetPeople<T> {
    fn schema(all: &mut Schemas) -> Value {
        let list = json!({ "type": "array", "items": { "type": "object", "additionalProperties": true } });
        let (name, doc) = match T::LIST {
            "users" => (
                "SetUsersRequest",
                "1 to 100 users; only externalId is required of each.",
            ),
            "groups" => (
                "SetGroupsRequest",
                "1 to 100 groups; members, where given, replace the membership.",
            ),
            _ => (
                "MapUsersRequest",
                "1 to 100 mappings: externalId, updateSequenceNumber, updatedAt, accountId or email.",
            ),
        };
        let members = [
            (T::LIST, doc, list),
            ("connectionId", CONNECTION, String::schema(all)),
        ];
        object_schema(all, name, "", &[T::LIST], members)
    }
}

/// The object that a query names.
pub(super) fn object_in_query(call: &Call) -> Result<(ObjectType, &str), ApiError> {
    let object_type = known_type(call.query_required("objectType")?)?;
    Ok((object_type, call.query_required("externalId")?))
}

fn problems(problems: &[Problem]) -> Vec<ConnectorProblemOut<'_>> {
    problems
        .iter()
        .map(|problem| ConnectorProblemOut {
            key: &problem.key,
            message: &problem.message,
        })
        .collect()
}

fn place(index: usize) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

fn objects_reply(set: &ObjectsSet) -> Result<Reply, ApiError> {
    let accepted: Vec<_> = set
        .accepted
        .iter()
        .map(|(index, (object_type, id))| AcceptedObjectOut {
            entity_type: object_type.name(),
            entity_id: id,
            index: place(*index),
        })
        .collect();
    let rejected = set.rejected.iter().map(|(index, object)| RejectedObjectOut {
        key: RejectedKeyOut {
            entity_type: Nullable(object.object_type.as_deref()),
            entity_id: Nullable(object.id.as_deref()),
        },
        index: place(*index),
        errors: problems(&object.problems),
    });
    let success = !accepted.is_empty();
    Reply::json(&BulkObjectResponseOut {
        success,
        results: SetObjectsResultsOut {
            valid_objects: accepted.clone(),
            accepted,
            rejected: rejected.collect(),
        },
        error: (!success).then_some("Failed to set objects: none is valid"),
    })
}

fn people_reply(set: &PeopleSet, none: &'static str) -> Result<Reply, ApiError> {
    let accepted = set.accepted.iter().map(|(index, id)| AcceptedPersonOut {
        external_id: id,
        index: place(*index),
    });
    let rejected = set.rejected.iter().map(|(index, person)| RejectedPersonOut {
        external_id: Nullable(person.id.as_deref()),
        index: place(*index),
        errors: problems(&person.problems),
    });
    let success = !set.accepted.is_empty();
    Reply::json(&SetPeopleResponseOut {
        success,
        results: SetPeopleResultsOut {
            success: accepted.collect(),
            failures: rejected.collect(),
        },
        error: (!success).then_some(none),
    })
}

fn deleted_reply(deleted: &[(String, bool)], none: &'static str) -> Result<Reply, ApiError> {
    let results = deleted.iter().map(|(id, found)| DeletedOut {
        external_id: id,
        status_code: if *found { 200 } else { 404 },
        message: (!found).then_some(none),
    });
    Reply::json(&DeleteResponseOut {
        success: true,
        results: results.collect(),
    })
}

/// `POST /objects/bulk`
pub async fn set_objects(call: Call) -> Result<Reply, ApiError> {
    let request = call.with_body(SetObjects::read)?;
    objects_reply(&call.service.set_objects(call.caller(), request).await?)
}

/// `GET /objects`
pub async fn get_object(call: Call) -> Result<Reply, ApiError> {
    let (object_type, id) = object_in_query(&call)?;
    let connection = call.query("connectionId")?;
    let object = call
        .service
        .object(call.caller(), connection, object_type, id)
        .await?;
    Reply::json(&ObjectResponseOut {
        success: true,
        object: Kept::new(object)?,
    })
}

/// `POST /objects/delete`, `DELETE /objects/bulk`
pub async fn delete_objects(call: Call) -> Result<Reply, ApiError> {
    let request = call.with_body(DeleteObjects::read)?;
    let deleted = call.service.delete_objects(call.caller(), request).await?;
    deleted_reply(&deleted, "Object not found")
}

/// `POST /objects/delete-by-properties`, `DELETE /objects/by-properties`
pub async fn delete_by_properties(call: Call) -> Result<Reply, ApiError> {
    let request = call.with_body(DeleteByProperties::read)?;
    let deleted = call.service.delete_by_properties(call.caller(), request).await?;
    Reply::json(&DeleteByPropertiesResponseOut {
        success: true,
        deleted,
    })
}

/// `GET /objects/visible`
pub async fn visible_objects(call: Call) -> Result<Reply, ApiError> {
    if call.caller().account.is_none() {
        return Err(Rejection::NoAccount.into());
    }
    let query = VisibleQuery {
        connection_id: call.query("connectionId")?,
        object_type: call.query("objectType")?.map(known_type).transpose()?,
        cursor: call.query("cursor")?,
        limit: call.query_number("limit")?,
    };
    let page = call.service.visible_objects(call.caller(), query).await?;
    Reply::json(&VisibleObjectsOut {
        objects: page
            .objects
            .into_iter()
            .map(Kept::new)
            .collect::<Result<_, _>>()?,
        next_cursor: page.next,
    })
}

/// `POST /users/bulk`
pub async fn set_users(call: Call) -> Result<Reply, ApiError> {
    let request: SetPeople<User> = call.with_body(SetPeople::read)?;
    let set = call.service.set_users(call.caller(), request).await?;
    people_reply(&set, "Failed to set users: none is valid")
}

/// `POST /users/map`
pub async fn map_users(call: Call) -> Result<Reply, ApiError> {
    let request: SetPeople<Mapping> = call.with_body(SetPeople::read)?;
    let set = call.service.map_users(call.caller(), request).await?;
    people_reply(&set, "Failed to map users: none is valid")
}

/// `POST /groups/bulk`
pub async fn set_groups(call: Call) -> Result<Reply, ApiError> {
    let request: SetPeople<Group> = call.with_body(SetPeople::read)?;
    let set = call.service.set_groups(call.caller(), request).await?;
    people_reply(&set, "Failed to set groups: none is valid")
}

/// `GET /users`
pub async fn get_user(call: Call) -> Result<Reply, ApiError> {
    let (id, connection) = (call.query_required("externalId")?, call.query("connectionId")?);
    let user = call.service.connector_user(call.caller(), connection, id).await?;
    Reply::json(&ConnectorUserResponseOut {
        success: true,
        user: Kept::new(user.body)?,
    })
}

/// `GET /groups`
pub async fn get_group(call: Call) -> Result<Reply, ApiError> {
    let (id, connection) = (call.query_required("externalId")?, call.query("connectionId")?);
    let found = call
        .service
        .connector_group(call.caller(), connection, id)
        .await?;
    let time = |time: Timestamp| time.to_rfc3339();
    let (created, modified) = (time(found.group.created_at), time(found.group.updated_at));
    let meta = json!({ "created": created, "lastModified": modified, "resourceType": "Group" });
    // What is kept of a group has at least its external id, and none of these.
    let sent = found.group.body.strip_prefix('{').unwrap_or_default();
    let sent = sent.strip_suffix('}').unwrap_or_default();
    let (id, members) = (json!(id), found.members.join(","));
    let group = format!("{{\"id\":{id},{sent},\"members\":[{members}],\"meta\":{meta}}}");
    Reply::json(&ConnectorGroupResponseOut {
        success: true,
        group: Kept::new(group)?,
    })
}

/// `POST /users/delete`
pub async fn delete_users(call: Call) -> Result<Reply, ApiError> {
    let request = call.with_body(ExternalIds::read)?;
    let deleted = call.service.delete_users(call.caller(), request).await?;
    deleted_reply(&deleted, "User not found")
}

/// `POST /groups/delete`
pub async fn delete_groups(call: Call) -> Result<Reply, ApiError> {
    let request = call.with_body(ExternalIds::read)?;
    let deleted = call.service.delete_groups(call.caller(), request).await?;
    deleted_reply(&deleted, "Group not found")
}
