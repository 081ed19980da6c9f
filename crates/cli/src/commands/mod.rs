//! One file a command.

pub mod connection;
pub mod copy;
pub mod serve;
pub mod tenant;
pub mod token;

use std::fmt;
use std::future::Future;
use std::io::Write;
use std::sync::Arc;

use guildhall_domain::{Clock, Excerpt};
use guildhall_service::{Error, Service, Settings};
use guildhall_storage::{Location, OnFatal, OpenError, PENDING_ENTRIES, Store};

use crate::machine::{SystemClock, SystemRandom};

/// Why a command failed, in words for the person who gave it.
#[derive(Debug)]
pub struct Failure {
    words: String,
    usage: bool,
}

impl Failure {
    /// A command that was right and could not be done.
    pub fn new(words: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            usage: false,
        }
    }

    /// A command that was given wrongly.
    pub fn usage(words: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            usage: true,
        }
    }

    /// 1: failed; 2: wrong usage.
    pub fn exit_code(&self) -> u8 {
        if self.usage { 2 } else { 1 }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(error.to_string())
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}

/// Data, on stdout. A reader that went away (`| head`) is no failure.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Talk, on stderr.
pub fn say(line: &str) {
    // Where stderr is closed there is nobody to talk to.
    let _nobody_listens = writeln!(std::io::stderr(), "{line}");
}

/// Where a URL of the command line leads.
fn location(url: &str) -> Result<Location, Failure> {
    Location::parse(url).map_err(|e| Failure::usage(e.to_string()))
}

/// The operations over the database of the command line.
async fn service(
    database: &str,
    (create, serve): (bool, bool),
    settings: Settings,
    on_fatal: OnFatal,
) -> Result<Service, Failure> {
    let clock = SystemClock::new();
    let location = location(database)?;
    let now_ms = clock.now().0;
    let store = Store::open(&guildhall_storage::Settings {
        location,
        create,
        serve,
        now_ms,
        on_fatal,
        pending_entries: PENDING_ENTRIES,
    })
    .await?;
    Ok(Service::new(
        store,
        Arc::new(clock),
        Arc::new(SystemRandom),
        settings,
    ))
}

/// Runs a command that is one operation, or a few. Only one that begins something may create a
/// database: a mistyped path must not look like an empty one.
fn with_service<F, T>(
    database: &str,
    create: bool,
    work: impl FnOnce(Arc<Service>) -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let on_fatal: OnFatal = Arc::new(|why| {
        say(&format!("guildhall: the disk failed: {why}"));
        std::process::exit(1);
    });
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let service = service(database, (create, false), Settings::default(), on_fatal).await?;
            work(Arc::new(service)).await
        })
}

/// Text from a database, as one line of a list shows it.
fn cell(text: &str) -> String {
    match text.chars().any(char::is_control) {
        true => format!("{:?}", Excerpt(text)),
        false => text.to_owned(),
    }
}
