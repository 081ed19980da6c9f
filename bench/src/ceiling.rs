//! Ceilings that know nothing of organizations: a static axum server, and a file that is appended to and synced.
//! Both run as processes of their own, as the server does: this program starts itself anew for them.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::header::CONTENT_TYPE;

use crate::{Outcome, print, problem};

/// The bytes of the static answer (design of the goals: the size of a small profile).
const ANSWER_BYTES: usize = 600;
/// The word that makes this program the static server.
pub const SERVE: &str = "serve-static";
/// The word that makes it append and sync; a file follows.
pub const SYNC: &str = "sync";

/// A static axum server. Dropping it ends it.
pub struct StaticServer {
    child: Child,
    /// Where it listens.
    pub addr: SocketAddr,
}

impl StaticServer {
    /// Starts it on a free port.
    pub fn start() -> Outcome<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(SERVE)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().ok_or_else(|| problem("no pipe"))?;
        BufReader::new(stdout).read_line(&mut line)?;
        let addr = line.trim().parse();
        let addr = addr.map_err(|_| problem(format!("the static server said {line:?}")))?;
        Ok(Self { child, addr })
    }
}

impl Drop for StaticServer {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// What the static server does: one answer for everything, on as many threads as there are cores.
pub fn serve() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let body = format!("{{\"text\":\"{}\"}}", "x".repeat(ANSWER_BYTES - 11));
        let body = axum::body::Bytes::from(body);
        let answer = move || {
            let body = body.clone();
            async move { ([(CONTENT_TYPE, "application/json")], body) }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        print(&format!("{}\n", listener.local_addr()?));
        axum::serve(listener, Router::new().fallback(answer)).await?;
        Ok(())
    })
}

/// How often a second 4 KiB can be appended and synced in this folder, with this environment.
pub fn sync_rate(folder: &Path, environment: &[(String, String)]) -> Outcome<f64> {
    let output = Command::new(std::env::current_exe()?)
        .arg(SYNC)
        .arg(folder.join("appended"))
        .envs(environment.iter().cloned())
        .stderr(Stdio::inherit())
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let rate = said.trim().parse();
    rate.map_err(|_| problem(format!("the syncing process said {said:?}")))
}

/// What the syncing process does, for a second.
pub fn sync(path: &Path) -> Outcome<()> {
    let mut file = File::create(path)?;
    let (start, mut count) = (Instant::now(), 0_u32);
    while start.elapsed() < Duration::from_secs(1) {
        file.write_all(&[1; 4_096])?;
        file.sync_data()?;
        count += 1;
    }
    print(&format!("{}\n", f64::from(count) / start.elapsed().as_secs_f64()));
    drop(file);
    std::fs::remove_file(path)?;
    Ok(())
}
