//! The command line: what commands print and where, how they end, and how a server starts and stops. Long, because
//! each command and each way to misuse it is one short test.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use guildhall_domain::access::looks_like_token;
use guildhall_testkit::home::{about_sqlite, on_postgres};
use guildhall_testkit::{Database, Fault, Faults, Golden, Home, Request, Server, TempFolder, server};
use serde_json::{Value, json};

use crate::api::golden;
use crate::world::{Expect, Site, World, binary, each, poll, texts};

/// Runs a command; its exit status, stdout and stderr.
fn run(args: &[&str], env: &[(&str, &str)]) -> (i32, String, String) {
    outcome(&server::run(binary(), args, env))
}

fn outcome(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(
        !stdout.contains('\u{1b}') && !stderr.contains('\u{1b}'),
        "colours without a terminal"
    );
    (output.status.code().unwrap(), stdout, stderr)
}

fn sqlite(folder: &TempFolder) -> String {
    format!("sqlite:{}", folder.join("guildhall.db").display())
}

/// A command that fails with 1, says why on stderr and prints nothing.
#[track_caller]
fn fails(args: &[&str], wanted: &[&str]) {
    refused(1, args, wanted);
}

/// A command line that is wrong: 2.
#[track_caller]
fn misused(args: &[&str], wanted: &[&str]) {
    refused(2, args, wanted);
}

#[track_caller]
fn refused(status: i32, args: &[&str], wanted: &[&str]) {
    let (code, stdout, stderr) = run(args, &[]);
    assert_eq!((code, stdout.as_str()), (status, ""), "{args:?}: {stderr}");
    for words in wanted {
        assert!(stderr.contains(words), "{args:?} should say {words:?}: {stderr}");
    }
}

#[test]
fn every_help() {
    let commands = [
        "",
        "serve",
        "tenant",
        "tenant create",
        "tenant list",
        "token",
        "token create",
        "token list",
        "token revoke",
        "connection",
        "connection create",
        "connection list",
        "connection delete",
        "copy",
        "openapi",
    ];
    for command in commands {
        let mut args: Vec<&str> = command.split_whitespace().collect();
        args.push("--help");
        let (code, stdout, stderr) = run(&args, &[("COLUMNS", "100")]);
        assert_eq!((code, stderr.as_str()), (0, ""), "{command} --help");
        let name = match command {
            "" => "guildhall".to_owned(),
            command => command.replace(' ', "-"),
        };
        let lines: Vec<&str> = stdout.lines().map(str::trim_end).collect();
        Golden::check(
            golden::folder().join(format!("cli/help-{name}.json")),
            &json!(lines),
        );
    }
    let (code, stdout, _) = run(&["--version"], &[]);
    assert_eq!(
        (code, stdout),
        (0, format!("guildhall {}\n", env!("CARGO_PKG_VERSION")))
    );
}

