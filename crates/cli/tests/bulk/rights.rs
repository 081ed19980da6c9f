//! Who may submit and who may read tasks: roles, scopes, tenants and the setting of who manages
//! organizations.

use guildhall_testkit::Request;
use serde_json::{Value, json};

use crate::world::{DEFINITIONS, DETAILS, Expect, ORGANIZATIONS, PROFILES, Site, World, each, item, keyed};

const LIST: &str = "/guildhall/v1/tasks";

/// Each operation with a body, its scope, and the least role in each setting (users, admins).
fn operations() -> [(&'static str, Value, &'static str, [&'static str; 2]); 4] {
    let upsert = item("UPSERT", &json!({ "name": "Acme" }));
    let edit = json!({ "id": "1", "operations": [item("DELETE", &json!({ "name": "Region" }))] });
    let field = json!({ "name": "Tier", "type": { "name": "TEXT" } });
    [
        (
            DEFINITIONS,
            json!({ "detailFields": [field] }),
            "write:organization.detail-field",
            ["admin", "admin"],
        ),
        (
            PROFILES,
            json!({ "organizationProfiles": [upsert] }),
            "write:organization.profile",
            ["user", "admin"],
        ),
        (
            ORGANIZATIONS,
            json!({ "organizations": [upsert] }),
            "write:organization",
            ["user", "admin"],
        ),
        (
            DETAILS,
            json!({ "organizations": [edit] }),
            "write:organization.detail",
            ["user", "user"],
        ),
    ]
}

const ROLES: [&str; 3] = ["user", "agent", "admin"];

fn rank(role: &str) -> usize {
    ROLES.iter().position(|known| *known == role).unwrap()
}

#[test]
fn roles_by_setting() {
    for (setting, args) in [
        (0, &["--organization-management", "users"][..]),
        (1, &["--organization-management", "admins"]),
    ] {
        let world = World::new(args);
        let cloud_id = world.tenant();
        let mut accepted = Vec::new();
        for role in ROLES {
            let site = Site::new(&world, world.token(&cloud_id, role, &[]));
            for (path, body, _, least) in operations() {
                let answer = site.bulk(path, role, &body);
                if rank(role) < rank(least[setting]) {
                    answer.refused(403);
                    // What is wrong is not told to those who may not.
                    site.send(&site.request("POST", path).json(&json!([])))
                        .refused(403);
                } else {
                    accepted.push(crate::world::task_id(&answer));
                }
            }
            // Every role may read tasks, whoever submitted them.
            accepted.iter().for_each(|id| {
                site.get(&format!("/tasks/{id}")).ok();
                site.get(&format!("{LIST}/{id}/items")).ok();
            });
            let mut listed: Vec<String> = each(&site.tasks(), "id").into_iter().map(str::to_owned).collect();
            listed.reverse();
            assert_eq!(listed, accepted);
        }
        assert_eq!(accepted.len(), [1 + 3 * 3, 1 + 2 + 3][setting]);
    }
}

#[test]
fn scopes() {
    const TASK: &str = "read:task:jira-service-management";
    let world = World::new(&[]);
    let cloud_id = world.tenant();
    let token = |scope: &str| Site::new(&world, world.token(&cloud_id, "admin", &[scope]));
    let full = |scope: &str| format!("{scope}:jira-service-management");
    let reader = token(TASK);
    for (path, body, scope, _) in operations() {
        let scope = full(scope);
        let writer = token(&scope);
        let refused = reader.bulk(path, "key", &body);
        let challenge = refused.header("WWW-Authenticate").unwrap_or_default().to_owned();
        assert!(
            challenge.contains("insufficient_scope") && challenge.contains(&scope),
            "{challenge}"
        );
        assert!(refused.refused(403).contains(&scope));
        let id = writer.submit(path, "key", &body);
        // Who may submit may not therefore read.
        for read in [
            format!("/tasks/{id}"),
            LIST.to_owned(),
            format!("{LIST}/{id}/items"),
        ] {
            assert!(writer.get(&read).refused(403).contains(TASK));
            reader.get(&read).ok();
        }
        // Another operation's scope is no scope for this one.
        for (other, body, other_scope, _) in operations() {
            if full(other_scope) != scope {
                writer.bulk(other, "key", &body).refused(403);
            }
        }
    }
    assert_eq!(reader.tasks().len(), 4);
}

#[test]
fn nobody_and_strangers() {
    let world = World::new(&[]);
    let (site, stranger) = (world.site(), world.site());
    let cloud_id = world.tenant();
    for (path, body, ..) in operations() {
        let anonymous = keyed(Request::post(format!("/api/v1{path}")), "key").json(&body);
        site.send(&anonymous).refused(401);
        // A path that names another tenant, or none that exists.
        for cloud_id in [cloud_id.as_str(), "01a20158-31c7-76e0-a24e-df618bbe93ff"] {
            let foreign = Request::post(format!("/jsm/csm/cloudid/{cloud_id}/api/v1{path}"));
            let foreign = keyed(foreign.bearer(&site.token), "key").header("X-ExperimentalApi", "opt-in");
            site.send(&foreign.json(&body)).refused(404);
        }
    }
    for path in [
        LIST.to_owned(),
        format!("{LIST}/x/items"),
        "/api/v1/tasks/x".into(),
    ] {
        site.send(&Request::get(path)).refused(401);
    }
    let id = site.submit(PROFILES, "key", &operations()[1].1);
    stranger.get(&format!("/tasks/{id}")).refused(404);
    stranger.get(&format!("{LIST}/{id}/items")).refused(404);
    assert_eq!(stranger.tasks(), Vec::<Value>::new());
    // A cursor from elsewhere leads nowhere else.
    let page = stranger.get(&format!("{LIST}?cursor={id}")).ok();
    assert_eq!(page, json!({ "tasks": [] }));
}
