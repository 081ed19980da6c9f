//! `guildhall serve`: opens, listens, answers, and stops in order.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use guildhall_http::shell::{self, ShellSettings};
use guildhall_http::{Api, ApiSettings};
use guildhall_service::{Demo, Service, Settings, worker};
use guildhall_storage::OnFatal;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

use super::{Failure, print, say, service};
use crate::args::Serve;
use crate::machine::memory_bytes;
use crate::supervise::{REST, supervised};
use crate::telemetry;

/// How many connections on which something came are taken from the machine at a time. The runtime's own queues are
/// no fair ones when they are long: what does not fit into one of 256 waits until it is looked at now and then, a
/// second and more in an overload. The machine's list is fair, so what waits waits there.
const READY_AT_A_TIME: usize = 32;
/// How often the server looks for things to sweep.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// How often it records when tokens were used.
const RECORD_EVERY: Duration = Duration::from_secs(60);
/// How often it looks at what other servers changed, be it that nobody asks for what it keeps.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How often it removes tasks whose results need not be kept any longer, old tombstones, and what servers told each other.
const PURGE_EVERY: Duration = Duration::from_secs(5 * 60);
/// How long answers may take on their way out after the disk has failed.
const LAST_WORDS: Duration = Duration::from_millis(300);

pub fn run(database: &str, args: &Serve) -> Result<(), Failure> {
    telemetry::start(&args.log);
    if let Err(error) = raise_open_files() {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
    let (fatal, mut failed) = mpsc::unbounded_channel();
    let on_fatal: OnFatal = Arc::new(move |why| {
        tracing::error!(why, "the disk failed; the server ends");
        // Where nobody listens any more the server is ending already.
        let _ending = fatal.send(());
    });
    let settings = Settings {
        phone_format: args.phone_format.into(),
        equal_sequence: args.equal_sequence.into(),
        connector_limits: args.connector_limits,
        max_active_tasks: args.max_active_tasks,
        task_retention: args.task_retention,
        task_timeout: args.task_timeout,
        ..Settings::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .max_io_events_per_tick(READY_AT_A_TIME)
        .enable_all()
        .build()?;
    // First the address: a port that is taken leaves no new database behind.
    let listener = runtime
        .block_on(TcpListener::bind(args.listen))
        .map_err(|e| Failure::new(format!("cannot listen on {}: {e}", args.listen)))?;
    let service = runtime.block_on(service(database, (true, true), settings, on_fatal))?;
    let service = Arc::new(service);
    let done = runtime.block_on(async {
        let signals = Signals {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
        };
        let mut serving = pin!(serve(args, listener, service, signals));
        tokio::select! {
            biased;
            Some(()) = failed.recv() => {
                // Serving goes on meanwhile: those who wait hear of the failure before the end.
                let _late_words = tokio::time::timeout(LAST_WORDS, serving).await;
                // Leaving in order would close the database, and closing would sync it again.
                std::process::exit(1);
            }
            done = &mut serving => done,
        }
    });
    // Whatever still held the database, a task that was told to end among them, is gone with the runtime, so the
    // database is closed now, and has said whether the disk failed in this last moment.
    drop(runtime);
    match failed.try_recv() {
        Ok(()) => std::process::exit(1),
        Err(_) => done,
    }
}

const MIB: usize = 1024 * 1024;

/// What answers may take where nothing is said: a sixteenth of the memory that there is, from 64 MiB, which hold a
/// hundred thousand profiles, to 1 GiB.
fn share_of(memory: Option<u64>) -> usize {
    let share = memory.map_or(0, |bytes| usize::try_from(bytes / 16).unwrap_or(usize::MAX));
    share.clamp(64 * MIB, 1024 * MIB)
}

async fn serve(
    args: &Serve,
    listener: TcpListener,
    service: Arc<Service>,
    signals: Signals,
) -> Result<(), Failure> {
    if service.is_being_copied_into().await? {
        return Err(Failure::new(
            "the database is half filled by a copy; run guildhall copy again until it is done",
        ));
    }
    if let Err(error) = service.end_dead_leases().await {
        tracing::warn!(%error, "cannot end dead leases; their tasks go on when they have run out");
    }
    let settings = ApiSettings {
        organization_management: args.organization_management.into(),
        experimental_header: args.experimental_header.into(),
        answer_cache_bytes: match args.answer_cache {
            Some(mib) => usize::try_from(mib).unwrap_or(usize::MAX).saturating_mul(MIB),
            None => share_of(memory_bytes()),
        },
    };
    let api = Api::new(Arc::clone(&service), settings)
        .map_err(|e| Failure::new(format!("the route table: {e}")))?;
    let api = Arc::new(api);
    let address = listener.local_addr()?;
    if args.demo {
        match service.create_demo().await? {
            Some(demo) => print(&demo_text(address, &demo))?,
            None => say(
                "guildhall: the database has a tenant already, so no demo was made and no token is printed. \
                 For a token: guildhall tenant list; guildhall token create --tenant CLOUDID --name me --role admin",
            ),
        }
    }
    say(&format!("guildhall listening on http://{address}"));
    let of_hands = Arc::clone(&service);
    let background = move || background(Arc::clone(&of_hands));
    let hands = tokio::spawn(supervised("background work", REST, background));
    let governor = Arc::clone(api.governor());
    let looks_out = move || {
        let governor = Arc::clone(&governor);
        async move {
            if let Err(error) = governor.watch().await {
                tracing::warn!(%error, "nobody watches for overload");
            }
        }
    };
    let lookout = tokio::spawn(supervised("the watch for overload", REST, looks_out));
    let (stop_worker, worker_stops) = watch::channel(());
    let of_worker = Arc::clone(&service);
    let works = move || {
        let mut stops = worker_stops.clone();
        // Nothing is sent: it stops when the sender goes.
        worker::run(Arc::clone(&of_worker), async move {
            while stops.changed().await.is_ok() {}
        })
    };
    let worker = tokio::spawn(supervised("the worker", REST, works));
    let shell = ShellSettings {
        header_timeout: args.header_timeout,
        body_timeout: args.body_timeout,
        idle_timeout: args.idle_timeout,
        ..ShellSettings::default()
    };
    let stopping = Arc::clone(&api);
    let stop = async move {
        signals.wait().await;
        drop(stop_worker);
        stopping.stopping();
    };
    shell::serve(listener, api, shell, stop).await?;
    hands.abort();
    lookout.abort();
    if let Err(error) = worker.await {
        tracing::error!(%error, "the worker ended badly");
    }
    if let Err(error) = service.record_token_use().await {
        tracing::warn!(%error, "cannot record when tokens were used");
    }
    tracing::info!("stopped");
    Ok(())
}

struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }

    /// Returns at the first signal; the second ends the process.
    async fn wait(mut self) {
        self.next().await;
        tracing::info!("stopping: requests under way are finished first");
        tokio::spawn(async move {
            self.next().await;
            say("guildhall: ended by a second signal");
            std::process::exit(1);
        });
    }
}