#[test]
fn wrong_usage_exits_2() {
    misused(&[], &["Usage: guildhall"]);
    misused(&["serve", "--bogus"], &["--bogus"]);
    misused(&["sevre"], &["sevre", "serve"]);
    misused(&["serve", "--listen", "nowhere"], &["--listen"]);
    misused(&["serve", "--log", "loud"], &["loud", "debug"]);
    misused(&["serve", "--header-timeout", "10"], &["10s"]);
    for count in ["0", "10001", "many"] {
        misused(
            &["serve", "--max-active-tasks", count],
            &["--max-active-tasks", count],
        );
    }
    for option in ["--task-retention", "--task-timeout"] {
        misused(&["serve", option, "72"], &[option, "72h"]);
        misused(&["serve", option, "0s"], &[option, "365d"]);
        misused(&["serve", option, "366d"], &[option, "365d"]);
    }
    misused(&["serve", "--phone-format", "e165"], &["e164"]);
    misused(&["tenant", "create"], &["--name"]);
    let token = ["token", "create", "--tenant", "x", "--name", "x"];
    let with = |more: &[&'static str]| [&token[..], more].concat();
    misused(&token, &["--role"]);
    misused(&with(&["--role", "boss"]), &["boss", "admin, agent or user"]);
    misused(
        &with(&[
            "--role",
            "user",
            "--scope",
            "read:organisation:jira-service-management",
        ]),
        &["Did you mean read:organization:jira-service-management?"],
    );
    misused(
        &with(&["--role", "user", "--scope", "everything"]),
        &["read:organization:jira-service-management"],
    );
    for (expires, words) in [
        ("366d", "365 days"),
        ("8761h", "365 days"),
        ("0d", "90d"),
        ("-1d", "90d"),
        ("d", "90d"),
        ("1w", "90d"),
        ("", "90d"),
        ("99999999999999999999d", "90d"),
    ] {
        let expires = format!("--expires={expires}");
        misused(&[&token[..], &["--role", "user", &expires]].concat(), &[words]);
    }
}

#[test]
fn failures_exit_1_and_say_why() {
    let home = Home::new(binary());
    let (folder, database) = (&home.folder, home.url());
    let nowhere = format!("sqlite:{}", folder.join("no/such/folder/x.db").display());
    let a_folder = format!("sqlite:{}", folder.path().display());
    let no_database = format!("sqlite:{}", folder.join("text").display());
    fs::write(
        folder.join("text"),
        "this is no database, and long enough to be looked at as one: ".repeat(100),
    )
    .unwrap();
    let open: [(&[&str], &[&str]); 3] = [
        (&["tenant", "list"], &["there is no such database"]),
        (
            &["tenant", "create", "--name", "x"],
            &["cannot open the database", "No such file"],
        ),
        (
            &["serve", "--listen", "127.0.0.1:0"],
            &["cannot open the database", "No such file"],
        ),
    ];
    for (command, missing) in open {
        let with = |url: &str, words: &[&str]| fails(&[command, &["--database", url]].concat(), words);
        with(&nowhere, &["no/such/folder/x.db"]);
        with(&nowhere, missing);
        with(&a_folder, &["cannot open the database", "directory"]);
        with(&no_database, &["text", "not a database"]);
        for malformed in ["mysql://ann:secret@host/x", "sqlite:", "guildhall.db"] {
            misused(&[command, &["--database", malformed]].concat(), &["sqlite:PATH"]);
        }
        // Port 1 is nobody's.
        let unreachable = "postgres://ann:secret@127.0.0.1:1/guildhall";
        with(unreachable, &["PostgreSQL", "cannot connect", "refused"]);
        with("postgres://ann:secret@[", &["PostgreSQL", "URL"]);
        for secret in [
            "mysql://ann:secret@host/x",
            unreachable,
            "postgres://ann:secret@[",
            "postgres://ann:secret@127.0.0.1:1/guildhall?sslmode=secret",
        ] {
            let (_, _, stderr) = run(&[command, &["--database", secret]].concat(), &[]);
            assert!(!stderr.contains("secret"), "{stderr}");
        }
        if let Some(database) = home.postgres() {
            let url = database.url().replace(database.name(), "nothing");
            with(&url, &["PostgreSQL", "database \"nothing\" does not exist"]);
        }
    }
    // With a database, so that only the tenant is missing.
    let (code, ..) = run(&["tenant", "create", "--name", "x", "--database", &database], &[]);
    assert_eq!(code, 0);
    for nobody in ["nobody", "01900000-0000-7000-8000-000000000000", ""] {
        for command in [
            &["token", "list"][..],
            &["token", "create", "--name", "x", "--role", "user"],
            &["token", "revoke", "01900000-0000-7000-8000-000000000000"],
            &["connection", "list"],
            &["connection", "create", "--name", "x"],
            &["connection", "delete", "01900000-0000-7000-8000-000000000000"],
        ] {
            fails(
                &[command, &["--database", &database, "--tenant", nobody]].concat(),
                &["There is no such tenant"],
            );
        }
    }
    fails(
        &["tenant", "create", "--database", &database, "--name", " "],
        &["name", "blank"],
    );
    fails(
        &[
            "tenant",
            "create",
            "--database",
            &database,
            "--name",
            "x",
            "--cloud-id",
            "nope",
        ],
        &["nope", "UUID"],
    );
    let (_, stdout, _) = run(&["tenant", "list", "--database", &database], &[]);
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
}

/// A mistyped path is no empty database: only what begins something makes one.
#[test]
fn only_serve_and_tenant_create_make_a_database() {
    if about_sqlite("a database of PostgreSQL is made by its administrator, never by us") {
        return;
    }
    let folder = TempFolder::new();
    let database = sqlite(&folder);
    let files = || fs::read_dir(folder.path()).unwrap().count();
    let token = ["--tenant", "01900000-0000-7000-8000-000000000000"];
    for command in [
        &["tenant", "list"][..],
        &["tenant", "list", "--json"],
        &[&["token", "list"], &token[..]].concat(),
        &[&["connection", "list"], &token[..]].concat(),
        &[&["connection", "create", "--name", "x"], &token[..]].concat(),
        &[&["token", "create", "--name", "x", "--role", "user"], &token[..]].concat(),
        &[
            &["token", "revoke", "01900000-0000-7000-8000-000000000000"],
            &token[..],
        ]
        .concat(),
    ] {
        fails(
            &[command, &["--database", &database]].concat(),
            &[
                "guildhall.db",
                "there is no such database",
                "guildhall serve or guildhall tenant create makes one",
            ],
        );
        assert_eq!(files(), 0, "{command:?} made a file");
    }
    // Nor do commands that are refused before they begin.
    misused(
        &["tenant", "create", "--database", "mysql:", "--name", "x"],
        &["sqlite:PATH"],
    );
    misused(
        &["serve", "--database", &database, "--listen", "nowhere"],
        &["--listen"],
    );
    assert_eq!(files(), 0);
    let (code, stdout, _) = run(&["tenant", "create", "--database", &database, "--name", "x"], &[]);
    assert_eq!(code, 0);
    let (code, list, _) = run(&["tenant", "list", "--database", &database], &[]);
    assert_eq!((code, list), (0, format!("{}\tx\n", stdout.trim_end())));
    // And a server makes one.
    let world = World::new(&[]);
    assert!(world.home.folder.join("guildhall.db").exists());
}

#[test]
fn tenants() {
    let home = Home::new(binary());
    let database = home.url();
    let tenant = |args: &[&str]| run(&[&["tenant"], args, &["--database", &database]].concat(), &[]);
    let (code, first, stderr) = tenant(&["create", "--name", " Acme "]);
    assert_eq!((code, first.len(), stderr.as_str()), (0, 37, ""));
    let given = "9EDF598A-85d4-4db9-bf2e-7245922b4ea8";
    let (code, second, _) = tenant(&["create", "--name", "A\u{e9}", "--cloud-id", given]);
    assert_eq!(
        (code, second.as_str()),
        (0, "9edf598a-85d4-4db9-bf2e-7245922b4ea8\n")
    );
    let (code, stdout, stderr) = tenant(&["create", "--name", "x", "--cloud-id", given]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.contains("already"), "{stderr}");
    let (first, second) = (first.trim_end(), second.trim_end());
    assert_eq!(tenant(&["list"]).1, format!("{first}\tAcme\n{second}\tAé\n"));
    let list: Value = serde_json::from_str(&tenant(&["list", "--json"]).1).unwrap();
    assert_eq!(
        list,
        json!([{ "cloudId": first, "name": "Acme" }, { "cloudId": second, "name": "Aé" }])
    );
}

/// Connections are made, listed and deleted beside a server on the same database.
#[test]
fn connections() {
    let world = World::new(&[]);
    let site = world.site();
    let tenant = ["--tenant", site.cloud_id.as_str()];
    let data = |args: &[&str]| world.data(&[&["connection"], args, &tenant[..]].concat());
    assert_eq!(
        (data(&["list"]), data(&["list", "--json"])),
        (String::new(), "[]\n".into())
    );
    let first = data(&["create", "--name", " CRM "]);
    let (first, second) = (first.trim_end(), site.connect("ERP"));
    let listed: Value = serde_json::from_str(&data(&["list", "--json"])).unwrap();
    assert_eq!(listed, site.own("/connections").ok()["connections"]);
    assert_eq!(each(&listed, "id"), [first, &second]);
    let created = listed[0]["createdAt"].as_str().unwrap();
    let lines = data(&["list"]);
    assert_eq!(
        lines.lines().next(),
        Some(format!("{first}\tCRM\t{created}").as_str())
    );
    assert_eq!(data(&["delete", &first.to_ascii_uppercase()]), "");
    let gone = world.command(&[&["connection", "delete", first], &tenant[..]].concat());
    assert_eq!(gone.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&gone.stderr).contains("connection not found"),
        "{gone:?}"
    );
    assert_eq!(
        each(&site.own("/connections").ok()["connections"], "id"),
        [&second]
    );
}

