//! The works: each starts what it needs, runs ours and the ceiling in turn, and returns rows.

mod bulk;
mod check;
mod costs;
mod create;
mod growth;
mod ingest;
mod lists;
mod mixed;
mod neighbour;
mod overload;
mod reads;
mod slow_sync;
mod start;

use std::fs;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use guildhall_testkit::Server;

use crate::arguments::Arguments;
use crate::ceiling::StaticServer;
use crate::load::{Measured, Next, Pace, Span, drive};
use crate::place::{Place, Store};
use crate::report::{Pairs, Row};
use crate::{Outcome, problem};

/// What all works share.
pub struct Bench {
    place: Place,
    arguments: Arguments,
    ceiling: OnceLock<StaticServer>,
}

impl Bench {
    /// Builds what is measured.
    pub fn new(arguments: Arguments) -> Outcome<Self> {
        let store = Store::parse(arguments.database.as_deref())?;
        Ok(Self {
            place: Place::find(arguments.binary.clone(), store)?,
            arguments,
            ceiling: OnceLock::new(),
        })
    }

    /// Runs a work.
    pub fn run(&self, work: &'static str) -> Outcome<Vec<Row>> {
        match work {
            "profile-get" => reads::profile_get(self),
            "check" => check::check(self),
            "organization-get" => reads::organization_get(self),
            "costs" => costs::costs(self),
            "create" => create::create(self),
            "bulk-upsert" => bulk::upsert(self),
            "bulk-details" => bulk::details(self),
            "ingest" => ingest::ingest(self),
            "list" => lists::list(self),
            "filter" => lists::filter(self),
            "growth" => growth::growth(self),
            "start" => start::start(self),
            "memory" => start::memory(self),
            "mixed" => mixed::mixed(self),
            "overload" => overload::overload(self),
            "neighbour" => neighbour::neighbour(self),
            "slow-sync" => slow_sync::slow_sync(self),
            other => Err(problem(format!("there is no work {other}"))),
        }
    }

    fn store(&self) -> &'static str {
        self.place.store.name()
    }

    fn static_server(&self) -> Outcome<&StaticServer> {
        if self.ceiling.get().is_none() {
            let server = StaticServer::start()?;
            let _first = self.ceiling.set(server);
        }
        self.ceiling.get().ok_or_else(|| problem("no static server"))
    }

    /// Requests a second of the static server, from as many connections.
    fn static_rate(&self, connections: usize) -> Outcome<f64> {
        let addr = self.static_server()?.addr;
        let request = format!("GET /static HTTP/1.1\r\nHost: {addr}\r\n\r\n").into_bytes();
        let client = |_| -> Next {
            let request = request.clone();
            Box::new(move |buffer| {
                buffer.extend_from_slice(&request);
                Some(0)
            })
        };
        let clients = (0..connections).map(client).collect();
        Ok(drive(addr, clients, Pace::Closed, Span::of(self.arguments.lasts))?.rate())
    }

    /// Ours and a ceiling in turn.
    fn alternate(
        &self,
        mut ours: impl FnMut() -> Outcome<Measured>,
        mut ceiling: impl FnMut() -> Outcome<f64>,
    ) -> Outcome<Pairs> {
        let mut pairs = Pairs::default();
        for _ in 0..self.arguments.runs {
            let measured = ours()?;
            let (half, most) = measured.quantiles_ms(0);
            pairs.ours.push(measured.rate());
            pairs.p50_ms.push(half);
            pairs.p99_ms.push(most);
            pairs.ceiling.push(ceiling()?);
        }
        Ok(pairs)
    }
}

/// How long a server that has nothing to do takes no processor: longer than it waits before it brings in what is pending.
const QUIET: Duration = Duration::from_millis(700);
/// In so many clock ticks of a hundredth of a second it may look around meanwhile.
const QUIET_TICKS: u64 = 1;
/// How long it is given to come to an end.
const SETTLES_WITHIN: Duration = Duration::from_secs(30);

/// Waits until the server has done what its last requests left for later, so that a ceiling stands by itself.
fn settle(server: &Server) -> Outcome<()> {
    let until = Instant::now() + SETTLES_WITHIN;
    let mut before = ticks(server)?;
    while Instant::now() < until {
        std::thread::sleep(QUIET);
        let now = ticks(server)?;
        if now - before <= QUIET_TICKS {
            return Ok(());
        }
        before = now;
    }
    Err(problem("the server does not come to rest"))
}

/// The processor time that the server has taken, in clock ticks.
fn ticks(server: &Server) -> Outcome<u64> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.id()))?;
    // Behind the name, which is in parentheses, and eleven others: in user mode and in the kernel.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace());
    let times = fields.map(|fields| {
        fields
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u64>().ok())
    });
    times.map(Iterator::sum).ok_or_else(|| problem("no times"))
}

/// The server's memory now, in megabytes.
fn memory_mb(server: &Server) -> Outcome<f64> {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kilobytes
        .map(|kilobytes| kilobytes / 1_024.0)
        .ok_or_else(|| problem("no VmRSS"))
}
