//! The rows of connectors: what they call under the prefixes of the Teamwork Graph, and our own for
//! those who look after them.

use guildhall_domain::Role::{Admin, Agent, User};
use guildhall_domain::access::Scope::{DeleteObject, ReadObject, WriteObject};
use guildhall_domain::connector::{
    DeleteByProperties, DeleteObjects, ExternalIds, Group, Mapping, SetObjects, SetPeople,
    User as ConnectorUser,
};

use super::{Route, Space, delete, get, post};
use crate::api::{connections as own, connector as c};

const OBJECT_TYPE: &str =
    "atlassian:organisation, atlassian:customer-org or atlassian:customer-org-category.";
const EXTERNAL_ID: &str = "The id in the source system.";
const CONNECTION: &str = "The connection; may be left out where the tenant has just one.";

impl Route {
    fn of_connectors(mut self) -> Self {
        self.space = Space::Connector;
        self
    }

    fn asks_for_object(self) -> Self {
        self.query("objectType", true, OBJECT_TYPE)
            .query("externalId", true, EXTERNAL_ID)
            .query("connectionId", false, CONNECTION)
    }
}

/// Our own.
pub(super) fn own_routes() -> Vec<Route> {
    let rows = vec![
        post(0, "/connections", "Create connection")
            .needs(Admin, &[WriteObject])
            .takes::<own::CreateConnectionRequest>()
            .answers::<own::ConnectionOut<'_>>()
            .by(|call| Box::pin(own::create(call))),
        get(0, "/connections", "List connections")
            .needs(Admin, &[ReadObject])
            .answers::<own::ConnectionListOut<'_>>()
            .by(|call| Box::pin(own::list(call))),
        delete(
            0,
            "/connections/{connectionId}",
            "Delete connection with all its data",
        )
        .needs(Admin, &[DeleteObject])
        .by(|call| Box::pin(own::delete(call))),
        get(0, "/objects/tree", "Get what hangs together with an object")
            .needs(Agent, &[ReadObject])
            .asks_for_object()
            .query("depth", false, "Levels below the object: 0 to 32; 1 when absent.")
            .answers::<own::ObjectTreeOut<'_>>()
            .by(|call| Box::pin(own::tree(call))),
        get(0, "/objects/writes", "Get why the value of an object won")
            .needs(Agent, &[ReadObject])
            .asks_for_object()
            .answers::<own::ObjectWritesOut<'_>>()
            .by(|call| Box::pin(own::writes(call))),
    ];
    rows.into_iter().map(Route::own).collect()
}

/// Those of connectors.
pub(super) fn routes() -> Vec<Route> {
    let rows = [object_routes(), people_routes()].concat();
    rows.into_iter().map(Route::of_connectors).collect()
}

fn object_routes() -> Vec<Route> {
    vec![
        post(0, "/objects/bulk", "Set objects")
            .needs(Admin, &[WriteObject])
            .takes::<SetObjects>()
            .answers::<c::BulkObjectResponseOut<'_>>()
            .by(|call| Box::pin(c::set_objects(call))),
        get(0, "/objects", "Get object by external id")
            .needs(Agent, &[ReadObject])
            .asks_for_object()
            .answers::<c::ObjectResponseOut>()
            .by(|call| Box::pin(c::get_object(call))),
        post(0, "/objects/delete", "Delete objects by external id")
            .needs(Admin, &[DeleteObject])
            .takes::<DeleteObjects>()
            .answers::<c::DeleteResponseOut<'_>>()
            .by(|call| Box::pin(c::delete_objects(call))),
        delete(0, "/objects/bulk", "Delete objects by external id, as DELETE")
            .needs(Admin, &[DeleteObject])
            .takes::<DeleteObjects>()
            .answers::<c::DeleteResponseOut<'_>>()
            .by(|call| Box::pin(c::delete_objects(call))),
        post(0, "/objects/delete-by-properties", "Delete objects by properties")
            .needs(Admin, &[DeleteObject])
            .takes::<DeleteByProperties>()
            .answers::<c::DeleteByPropertiesResponseOut>()
            .by(|call| Box::pin(c::delete_by_properties(call))),
        delete(
            0,
            "/objects/by-properties",
            "Delete objects by properties, as DELETE",
        )
        .needs(Admin, &[DeleteObject])
        .takes::<DeleteByProperties>()
        .answers::<c::DeleteByPropertiesResponseOut>()
        .by(|call| Box::pin(c::delete_by_properties(call))),
        get(0, "/objects/visible", "List objects that an account may see")
            .needs(User, &[ReadObject])
            .query("objectType", false, OBJECT_TYPE)
            .query("connectionId", false, "Only objects of this connection.")
            .query(
                "limit",
                false,
                "At most so many on a page: 1 to 100; 100 when absent.",
            )
            .query("cursor", false, "The nextCursor of the page before.")
            .answers::<c::VisibleObjectsOut>()
            .by(|call| Box::pin(c::visible_objects(call))),
    ]
}

fn people_routes() -> Vec<Route> {
    vec![
        post(0, "/users/bulk", "Set users")
            .needs(Admin, &[WriteObject])
            .takes::<SetPeople<ConnectorUser>>()
            .answers::<c::SetPeopleResponseOut<'_>>()
            .by(|call| Box::pin(c::set_users(call))),
        get(0, "/users", "Get user by external id")
            .needs(Admin, &[ReadObject])
            .query("externalId", true, EXTERNAL_ID)
            .query("connectionId", false, CONNECTION)
            .answers::<c::ConnectorUserResponseOut>()
            .by(|call| Box::pin(c::get_user(call))),
        post(0, "/users/delete", "Delete users by external id")
            .needs(Admin, &[DeleteObject])
            .takes::<ExternalIds>()
            .answers::<c::DeleteResponseOut<'_>>()
            .by(|call| Box::pin(c::delete_users(call))),
        post(0, "/users/map", "Map users to accounts")
            .needs(Admin, &[WriteObject])
            .takes::<SetPeople<Mapping>>()
            .answers::<c::SetPeopleResponseOut<'_>>()
            .by(|call| Box::pin(c::map_users(call))),
        post(0, "/groups/bulk", "Set groups")
            .needs(Admin, &[WriteObject])
            .takes::<SetPeople<Group>>()
            .answers::<c::SetPeopleResponseOut<'_>>()
            .by(|call| Box::pin(c::set_groups(call))),
        get(0, "/groups", "Get group by external id")
            .needs(Admin, &[ReadObject])
            .query("externalId", true, EXTERNAL_ID)
            .query("connectionId", false, CONNECTION)
            .answers::<c::ConnectorGroupResponseOut>()
            .by(|call| Box::pin(c::get_group(call))),
        post(0, "/groups/delete", "Delete groups by external id")
            .needs(Admin, &[DeleteObject])
            .takes::<ExternalIds>()
            .answers::<c::DeleteResponseOut<'_>>()
            .by(|call| Box::pin(c::delete_groups(call))),
    ]
}