/// Tokens are made, listed and revoked beside a server on the same database.
#[test]
fn tokens() {
    let world = World::new(&[]);
    let cloud_id = world.tenant("Acme");
    let tenant = ["--tenant", cloud_id.as_str()];
    let list = || -> Value {
        serde_json::from_str(&world.data(&[&["token", "list", "--json"], &tenant[..]].concat())).unwrap()
    };
    assert_eq!(list(), json!([]));
    let scope = "read:product:jira-service-management";
    let made = world.command(
        &[
            &[
                "token",
                "create",
                "--name",
                "one",
                "--role",
                "agent",
                "--scope",
                scope,
                "--account",
                "ann",
                "--expires",
                "12h",
            ],
            &tenant[..],
        ]
        .concat(),
    );
    let (code, stdout, stderr) = outcome(&made);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let secret = stdout.strip_suffix('\n').unwrap();
    assert!(looks_like_token(secret), "{secret}");
    let site = Site::new(&world, cloud_id.clone(), secret.to_owned());
    site.get("/product").ok();
    // A scope that the role cannot use is talked about, not refused.
    let made = world.command(
        &[
            &[
                "token", "create", "--name", "two", "--role", "user", "--scope", scope,
            ],
            &tenant[..],
        ]
        .concat(),
    );
    let (code, stdout, stderr) = outcome(&made);
    assert_eq!((code, stdout.len()), (0, 56));
    assert!(stderr.contains(scope), "{stderr}");

    let tokens = list();
    let [one, two] = [0, 1].map(|at| tokens[at].clone());
    assert_eq!(
        (&one["name"], &one["role"], &one["scopes"], &one["revokedAt"]),
        (&json!("one"), &json!("agent"), &json!([scope]), &json!(null))
    );
    assert_eq!((&two["name"], &two["lastUsedAt"]), (&json!("two"), &json!(null)));
    for time in ["createdAt", "expiresAt"] {
        assert!(one[time].as_str().unwrap().ends_with('Z'), "{one}");
    }
    let plain = world.data(&[&["token", "list"], &tenant[..]].concat());
    let columns: Vec<&str> = plain.lines().next().unwrap().split('\t').collect();
    assert_eq!(
        (columns.len(), columns[0], columns[1], columns[2], columns[3]),
        (7, one["id"].as_str().unwrap(), "one", "agent", scope)
    );
    let second = plain.lines().nth(1).unwrap().split('\t').nth(3);
    assert_eq!((second, &two["scopes"]), (Some(scope), &json!([scope])));
    for said in [&plain, &tokens.to_string()] {
        assert!(!said.contains(&secret[6..49]), "the secret is in the list");
    }
    // Revoked: refused within a second, twice is no failure, another tenant's id is not found.
    let id = one["id"].as_str().unwrap();
    let other = world.tenant("Other");
    let (code, _, stderr) = outcome(&world.command(&["token", "revoke", "--tenant", &other, id]));
    assert_eq!(code, 1);
    assert!(stderr.contains("There is no token"), "{stderr}");
    site.get("/product").ok();
    assert_eq!(world.data(&[&["token", "revoke", id], &tenant[..]].concat()), "");
    let revoked = Instant::now();
    poll("the revocation", || {
        (site.get("/product").status == 401).then_some(())
    });
    assert!(
        revoked.elapsed() < Duration::from_millis(1_500),
        "{:?}",
        revoked.elapsed()
    );
    world.data(&[&["token", "revoke", id], &tenant[..]].concat());
    assert!(list()[0]["revokedAt"].is_string());
    let (code, ..) = outcome(&world.command(&[&["token", "revoke", "nothing"], &tenant[..]].concat()));
    assert_eq!(code, 1);
}

