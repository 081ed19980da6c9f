//! What Guildhall does, beside what the machine allows: starts the real server and ceilings, drives them in turn from
//! the same load generator, and prints figures, ratios, latencies and memory. See docs/performance.md.
//!
//! ```text
//! cargo run --release -p guildhall-bench -- [WORK]… [--database sqlite|postgres|postgres://…] [--full] [--json]
//! ```

#![forbid(unsafe_code)]

mod arguments;
mod ceiling;
mod engine;
mod goals;
mod load;
mod place;
mod postgres;
mod report;
mod rows;
mod site;
mod works;

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use arguments::Arguments;
use tikv_jemallocator::Jemalloc;
use works::Bench;

/// The server's, so that it and the ceilings differ in what they do.
#[global_allocator]
static MEMORY: Jemalloc = Jemalloc;

/// What can go wrong here is only ever reported.
pub type Problem = Box<dyn Error + Send + Sync>;
/// A result or a problem.
pub type Outcome<T> = Result<T, Problem>;

/// A problem from words.
pub fn problem(words: impl Into<String>) -> Problem {
    words.into().into()
}

/// What went wrong, and what that comes from: an error of PostgreSQL says no more than that it is one.
fn told(error: &(dyn Error + Send + Sync + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    words
}

/// Prints a result.
pub fn print(text: &str) {
    let _closed = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Says how it goes on.
pub fn say(text: &str) {
    let _closed = writeln!(std::io::stderr().lock(), "bench: {text}");
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [ceiling::SERVE] => ceiling::serve(),
        [ceiling::SYNC, path] => ceiling::sync(Path::new(path)),
        _ => run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&told(&*error));
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Outcome<()> {
    let Some(arguments) = Arguments::parse(args)? else {
        print(arguments::HELP);
        return Ok(());
    };
    let json = arguments.json;
    let works = arguments.works.clone();
    let bench = Bench::new(arguments)?;
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    if !json {
        print(&format!("{}\n", report::HEAD));
    }
    for work in works {
        let start = Instant::now();
        match bench.run(work) {
            Ok(found) => {
                for row in &found {
                    match json {
                        true => say(&row.line()),
                        false => print(&format!("{}\n", row.line())),
                    }
                }
                rows.extend(found);
            }
            Err(error) => {
                say(&format!("{work}: {}", told(&*error)));
                failed.push(work);
            }
        }
        say(&format!("{work} took {:.0} s", start.elapsed().as_secs_f64()));
    }
    if json {
        print(&format!("{}\n", report::document(&rows)));
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(problem(format!("failed: {}", failed.join(", ")))),
    }
}
