//! The vendor's own client library, `@forge/api`, against the server. `forge/` has its lock file, a stand-in for
//! the SDK above it that cannot be obtained, and the calls; `npm ci` fetches the library once into cargo's
//! folder for temporary files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::world::World;

const FILES: [&str; 5] = [
    ".npmrc",
    "package.json",
    "package-lock.json",
    "graph.mjs",
    "calls.mjs",
];

#[test]
fn the_vendors_library_works() {
    let folder = installed();
    let world = World::new(&[]);
    let tenant = world.tenant();
    let connector = tenant.connector();
    let mut node = Command::new("node");
    node.arg(folder.join("calls.mjs"))
        .env("GUILDHALL_URL", format!("http://{}", world.server.addr()))
        .env("GUILDHALL_TOKEN", &connector.token)
        .env("GUILDHALL_CLOUD_ID", &tenant.cloud_id);
    let said = run(&mut node);
    assert!(said.starts_with("@forge/api 8.3.0: 19 calls"), "{said}");
}

/// The folder with the library and the calls.
fn installed() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/connector/forge");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("forge");
    fs::create_dir_all(&folder).unwrap();
    let lock = fs::read(source.join("package-lock.json")).unwrap();
    let stamp = folder.join("installed");
    for file in FILES {
        fs::copy(source.join(file), folder.join(file)).unwrap();
    }
    if fs::read(&stamp).ok().as_ref() != Some(&lock) {
        run(Command::new("npm").arg("ci").current_dir(&folder));
        fs::write(&stamp, lock).unwrap();
    }
    folder
}

/// What the command printed; it must succeed.
fn run(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; install Node.js: apt-get install nodejs npm"));
    let (said, complained) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {status}\n{said}\n{complained}");
    said.into_owned()
}