/// All scopes of the role are one word for people; a program gets them by name.
#[test]
fn all_scopes_are_listed_as_all() {
    let world = World::new(&[]);
    let cloud_id = world.tenant("Acme");
    assert_eq!(
        world
            .data(&["tenant", "list", "--json"])
            .matches("cloudId")
            .count(),
        1
    );
    let roles = ["admin", "agent", "user"];
    for role in roles {
        world.token(&cloud_id, role, &[]);
    }
    let list = |more: &[&str]| world.data(&[&["token", "list", "--tenant", &cloud_id], more].concat());
    let tokens: Value = serde_json::from_str(&list(&["--json"])).unwrap();
    let mut counts = Vec::new();
    for (at, role) in roles.iter().enumerate() {
        assert_eq!(tokens[at]["role"], *role);
        counts.push(tokens[at]["scopes"].as_array().unwrap().len());
    }
    assert!(
        counts[0] > counts[1] && counts[1] > counts[2] && counts[2] > 0,
        "{counts:?}"
    );
    // The same scopes one by one are the same; all but one are not all.
    let names: Vec<Vec<String>> = (0..roles.len())
        .map(|at| {
            texts(&tokens[at]["scopes"])
                .into_iter()
                .map(str::to_owned)
                .collect()
        })
        .collect();
    for (role, names) in roles.iter().zip(&names) {
        let names: Vec<&str> = names.iter().rev().map(String::as_str).collect();
        world.token(&cloud_id, role, &names);
        world.token(&cloud_id, role, &names[1..]);
    }
    let plain = list(&[]);
    let told: Vec<&str> = plain
        .lines()
        .map(|line| line.split('\t').nth(3).unwrap())
        .collect();
    assert_eq!(told[..3], ["all"; 3]);
    for (at, names) in names.iter().enumerate() {
        assert_eq!(told[3 + 2 * at], "all");
        assert_eq!(told[4 + 2 * at], names[..names.len() - 1].join(","));
    }
}