/// What the server does by itself. Nothing here may end it.
async fn background(service: Arc<Service>) {
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    let mut record = tokio::time::interval(RECORD_EVERY);
    let mut look = tokio::time::interval(LOOK_EVERY);
    let mut purge = tokio::time::interval(PURGE_EVERY);
    loop {
        let done = tokio::select! {
            _ = sweep.tick() => sweep_all(&service).await,
            _ = record.tick() => service.record_token_use().await,
            _ = look.tick() => service.look().await,
            _ = purge.tick() => purge_all(&service).await,
        };
        if let Err(error) = done {
            tracing::warn!(%error, "background work failed; it is tried again");
        }
    }
}

async fn sweep_all(service: &Service) -> Result<(), guildhall_service::Error> {
    while service.sweep_once().await? {
        // Between two batches requests come first.
        tokio::task::yield_now().await;
    }
    Ok(())
}

async fn purge_all(service: &Service) -> Result<(), guildhall_service::Error> {
    while service.purge_tasks_once().await? {
        tokio::task::yield_now().await;
    }
    while service.purge_tombstones_once().await? {
        tokio::task::yield_now().await;
    }
    while service.purge_touches_once().await? {
        tokio::task::yield_now().await;
    }
    Ok(())
}

fn raise_open_files() -> std::io::Result<()> {
    let (soft, hard) = rlimit::Resource::NOFILE.get()?;
    match soft < hard {
        true => rlimit::Resource::NOFILE.set(hard, hard),
        false => Ok(()),
    }
}

fn demo_text(address: SocketAddr, demo: &Demo) -> String {
    // A server on all addresses is reached by loopback.
    let host = match address.ip().is_unspecified() {
        true => format!("127.0.0.1:{}", address.port()),
        false => address.to_string(),
    };
    let Demo { cloud_id, token } = demo;
    let base = format!("http://{host}/jsm/csm/cloudid/{cloud_id}/api/v1");
    format!(
        "base URL  {base}\n\
         cloudId   {cloud_id}\n\
         token     {token}\n\
         \n\
         curl -s '{base}/organization/123' -H 'Authorization: Bearer {token}'\n\
         curl -s '{base}/organization/profile/123' -H 'Authorization: Bearer {token}' -H 'X-ExperimentalApi: opt-in'\n\
         curl -s '{base}/organization' -H 'Authorization: Bearer {token}' -H 'X-ExperimentalApi: opt-in' \
         -H 'Content-Type: application/json' --data '{{\"name\": \"Initech\"}}'\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_take_a_sixteenth_of_the_memory_within_bounds() {
        let gib = 1 << 30;
        for (memory, share) in [
            (None, 64),
            (Some(gib / 2), 64),
            (Some(4 * gib), 256),
            (Some(24 * gib), 1024),
            (Some(u64::MAX), 1024),
        ] {
            assert_eq!(share_of(memory), share * MIB, "{memory:?}");
        }
    }
}
