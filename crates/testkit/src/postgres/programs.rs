//! PostgreSQL's programs: where they are, the user that the server runs as, and an environment that
//! holds nothing of the developer's own databases.

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::{env, fs};

use crate::TempFolder;

const INSTALL: &str = "install PostgreSQL: apt-get install postgresql";
/// Where Debian keeps the programs that it does not put on the PATH: a folder per major version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// All from one folder, so that they are of one version.
const NEEDED: [&str; 5] = ["initdb", "postgres", "psql", "pg_basebackup", "pg_ctl"];

/// The folder of the programs. Panics with the line that installs them where there is none.
fn programs() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        let path = env::var_os("PATH").unwrap_or_default();
        find(&path, Path::new(DEBIAN)).unwrap_or_else(|| panic!("{INSTALL}"))
    })
}

/// The first folder on the PATH that has all programs; else that of the newest version below `debian`.
fn find(path: &OsStr, debian: &Path) -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(debian)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_unstable_by(|one, two| two.cmp(one));
    env::split_paths(path)
        .chain(versions.into_iter().map(|(_, folder)| folder))
        .find(|folder| NEEDED.iter().all(|name| folder.join(name).is_file()))
}

/// A program, run as whoever runs the test.
pub(super) fn program(name: &str) -> Command {
    let mut command = Command::new(programs().join(name));
    for (variable, _) in env::vars_os() {
        let bytes = variable.as_encoded_bytes();
        // PGHOST, PGOPTIONS, PGDATA and their like.
        if bytes.starts_with(b"PG") || bytes.starts_with(b"LC_") || bytes == b"LANG" {
            command.env_remove(variable);
        }
    }
    command
        .env("LC_ALL", "C")
        .env("PGCLIENTENCODING", "UTF8")
        .env("PGCONNECT_TIMEOUT", "30")
        .stdin(Stdio::null());
    command
}

/// A program, run in the folder as its owner: the server refuses to run as root.
pub(super) fn program_in(folder: &TempFolder, name: &str) -> Command {
    let mut command = program(name);
    command.current_dir(folder.path());
    if let Some((user, group)) = server_user(folder) {
        command.uid(user).gid(group);
    }
    command
}

/// Gives the folder, or a file in it, to the user that the server runs as: what we make may be for us alone.
pub(super) fn give(folder: &TempFolder, path: &Path) {
    if let Some((user, group)) = server_user(folder) {
        chown(path, Some(user), Some(group))
            .unwrap_or_else(|error| panic!("cannot give {} away: {error}", path.display()));
    }
}

/// The user and group of the server where they are not ours: those of `postgres` for root.
fn server_user(folder: &TempFolder) -> Option<(u32, u32)> {
    static USER: OnceLock<Option<(u32, u32)>> = OnceLock::new();
    *USER.get_or_init(|| {
        // Asked for the first time, the folder still belongs to us.
        let owner = fs::metadata(folder.path()).expect("the folder is ours").uid();
        (owner == 0).then(|| (id_of_postgres("-u"), id_of_postgres("-g")))
    })
}

fn id_of_postgres(what: &str) -> u32 {
    let mut id = Command::new("id");
    let output = id.args([what, "postgres"]).output().ok();
    output
        .and_then(|output| String::from_utf8(output.stdout).ok()?.trim().parse().ok())
        .unwrap_or_else(|| panic!("as root, tests run PostgreSQL as the user postgres; {INSTALL}"))
}

/// Runs to the end; panics with what it said unless that was well.
pub(super) fn finish(command: &mut Command) {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A value as `postgresql.conf` and a connection string have it.
pub(super) fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A database name or another name in a statement.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_comes_first_then_the_newest_version() {
        let folder = TempFolder::new();
        let fill = |name: &str, programs: &[&str]| {
            let bin = folder.join(name);
            fs::create_dir_all(&bin).unwrap();
            for program in programs {
                fs::write(bin.join(program), "").unwrap();
            }
            bin
        };
        let debian = folder.join("debian");
        let part = fill("part", &["psql"]);
        assert_eq!(find(part.as_os_str(), &debian), None, "no such folder");

        fill("debian/9/bin", &NEEDED);
        let newest = fill("debian/15/bin", &NEEDED);
        fill("debian/16/bin", &["psql", "pg_basebackup"]);
        fill("debian/common/bin", &NEEDED);
        assert_eq!(find(part.as_os_str(), &debian), Some(newest));

        let whole = fill("whole", &NEEDED);
        let path = env::join_paths([&part, &whole]).unwrap();
        assert_eq!(find(&path, &debian), Some(whole));
    }

    #[test]
    fn values_and_names_are_quoted() {
        assert_eq!(quoted(r"it's \ so"), r"'it\'s \\ so'");
        assert_eq!(identifier(r#"a"b"#), r#""a""b""#);
    }
}