/// Makes every submit and every claim of a task wait this long, or no longer.
fn slow_tasks(database: &Database, by: Option<Duration>) {
    database.sql("DROP TRIGGER IF EXISTS slow ON task_open");
    if let Some(by) = by {
        let seconds = by.as_secs_f64();
        database.sql(&format!(
            "CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN PERFORM pg_sleep({seconds}); RETURN NEW; END $$;
             CREATE TRIGGER slow BEFORE INSERT OR UPDATE OF lease_epoch ON task_open
                 FOR EACH ROW EXECUTE FUNCTION slow()"
        ));
    }
}

/// How many tasks may be open, how long they may take and how long they are kept are the server's options.
#[test]
fn the_options_of_tasks() {
    let home = Home::new(binary());
    let faults = Faults::new(&home.folder);
    let options = home
        .options()
        .faults(&faults)
        .env("GUILDHALL_MAX_ACTIVE_TASKS", "1");
    let mut world = World {
        server: Server::start(binary(), &options).unwrap(),
        options,
        home,
    };
    let slow = |world: &World, by| match world.home.postgres() {
        Some(database) => slow_tasks(database, by),
        None => faults.set(by.map_or(Fault::None, Fault::SlowSync)),
    };
    let site = world.site();
    let path = "/organization/bulk";
    let body =
        |name: &str| json!({ "organizations": [{ "operationType": "UPSERT", "payload": { "name": name } }] });
    // A task is open for two syncs at least: when it is claimed, and when it is done. On PostgreSQL submitting
    // and claiming take their time.
    slow(&world, Some(Duration::from_secs(1)));
    let first = site.submit(path, "first", &body("Acme")).ok();
    let second = site.submit(path, "second", &body("Globex"));
    let again = site.submit(path, "first", &body("Acme"));
    slow(&world, None);
    assert_eq!(second.refused(400), "Maximum number of tasks reached");
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.ok(), first);
    let first = first["id"].as_str().unwrap().to_owned();
    site.finished(&first);
    site.finished(
        site.submit(path, "second", &body("Globex")).ok()["id"]
            .as_str()
            .unwrap(),
    );

    // Too old before it was begun: it ends as failed, and so says its item.
    let restart = |world: &mut World, option: &str, value: &str| {
        assert_eq!(world.server.terminate().unwrap().status.code(), Some(0));
        let options = world.options.clone().arg(option).arg(value);
        world.server = Server::start(binary(), &options).unwrap();
        Site::new(world, site.cloud_id.clone(), site.token.clone())
    };
    let site = restart(&mut world, "--task-timeout", "20ms");
    slow(&world, Some(Duration::from_millis(200)));
    let late = site.submit(path, "late", &body("Initech")).ok()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let task = poll("the end of the task", || {
        let task = site.get(&format!("/tasks/{late}")).ok();
        (task["status"] == "FAILED" || task["status"] == "FINISHED").then_some(task)
    });
    slow(&world, None);
    assert_eq!(task["status"], "FAILED");
    let words = task["failures"][0]["error"].as_str().unwrap();
    assert!(words.starts_with("TIMED_OUT"), "{words}");
    let names = json!({ "organizationNames": ["Acme", "Initech"] });
    let made = site.post("/organization/fetch", &names).ok();
    assert_eq!(each(&made["organizations"], "name"), ["Acme"]);

    // Kept over a restart, but not for longer than they are to be.
    let site = restart(&mut world, "--task-retention", "1h");
    assert_eq!(site.own("/tasks").ok()["tasks"].as_array().unwrap().len(), 3);
    let site = restart(&mut world, "--task-retention", "1ms");
    poll("the end of old tasks", || {
        (site.own("/tasks").ok() == json!({ "tasks": [] })).then_some(())
    });
    site.get(&format!("/tasks/{first}")).refused(404);
    site.own(&format!("/tasks/{first}/items")).refused(404);
    // What they made stays, and their keys are free.
    assert_eq!(site.post("/organization/fetch", &names).ok(), made);
    let again = site.submit(path, "first", &body("Acme"));
    assert!(again.header("idempotent-replayed").is_none());
}

