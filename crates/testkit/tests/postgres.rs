//! The throwaway clusters keep their promises. Tests that stop a server have one of their own; the others
//! share one.

#![forbid(unsafe_code)]

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use guildhall_testkit::{Cluster, ClusterOptions};

const FILL: &str = "CREATE TABLE t (n bigint PRIMARY KEY); INSERT INTO t VALUES (1), (2)";
const READ: &str = "SELECT n FROM t ORDER BY n";
/// Set for the process that a test starts from this same file.
const CHILD: &str = "POSTGRES_TEST_CHILD";

#[test]
fn databases_are_fresh_and_go_away() {
    let cluster = Cluster::shared();
    let (one, two) = (cluster.database(), cluster.database());
    assert_eq!(one.sql(FILL), "");
    assert_eq!(
        one.sql("SELECT n, n = 1 FROM t ORDER BY n; SELECT 'é'"),
        "1|t\n2|f\né"
    );
    assert!(two.try_sql(READ).unwrap_err().contains("\"t\" does not exist"));
    assert_eq!(one.url(), cluster.url(one.name()));

    let copy = cluster.database_from(one.name());
    assert_eq!(copy.sql(READ), "1\n2");

    let name = one.name().to_owned();
    let count = |of: &str| {
        cluster.sql(
            "postgres",
            &format!("SELECT count(*) FROM {of} WHERE datname = '{name}'"),
        )
    };
    thread::scope(|scope| {
        let open = scope.spawn(|| cluster.try_sql(&name, "SELECT pg_sleep(600)"));
        until(|| count("pg_stat_activity") == "1");
        drop(one);
        assert_eq!(count("pg_database"), "0");
        assert!(open.join().unwrap().is_err());
    });
}

#[test]
fn more_rows_than_a_pipe_holds() {
    let database = Cluster::shared().database();
    let statements = "SELECT repeat('x', 1000);\n".repeat(2000);
    assert_eq!(database.sql(&statements).len(), 2000 * 1001 - 1);
}

#[test]
fn a_database_may_have_another_order() {
    let order = "SELECT string_agg(x, '' ORDER BY x) FROM (VALUES ('a'), ('B'), ('c')) AS v (x)";
    let cluster = Cluster::shared();
    assert_eq!(cluster.database().sql(order), "Bac");
    let icu = cluster.database_with("TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'und'");
    assert_eq!(icu.sql(order), "aBc");
}

#[test]
fn the_socket_is_in_the_folder() {
    let cluster = Cluster::shared();
    let socket = cluster
        .socket_folder()
        .join(format!(".s.PGSQL.{}", cluster.port()));
    assert!(socket.exists());
}

#[test]
fn what_was_written_is_there_after_a_stop_and_after_a_kill() {
    let options = ClusterOptions::default().durable().set("work_mem", "5MB");
    let cluster = Cluster::start(&options);
    let database = cluster.database();
    database.sql(FILL);
    assert_eq!(
        database.sql("SHOW fsync; SHOW full_page_writes; SHOW work_mem"),
        "on\non\n5MB"
    );
    cluster.stop_fast();
    assert!(!cluster.is_running());
    assert!(database.try_sql(READ).is_err());
    cluster.start_again();
    assert_eq!(database.sql(READ), "1\n2");

    database.sql("INSERT INTO t VALUES (3)");
    cluster.kill();
    assert!(!cluster.is_running());
    assert!(!listens(cluster.port()));
    cluster.start_again();
    assert_eq!(database.sql(READ), "1\n2\n3");
    assert!(cluster.log().contains("automatic recovery"));

    cluster.set("work_mem", "6MB");
    assert_eq!(database.sql("SHOW work_mem"), "6MB");
}

#[test]
fn a_fast_cluster_survives_its_kill_too() {
    let cluster = Cluster::start(&ClusterOptions::default());
    let database = cluster.database();
    assert_eq!(database.sql("SHOW fsync; SHOW synchronous_commit"), "off\non");
    database.sql(FILL);
    cluster.kill();
    cluster.start_again();
    assert_eq!(database.sql(READ), "1\n2");

    // Both are gone, whichever goes first.
    let port = cluster.port();
    let folder = cluster.socket_folder().to_owned();
    drop(cluster);
    assert_eq!(database.sql(READ), "1\n2");
    drop(database);
    assert!(!listens(port));
    assert!(!folder.exists());
}

