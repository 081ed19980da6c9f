//! `guildhall copy`: moving house.

use std::io::{IsTerminal, Write};
use std::sync::Arc;

use guildhall_domain::Clock;
use guildhall_storage::{CopyProgress, OnFatal, PENDING_ENTRIES, Settings, Store};

use super::{Failure, location, print, say};
use crate::machine::SystemClock;

pub fn run(from: &str, to: &str) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(copy(from, to))
}

async fn copy(from: &str, to: &str) -> Result<(), Failure> {
    let clock = SystemClock::new();
    let (from, to) = (location(from)?, location(to)?);
    if from == to {
        return Err(Failure::new("a database cannot be copied into itself"));
    }
    let on_fatal: OnFatal = Arc::new(|why| {
        say(&format!("guildhall: the disk failed: {why}"));
        std::process::exit(1);
    });
    // Both are opened as a server would: an SQLite file that is being served is refused.
    let open = |location, create| Settings {
        location,
        create,
        serve: true,
        now_ms: clock.now().0,
        on_fatal: on_fatal.clone(),
        pending_entries: PENDING_ENTRIES,
    };
    let source = Store::open(&open(from, false)).await?;
    if source
        .is_being_copied_into()
        .await
        .map_err(|e| Failure::new(e.to_string()))?
    {
        return Err(Failure::new("the source is itself a copy that was not finished"));
    }
    let target = Store::open(&open(to, true)).await?;
    let mut bar = Bar::new();
    let copied = source
        .copy_to(&target, clock.now(), |progress| bar.show(progress))
        .await;
    bar.end();
    let copied = copied?;
    say("guildhall: copied; both sides were read again, and are equal");
    let lines = copied
        .into_iter()
        .map(|table| format!("{}\t{}\t{}\n", table.name, table.rows, table.digest));
    print(&lines.collect::<String>())
}

/// Progress on a terminal; silence where nobody watches.
struct Bar {
    shown: bool,
    terminal: bool,
}

impl Bar {
    const WIDTH: u64 = 30;

    fn new() -> Self {
        Self {
            shown: false,
            terminal: std::io::stderr().is_terminal(),
        }
    }

    fn show(&mut self, progress: CopyProgress) {
        if !self.terminal {
            return;
        }
        let CopyProgress { table, rows, of } = progress;
        let full = (rows * Self::WIDTH)
            .checked_div(of)
            .unwrap_or(Self::WIDTH)
            .min(Self::WIDTH);
        let (done, rest) = (
            "#".repeat(full as usize),
            ".".repeat((Self::WIDTH - full) as usize),
        );
        // Where stderr is closed nobody watches.
        let _nobody_watches = write!(
            std::io::stderr(),
            "\r\x1b[K{table:<20} [{done}{rest}] {rows}/{of}"
        );
        self.shown = true;
    }

    fn end(&self) {
        if self.shown {
            let _nobody_watches = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