#[test]
fn a_flag_beats_the_environment() {
    let homes = [(); 2].map(|()| Home::new(binary()));
    let [one, two] = [0, 1].map(|at| homes[at].url());
    let env = [
        ("GUILDHALL_DATABASE", one.as_str()),
        ("GUILDHALL_NAME", "from the environment"),
    ];
    let (code, cloud_id, _) = run(&["tenant", "create"], &env);
    assert_eq!(code, 0);
    let cloud_id = cloud_id.trim_end();
    run(&["tenant", "create", "--name", "from the flag"], &env);
    let names = |database: &str| run(&["tenant", "list", "--database", database], &env).1;
    assert!(names(&one).contains("from the environment") && names(&one).contains("from the flag"));
    run(&["tenant", "create", "--database", &two], &env);
    assert_eq!((names(&one).lines().count(), names(&two).lines().count()), (2, 1));
    // Every option of a token, scopes with spaces between.
    let env = [
        ("GUILDHALL_DATABASE", one.as_str()),
        ("GUILDHALL_TENANT", cloud_id),
        ("GUILDHALL_NAME", "token"),
        ("GUILDHALL_ROLE", "agent"),
        (
            "GUILDHALL_SCOPE",
            "read:product:jira-service-management write:product:jira-service-management",
        ),
        ("GUILDHALL_EXPIRES", "1h"),
        ("GUILDHALL_JSON", "true"),
    ];
    let (code, _, stderr) = run(&["token", "create"], &env);
    assert_eq!((code, stderr.as_str()), (0, ""));
    run(&["token", "create", "--role", "user"], &env);
    let list: Value = serde_json::from_str(&run(&["token", "list"], &env).1).unwrap();
    assert_eq!(
        (
            &list[0]["role"],
            &list[1]["role"],
            list[0]["scopes"].as_array().unwrap().len()
        ),
        (&json!("agent"), &json!("user"), 2)
    );
    let (code, ..) = run(
        &["token", "create", "--role", "user"],
        &[
            ("GUILDHALL_EXPIRES", "366d"),
            ("GUILDHALL_TENANT", "x"),
            ("GUILDHALL_NAME", "x"),
        ],
    );
    assert_eq!(code, 2);
    // And of a server; its address comes by a flag, which beats a variable that makes no sense.
    let home = Home::new(binary());
    let options = home
        .options()
        .env("GUILDHALL_LISTEN", "nowhere")
        .env("GUILDHALL_DATABASE", "mysql:")
        .env("GUILDHALL_DEMO", "true");
    let running = Server::start(binary(), &options).unwrap();
    poll("the demo", || {
        running.stdout_so_far().contains("token ").then_some(())
    });
}