#[test]
fn a_paused_cluster_answers_when_it_goes_on() {
    let cluster = Cluster::start(&ClusterOptions::default());
    cluster.pause();
    let (port, url) = (cluster.port(), cluster.url("postgres"));
    thread::scope(|scope| {
        let asked = scope.spawn(|| cluster.sql("postgres", "SELECT 7"));
        thread::sleep(Duration::from_millis(300));
        assert!(!asked.is_finished(), "{url}");
        cluster.resume();
        assert_eq!(asked.join().unwrap(), "7");
    });
    // Dropped while it is paused, it goes nevertheless.
    cluster.pause();
    drop(cluster);
    assert!(!listens(port));
}

#[test]
fn a_synchronous_standby_has_all_that_was_committed() {
    let options = ClusterOptions::default();
    let primary = Cluster::start(&options);
    let database = primary.database();
    database.sql(FILL);
    let standby = primary.synchronous_standby(&options);
    let name = database.name();

    // A commit waits for the standby.
    standby.pause();
    thread::scope(|scope| {
        let commit = scope.spawn(|| database.sql("INSERT INTO t VALUES (3)"));
        thread::sleep(Duration::from_millis(500));
        assert!(!commit.is_finished());
        standby.resume();
        commit.join().unwrap();
    });
    let refused = standby.try_sql(name, "INSERT INTO t VALUES (9)").unwrap_err();
    assert!(refused.contains("read-only transaction"), "{refused}");

    // Killed under load: what was acknowledged is there after the promotion.
    let acknowledged = thread::scope(|scope| {
        let load = scope.spawn(|| {
            let insert = |n: &i64| database.try_sql(&format!("INSERT INTO t VALUES ({n})")).is_ok();
            (4..).take_while(insert).count()
        });
        thread::sleep(Duration::from_millis(300));
        primary.kill();
        load.join().unwrap()
    });
    assert!(acknowledged > 0);
    standby.promote();
    let found: usize = standby.sql(name, "SELECT count(*) FROM t").parse().unwrap();
    // The last one may have been committed, without an answer.
    assert!(
        (acknowledged + 3..=acknowledged + 4).contains(&found),
        "{acknowledged}, {found}"
    );
    standby.sql(name, "INSERT INTO t VALUES (-1)");

    // The promoted one can have a standby in turn, and make databases of its own.
    let next = standby.standby(&options);
    let fresh = standby.database();
    fresh.sql(FILL);
    until(|| next.try_sql(fresh.name(), READ).is_ok_and(|rows| rows == "1\n2"));
}

#[test]
fn commits_go_on_when_standbys_are_forgotten() {
    let options = ClusterOptions::default();
    let primary = Cluster::start(&options);
    let database = primary.database();
    let standby = primary.synchronous_standby(&options);
    standby.kill();
    thread::scope(|scope| {
        let commit = scope.spawn(|| database.sql(FILL));
        thread::sleep(Duration::from_millis(300));
        assert!(!commit.is_finished());
        primary.forget_standbys();
        commit.join().unwrap();
    });
    assert_eq!(database.sql(READ), "1\n2");
}

#[test]
fn the_shared_cluster_ends_with_its_process() {
    if env::var_os(CHILD).is_some() {
        // Ends only when it is killed, or at once.
        let cluster = Cluster::shared();
        println!(
            "\n{CHILD} {} {}",
            cluster.port(),
            cluster.socket_folder().display()
        );
        if env::var_os(CHILD).is_some_and(|how| how == "wait") {
            cluster.pause();
            println!("{CHILD} paused");
            thread::sleep(Duration::from_secs(600));
        }
        return;
    }
    for how in ["end", "wait"] {
        let mut child = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "the_shared_cluster_ends_with_its_process",
                "--nocapture",
            ])
            .env(CHILD, how)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (port, folder) = told_by(&mut child, how == "wait");
        if how == "wait" {
            assert!(Path::new(&folder).exists());
            child.kill().unwrap();
        }
        assert_eq!(child.wait().unwrap().success(), how == "end");
        until(|| !Path::new(&folder).exists());
        assert!(!listens(port), "{how}");
    }
}

/// The port and the folder that a child prints.
fn told_by(child: &mut Child, until_paused: bool) -> (u16, String) {
    let lines = BufReader::new(child.stdout.take().expect("it is a pipe")).lines();
    let mut told = lines
        .map_while(Result::ok)
        .filter_map(|line| Some(line.strip_prefix(CHILD)?.trim().to_owned()));
    let line = told.next().expect("the child tells where its cluster is");
    if until_paused {
        assert_eq!(told.next().as_deref(), Some("paused"));
    } else {
        // To the end, so that the child can say all it has to say.
        assert_eq!(told.next(), None);
    }
    let (port, folder) = line.split_once(' ').expect("it tells two things");
    (port.parse().expect("the first is the port"), folder.to_owned())
}

fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

fn until(mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(30), "waited in vain");
        thread::sleep(Duration::from_millis(20));
    }
}
