//! The log: for people on a terminal, JSON lines else; always on stderr. What cannot be written there is lost, and nothing
//! else is: a full disk under the log is no reason to end.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;

/// Starts the log. `level` was checked by the command line.
pub fn start(level: &str) {
    let level = level.parse().unwrap_or(LevelFilter::INFO);
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        // It would say on stderr that stderr cannot be written, and panic.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    let terminal = std::io::stderr().is_terminal();
    let started = if terminal {
        let color = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        builder.with_ansi(color).with_target(false).try_init()
    } else {
        builder
            .json()
            .flatten_event(true)
            .with_target(false)
            .with_current_span(false)
            .try_init()
    };
    // A second start can only happen in tests; the first log goes on.
    drop(started);
}