#[test]
fn a_second_server_on_a_database_is_refused() {
    if about_sqlite("any number of servers share a database of PostgreSQL: tests/servers") {
        return;
    }
    let world = World::new(&[]);
    let url = world.options.database_url().to_owned();
    fails(
        &["serve", "--listen", "127.0.0.1:0", "--database", &url],
        &["another guildhall serve", "stop that one first"],
    );
    // The first goes on, and so do commands.
    world.server.client().send(&Request::get("/readyz")).unwrap().ok();
    world.tenant("x");
    // The port, too, can be taken.
    let folder = TempFolder::new();
    let taken = world.server.addr().to_string();
    fails(
        &["serve", "--listen", &taken, "--database", &sqlite(&folder)],
        &[&taken, "in use"],
    );
    // Then no database is made that nobody asked for.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_server_says_one_line_and_keeps_its_files_to_itself() {
    let mut world = World::new(&["--log", "error"]);
    let (addr, folder) = (world.server.addr(), world.home.folder.path().to_owned());
    assert_ne!(addr.port(), 0);
    assert_eq!(
        world.server.stderr_so_far(),
        format!("guildhall listening on http://{addr}\n")
    );
    world.site().post("/product", &json!({ "name": "x" })).ok();
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.path());
        names.insert(entry.file_name().into_string().unwrap());
    }
    match on_postgres() {
        true => assert_eq!(names, BTreeSet::new()),
        false => assert!(
            names.contains("guildhall.db") && names.contains("guildhall.db-wal"),
            "{names:?}"
        ),
    }
    let ended = world.server.terminate().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(world.server.stdout_so_far(), "");
}

