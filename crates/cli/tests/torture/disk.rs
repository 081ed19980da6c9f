//! A disk that is full, that fails, whose sync fails.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use guildhall_testkit::{Client, Fault, Faults, Request, ServerOptions, TempFolder};
use serde_json::json;

use crate::world::{PATIENCE, World, alone, poll};

const WRITERS: usize = 16;

fn faulty() -> (World, Faults) {
    let folder = TempFolder::new();
    let faults = Faults::new(&folder);
    let options = ServerOptions::new(&folder).faults(&faults);
    (World::with(folder, options), faults)
}

fn readiness(client: &Client) -> (u16, String) {
    let response = client.send(&Request::get("/readyz")).expect("readyz answers");
    let word = response.json()["errorMessage"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    (response.status, word)
}

fn assert_refused_as_full(world: &World, client: &Client, name: &str) {
    let refused = client
        .send(&world.post("/organization", &json!({ "name": name })))
        .expect("a full disk still answers");
    assert_eq!(refused.status, 507, "{}", refused.text());
    let body = refused.json();
    assert_eq!(body["statusCode"], 507, "{body}");
    assert_eq!(body["errors"], json!(["INSUFFICIENT_STORAGE"]), "{body}");
    let message = body["errorMessage"].as_str().unwrap_or_default();
    assert!(
        message.contains("full") && !message.contains("sqlite"),
        "{message}"
    );
}

/// A server starts on a full disk and serves reads, though it cannot end the leases of the one that died;
/// the tasks go on when there is room.
#[test]
fn a_start_on_a_full_disk_with_open_tasks() {
    let _alone = alone();
    let (world, faults) = faulty();
    let mut server = world.serve();
    let client = server.client();
    let tasks: Vec<String> = (0..10)
        .map(|task| {
            let items: Vec<_> = (0..100)
                .map(|n| json!({ "operationType": "UPSERT", "payload": { "name": format!("{task} {n}") } }))
                .collect();
            let request = world
                .post(
                    "/organization/profile/bulk",
                    &json!({ "organizationProfiles": items }),
                )
                .header("Idempotency-Key", format!("task-{task}"));
            let answer = client.send(&request).expect("answers");
            assert_eq!(answer.status, 200, "{}", answer.text());
            answer.json()["id"].as_str().unwrap_or_default().to_owned()
        })
        .collect();
    faults.set(Fault::Full);
    // SQLite itself needs room to be the first to open a database: here somebody else has it open.
    let database = world.options.database_url().trim_start_matches("sqlite:");
    let other = rusqlite::Connection::open(database).expect("opens");
    let open = other.query_row("SELECT COUNT(*) FROM task_open", [], |row| row.get::<_, i64>(0));
    assert!(
        open.expect("is read") > 0,
        "no task is open: the test shows nothing"
    );
    server.kill().expect("is killed");

    let mut server = world.serve();
    let client = server.client();
    let is_done = |id: &String| {
        let answer = client
            .send(&world.get(&format!("/tasks/{id}")))
            .expect("reads go on");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["status"] == "FINISHED"
    };
    assert!(
        !tasks.iter().all(is_done),
        "no task is open: the test shows nothing"
    );
    poll("not ready", PATIENCE, || {
        (readiness(&client) == (503, "full".to_owned())).then_some(())
    });
    assert_refused_as_full(&world, &client, "refused");
    assert!(server.is_running());

    drop(other);
    faults.set(Fault::None);
    poll("the tasks", PATIENCE, || tasks.iter().all(is_done).then_some(()));
    let list = Request::get("/guildhall/v1/tasks").bearer(&world.token);
    let list = client.send(&list).expect("answers").json();
    for task in list["tasks"].as_array().into_iter().flatten() {
        assert_eq!(task["outcomes"]["created"], 100, "{task}");
    }
    assert!(server.terminate().expect("ends").status.success());
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room() {
    let _alone = alone();
    let (world, faults) = faulty();
    let mut server = world.serve();
    let (addr, pid) = (server.addr(), server.id());
    let client = server.client();
    assert_eq!(readiness(&client).0, 200);
    let ((), ledger) = world.under_load(addr, "full", WRITERS, true, || {
        for _ in 0..3 {
            faults.set(Fault::Full);
            let full = (503, "full".to_owned());
            poll("not ready", PATIENCE, || {
                (readiness(&client) == full).then_some(())
            });
            for index in 0..20 {
                assert_refused_as_full(&world, &client, &format!("refused {index}"));
                let read = client
                    .send(&world.get("/organization/details"))
                    .expect("reads go on");
                assert_eq!(read.status, 200, "{}", read.text());
                assert_eq!(client.send(&Request::get("/healthz")).expect("lives").status, 200);
            }
            faults.set(Fault::None);
            poll("ready again", PATIENCE, || {
                (readiness(&client).0 == 200).then_some(())
            });
            let name = format!("after {}", faults.failed_write_count());
            let again = client
                .send(&world.post("/organization", &json!({ "name": name })))
                .expect("answers");
            assert_eq!(again.status, 200, "{}", again.text());
        }
    });
    let statuses: BTreeSet<_> = ledger.statuses.keys().copied().collect();
    assert_eq!(
        statuses,
        BTreeSet::from([507]),
        "{:?} {:?}",
        ledger.statuses,
        ledger.bodies
    );
    assert_eq!(server.id(), pid);
    assert!(server.is_running());
    let found = ledger.check(&world, &client);
    println!(
        "full disk: {} acknowledged, {found} organizations found, {:?} refused, {} writes failed below",
        ledger.acknowledged,
        ledger.statuses,
        faults.failed_write_count()
    );
    assert!(server.terminate().expect("ends").status.success());
    let mut server = world.serve();
    assert_eq!(ledger.check(&world, &server.client()), found);
    assert!(server.terminate().expect("ends").status.success());
}

/// What a failing disk must look like from outside, whichever call it is that fails. Returns how many
/// syncs and how many writes failed.
fn disk_fails(fault: Fault) -> (u64, u64) {
    let (world, faults) = faulty();
    let mut server = world.serve();
    let (ended, ledger) = world.under_load(server.addr(), "fails", WRITERS, false, || {
        let before = faults.sync_count();
        poll("the load runs", PATIENCE, || {
            (faults.sync_count() > before + 20).then_some(())
        });
        faults.set(fault);
        server.wait().expect("the server ends by itself")
    });
    println!(
        "{fault:?}: {} acknowledged; first failures {:?}; ended after {:?} with {}; {} syncs and {} writes failed",
        ledger.acknowledged,
        ledger.first_failures,
        ended.took,
        ended.status,
        faults.failed_sync_count(),
        faults.failed_write_count()
    );
    assert_eq!(ended.status.code(), Some(1), "{}", server.stderr_so_far());
    assert_eq!(ledger.first_failures, [503; WRITERS], "{:?}", ledger.bodies);
    let body: serde_json::Value = serde_json::from_str(&ledger.bodies[&503]).expect("the error body");
    assert_eq!(body["errors"], json!(["SERVICE_UNAVAILABLE"]), "{body}");
    assert!(
        server.stderr_so_far().contains("the disk failed"),
        "{}",
        server.stderr_so_far()
    );
    faults.set(Fault::None);
    let mut server = world.serve();
    assert!(ledger.check(&world, &server.client()) > 0);
    assert_eq!(readiness(&server.client()).0, 200);
    assert!(server.terminate().expect("ends").status.success());
    (faults.failed_sync_count(), faults.failed_write_count())
}

#[test]
fn a_failed_sync_ends_the_process_and_is_not_repeated() {
    let _alone = alone();
    let (failed_syncs, _) = disk_fails(Fault::SyncFails);
    assert_eq!(failed_syncs, 1, "a failed sync is never tried again");
}

#[test]
fn a_failed_write_ends_the_process() {
    let _alone = alone();
    let (failed_syncs, failed_writes) = disk_fails(Fault::IoFails);
    assert_eq!((failed_syncs, failed_writes), (0, 1), "nothing is tried again");
}

/// What waits to be brought into the index of values is, at an orderly end. A disk that fails there has failed as ever: the
/// process says so, ends with 1, and syncs nothing a second time.
#[test]
fn a_disk_that_fails_at_an_orderly_end_is_not_synced_again() {
    let _alone = alone();
    let (world, faults) = faulty();
    let mut server = world.serve();
    let profile = json!({ "name": "Waits", "details": [{ "name": "Note", "values": ["waits"] }] });
    let created = server
        .client()
        .send(&world.post("/organization/profile", &profile))
        .expect("is created");
    assert_eq!(created.status, 200, "{}", created.text());
    faults.set(Fault::SyncFails);
    let ended = server.terminate().expect("ends");
    assert_eq!(ended.status.code(), Some(1), "{}", server.stderr_so_far());
    assert_eq!(faults.failed_sync_count(), 1);
    faults.set(Fault::None);
    let mut server = world.serve();
    let id = created.json()["id"].as_str().unwrap_or_default().to_owned();
    let found = server
        .client()
        .send(&world.get(&format!("/organization/profile/{id}")))
        .expect("answers");
    assert_eq!(found.status, 200, "{}", found.text());
    assert!(server.terminate().expect("ends").status.success());
}

/// A small file system in memory, in a folder of its own; unmounted when dropped.
struct SmallDisk {
    at: PathBuf,
    _folder: TempFolder,
}

impl SmallDisk {
    fn mount(bytes: usize) -> Result<Self, String> {
        let folder = TempFolder::new();
        let at = folder.join("disk");
        fs::create_dir(&at).map_err(|e| e.to_string())?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"]);
        let output = mount.arg(&at).output().map_err(|e| e.to_string())?;
        match output.status.success() {
            true => Ok(Self { at, _folder: folder }),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _left_mounted = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

/// The same with a disk that is really full. The test above is the guaranteed one: mounting needs
/// rights that not everybody has.
#[test]
fn a_really_full_disk() {
    const BYTES: usize = 4 * 1024 * 1024;
    let _alone = alone();
    let disk = match SmallDisk::mount(BYTES) {
        Ok(disk) => disk,
        Err(why) => {
            println!(
                "NOT TRIED: a small file system cannot be mounted here: {}",
                why.trim()
            );
            return;
        }
    };
    let ballast = disk.at.join("ballast");
    fs::write(&ballast, vec![1; BYTES / 2]).expect("there is room");
    let options = ServerOptions::new(&disk.at);
    let world = World::with(TempFolder::new(), options);
    let mut server = world.serve();
    let (addr, client) = (server.addr(), server.client());
    let ((), ledger) = world.under_load(addr, "really full", WRITERS, true, || {
        let full = (503, "full".to_owned());
        poll("the disk is full", PATIENCE, || {
            (readiness(&client) == full).then_some(())
        });
        for _ in 0..20 {
            let read = client
                .send(&world.get("/organization/details"))
                .expect("reads go on");
            assert_eq!(read.status, 200, "{}", read.text());
        }
    });
    // Only now: the load would fill the new room as well.
    fs::remove_file(&ballast).expect("is ours");
    poll("ready again", PATIENCE, || {
        (readiness(&client).0 == 200).then_some(())
    });
    let again = client
        .send(&world.post("/organization", &json!({ "name": "room again" })))
        .expect("answers");
    assert_eq!(again.status, 200, "{}", again.text());
    let statuses: BTreeSet<_> = ledger.statuses.keys().copied().collect();
    assert_eq!(
        statuses,
        BTreeSet::from([507]),
        "{:?} {:?}",
        ledger.statuses,
        ledger.bodies
    );
    let found = ledger.check(&world, &client);
    println!(
        "really full disk: {} acknowledged, {found} found, refused {:?}",
        ledger.acknowledged, ledger.statuses
    );
    drop(server.kill());
    let mut server = world.serve();
    assert_eq!(ledger.check(&world, &server.client()), found);
    assert!(server.terminate().expect("ends").status.success());
}
