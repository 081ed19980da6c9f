//! Moving house: what a server on SQLite kept is served from PostgreSQL, and moves back, byte for byte.

use std::time::Duration;

use guildhall_testkit::{Cluster, Server, ServerOptions, TempFolder, server};
use serde_json::{Value, json};

use crate::world::{Admin, PROFILES, alone, binary, ok, options, poll, upsert};

/// All that a copy says on stdout: tables, their rows, their digests.
fn copy(from: &str, to: &str) -> Result<String, String> {
    let output = server::run(binary(), &["copy", "--from", from, "--to", to], &[]);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    match output.status.code() {
        Some(0) => Ok(text(output.stdout)),
        _ => Err(text(output.stderr)),
    }
}

/// What the demo's admin sees of it.
fn seen(server: &Server, admin: &Admin, task: &str) -> Vec<Value> {
    let client = server.client();
    let names: Vec<String> = (0..25).map(|n| format!("Organization {n}")).collect();
    let fetch = json!({ "organizationNames": names });
    let mut all: Vec<Value> = [
        "/api/v1/organization/123".to_owned(),
        "/api/v1/organization/profile/1".to_owned(),
        "/api/v1/organization/details".to_owned(),
        "/api/v1/product".to_owned(),
        format!("/api/v1/tasks/{task}"),
        format!("/guildhall/v1/tasks/{task}/items"),
    ]
    .iter()
    .map(|path| ok(&admin.get(&client, path)))
    .collect();
    all.push(ok(&admin.post(
        &client,
        "/api/v1/organization/profile/fetch",
        &fetch,
    )));
    all
}

#[test]
fn to_postgresql_and_back() {
    let _alone = alone();
    let (folder, back) = (TempFolder::new(), TempFolder::new());
    let here = ServerOptions::new(&folder);
    let mut server = Server::start(binary(), &here.clone().arg("--demo")).unwrap();
    let token = poll("the demo's token", Duration::from_secs(20), || {
        let said = server.stdout_so_far();
        let line = said.lines().find_map(|line| line.strip_prefix("token "));
        line.map(|token| token.trim().to_owned())
    });
    let admin = Admin { token };
    let items: Vec<Value> = (0..60).map(|n| upsert(&format!("Organization {n}"))).collect();
    let body = json!({ "organizationProfiles": items });
    let task = admin.submit(&server.client(), PROFILES, "key", &body);
    admin.ended(&server.client(), &task, Duration::from_secs(20));
    let before = seen(&server, &admin, &task);

    let database = Cluster::shared().database();
    let there = database.url();
    let refused = copy(here.database_url(), &there).unwrap_err();
    assert!(refused.contains("another guildhall serve"), "{refused}");
    assert!(server.terminate().unwrap().status.success());
    let copied = copy(here.database_url(), &there).unwrap();
    assert!(copied.contains("organization\t63\t"), "{copied}");

    // The same key is the same task; what is new gets an id that nothing had.
    let mut server = Server::start(binary(), &options(&there)).unwrap();
    assert_eq!(seen(&server, &admin, &task), before);
    assert_eq!(admin.submit(&server.client(), PROFILES, "key", &body), task);
    assert!(server.terminate().unwrap().status.success());

    let home = ServerOptions::new(&back);
    let again = copy(&there, home.database_url()).unwrap();
    // When a token was used last is written at a stop.
    let tables = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with("token\t"));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(tables(&again), tables(&copied));
    let mut server = Server::start(binary(), &home).unwrap();
    assert_eq!(seen(&server, &admin, &task), before);
    assert!(server.terminate().unwrap().status.success());

    let refused = copy(here.database_url(), &there).unwrap_err();
    assert!(refused.contains("has tenants already"), "{refused}");
}