#[test]
fn the_demo_is_made_once() {
    let (mut world, site) = World::demo();
    let said = world.server.stdout_so_far();
    let said = poll("the last curl line", || {
        (world.server.stdout_so_far().matches("curl ").count() == 3).then(|| world.server.stdout_so_far())
    })
    .max(said);
    assert!(
        said.contains(&format!(
            "base URL  http://{}/jsm/csm/cloudid/{}/api/v1\n",
            world.server.addr(),
            site.cloud_id
        )),
        "{said}"
    );
    let tokens = || world.data(&["token", "list", "--tenant", &site.cloud_id, "--json"]);
    let count = |list: &str| {
        serde_json::from_str::<Value>(list)
            .unwrap()
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(count(&tokens()), 1);
    assert_eq!(world.server.terminate().unwrap().status.code(), Some(0));
    let options = world.home.options().arg("--demo");
    world.server = Server::start(binary(), &options).unwrap();
    let again = Site::new(&world, site.cloud_id.clone(), site.token.clone());
    again.get("/organization/123").ok();
    assert_eq!(world.server.stdout_so_far(), "");
    assert!(world.server.stderr_so_far().contains("no demo was made"));
    let list = world.data(&["token", "list", "--tenant", &site.cloud_id, "--json"]);
    assert_eq!(count(&list), 1);
    assert_eq!(world.data(&["tenant", "list"]).lines().count(), 1);
    // Nor in a database with a tenant of another making.
    let other = World::new(&[]);
    other.tenant("x");
    let database = other.options.clone().arg("--demo");
    drop(other.server);
    let running = Server::start(binary(), &database).unwrap();
    assert!(running.stderr_so_far().contains("no demo was made"));
    assert_eq!(running.stdout_so_far(), "");
}

/// The three lines that the demo prints work as pasted into a shell.
#[test]
fn the_demos_lines_work() {
    let (world, _site) = World::demo();
    let said = poll("the last curl line", || {
        Some(world.server.stdout_so_far()).filter(|said| said.contains("Initech"))
    });
    for line in said.lines().filter(|line| line.starts_with("curl ")) {
        // What curl would send, without needing curl.
        let mut words = line.split('\'').skip(1).step_by(2);
        let url = words.next().unwrap();
        let path = url
            .strip_prefix(&format!("http://{}", world.server.addr()))
            .unwrap();
        let mut request = match line.contains("--data") {
            true => Request::post(path),
            false => Request::get(path),
        };
        for word in words {
            request = match word.split_once(": ").filter(|_| !word.starts_with('{')) {
                Some((name, value)) => request.header(name, value),
                None => request.body(word),
            };
        }
        world.server.client().send(&request).unwrap().ok();
    }
}

/// A POST whose body the server is waiting for.
fn half_a_request(site: &Site, world: &World) -> TcpStream {
    let mut stream = TcpStream::connect(world.server.addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = format!(
        "POST /api/v1/product HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: 13\r\nExpect: 100-continue\r\n\r\n",
        site.token
    );
    stream.write_all(head.as_bytes()).unwrap();
    // 100 Continue: the request is under way.
    let mut word = [0; 25];
    stream.read_exact(&mut word).unwrap();
    assert!(
        word.starts_with(b"HTTP/1.1 100 "),
        "{:?}",
        String::from_utf8_lossy(&word)
    );
    stream
}

#[test]
fn a_stop_finishes_the_request_under_way() {
    for signal in ["TERM", "INT"] {
        let mut world = World::new(&[]);
        let site = world.site();
        let mut stream = half_a_request(&site, &world);
        world.server.signal(signal).unwrap();
        let signalled = Instant::now();
        poll("the word that it stops", || {
            world.server.stderr_so_far().contains("stopping").then_some(())
        });
        assert!(world.server.is_running());
        stream.write_all(b"{\"name\": \"x\"}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let ended = world.server.wait().unwrap();
        assert_eq!(ended.status.code(), Some(0));
        assert!(
            signalled.elapsed() < Duration::from_secs(10),
            "{:?}",
            signalled.elapsed()
        );
        // What was answered is there.
        world.server = Server::start(binary(), &world.options).unwrap();
        let site = Site::new(&world, site.cloud_id, site.token);
        assert_eq!(site.get("/product").ok()["results"][0]["name"], "x");
    }
}

#[test]
fn a_stop_does_not_wait_for_ever_and_a_second_signal_not_at_all() {
    let mut world = World::new(&[]);
    let site = world.site();
    let stream = half_a_request(&site, &world);
    world.server.signal("TERM").unwrap();
    poll("the word that it stops", || {
        world.server.stderr_so_far().contains("stopping").then_some(())
    });
    let ended = world.server.terminate().unwrap();
    assert!(ended.took < Duration::from_secs(2), "{:?}", ended.took);
    assert_ne!(ended.status.code(), Some(0));
    drop(stream);
    // One signal, and a client that never ends its request.
    world.server = Server::start(binary(), &world.options).unwrap();
    let site = Site::new(&world, site.cloud_id, site.token);
    let stream = half_a_request(&site, &world);
    let ended = world.server.terminate().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert!(ended.took < Duration::from_secs(10), "{:?}", ended.took);
    drop(stream);
}

/// The disk under the log is full: what would be said is lost, and the server goes on.
#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    let home = Home::new(binary());
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = free.local_addr().unwrap();
    drop(free);
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut server = Command::new(binary())
        .args(["serve", "--listen", &addr.to_string(), "--database", &home.url()])
        .stderr(full)
        .spawn()
        .unwrap();
    poll("a server that listens", || TcpStream::connect(addr).ok());
    for _ in 0..20 {
        // A refusal is logged.
        let mut stream = TcpStream::connect(addr).unwrap();
        let head = "GET /api/v1/organization/1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    }
    assert_eq!(server.try_wait().unwrap(), None);
    server.kill().unwrap();
    server.wait().unwrap();
}
