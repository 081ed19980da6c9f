//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use crate::goals::WORKS;
use crate::{Outcome, problem};

/// What `--help` prints.
pub const HELP: &str = "\
Measures guildhall beside what the machine allows.

cargo run --release -p guildhall-bench -- [WORK]... [OPTION]...

Works: profile-get organization-get create bulk-upsert bulk-details ingest list filter growth start memory mixed
neighbour slow-sync check; all of them when none is named. And, only when named: overload, costs.

  --database DB      sqlite (the default), postgres (a throwaway cluster), or postgres://USER@HOST/NAME of a server on
                     which databases may be made and dropped
  --full             with the million organizations too (loaded once, kept under target/bench)
  --json             JSON on stdout, what people read on stderr
  --organizations N  of the data set; 100000
  --runs N           pairs of runs, ours and the ceiling in turn; 5
  --seconds N        of each run; 1.5. `mixed --seconds 300` is the long one
  --binary PATH      the guildhall to measure, instead of building it
";

/// Works that are run only when they are named.
const MORE: [&str; 2] = ["overload", "costs"];

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Arguments {
    /// The works.
    pub works: Vec<&'static str>,
    /// The store.
    pub database: Option<String>,
    /// With a million.
    pub full: bool,
    /// For programs.
    pub json: bool,
    /// Of the data set.
    pub organizations: u64,
    /// Pairs of runs.
    pub runs: usize,
    /// How long a run lasts.
    pub lasts: Duration,
    /// The program to measure.
    pub binary: Option<PathBuf>,
}

impl Arguments {
    /// Reads the command line; `None` asks for help.
    pub fn parse(args: &[String]) -> Outcome<Option<Self>> {
        let mut parsed = Self {
            works: Vec::new(),
            database: None,
            full: false,
            json: false,
            organizations: 100_000,
            runs: 5,
            lasts: Duration::from_millis(1_500),
            binary: None,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| problem(format!("{arg} needs a value")));
            match arg.as_str() {
                "--help" | "-h" => return Ok(None),
                "--full" => parsed.full = true,
                "--json" => parsed.json = true,
                "--database" => parsed.database = Some(value()?.clone()),
                "--binary" => parsed.binary = Some(value()?.into()),
                "--organizations" => parsed.organizations = number(arg, value()?)?,
                "--runs" => parsed.runs = number(arg, value()?)?,
                "--seconds" => {
                    let seconds: f64 = number(arg, value()?)?;
                    parsed.lasts = Duration::try_from_secs_f64(seconds)
                        .map_err(|error| problem(format!("--seconds {seconds}: {error}")))?;
                }
                name => {
                    let work = WORKS.iter().chain(&MORE).find(|work| **work == name);
                    parsed.works.push(work.ok_or_else(|| {
                        problem(format!("there is no work or option {name:?}; see --help"))
                    })?);
                }
            }
        }
        if parsed.runs == 0 || parsed.lasts.is_zero() || parsed.organizations < 100 {
            return Err(problem("at least one run, some time, and 100 organizations"));
        }
        if parsed.works.is_empty() {
            parsed.works = WORKS.to_vec();
        }
        Ok(Some(parsed))
    }
}

fn number<T: std::str::FromStr>(name: &str, text: &str) -> Outcome<T> {
    text.parse()
        .map_err(|_| problem(format!("{name} takes a number, not {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Outcome<Option<Arguments>> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Arguments::parse(&args)
    }

    #[test]
    fn works_and_options_are_read_and_others_refused() {
        let read = parse("create list --runs 3 --json").unwrap().unwrap();
        assert_eq!(
            (read.works, read.runs, read.json),
            (vec!["create", "list"], 3, true)
        );
        assert_eq!(parse("").unwrap().unwrap().works, WORKS);
        assert!(parse("--help").unwrap().is_none());
        for wrong in [
            "creates",
            "--runs",
            "--runs x",
            "--runs 0",
            "--seconds -1",
            "--wrong",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
