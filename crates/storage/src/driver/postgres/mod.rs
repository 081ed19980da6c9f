//! PostgreSQL: pooled connections, transactions of their own, nothing shared between servers but the
//! database. READ COMMITTED with explicit row locks for writes, one snapshot for reads.

mod connection;
mod fault;
mod lanes;
mod later;
#[cfg(test)]
mod tests;
mod tls;
mod touches;

use std::str::FromStr;
use std::time::Duration;

use deadpool_postgres::{
    Client, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType, Timeouts,
};
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

pub(crate) use connection::{Connection, Ended};

use crate::error::{OpenError, StoreError};
use crate::{citus, migrate};
use lanes::Lanes;
use touches::Touches;

/// Connections of one server at most. A unit of work is a few round trips, so few are enough.
const CONNECTIONS_MAX: usize = 24;
/// Long reads at a time, so that short ones find a connection.
pub(crate) const LONG_READS: usize = CONNECTIONS_MAX / 3;
/// How long a connection may take to be made, or to become free.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an answer may take: longer than the server itself gives a statement. One that is halted, or
/// whose machine is gone, gives none; a commit may wait for a standby that is gone.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(12);
/// How long what was sent may stay without any sign that the other machine has got it.
const LINK_TIMEOUT: Duration = Duration::from_secs(5);
/// What every session is set to. A statement or a lock that takes longer than a client waits is given
/// up; a transaction that its server has forgotten does not hold locks for ever. Each statement finds its
/// rows by an index, whatever the size of the table was when it was planned.
const SESSION: &str = "-c statement_timeout=10s -c lock_timeout=5s -c idle_in_transaction_session_timeout=15s \
     -c default_transaction_isolation=read\\ committed -c client_min_messages=warning \
     -c enable_seqscan=off -c jit=off";
/// A statement is planned once, whatever its parameters: planning takes longer than most statements do, and
/// PostgreSQL plans some anew for ever, since it reckons less for the values at hand. Not over Citus, which
/// refuses some statements then.
const PLANNED_ONCE: &str = " -c plan_cache_mode=force_generic_plan";
/// Requests of bulk operations are large enough to be compressed, which takes ten times as long by PostgreSQL's own way. Not every
/// PostgreSQL is built with this one.
const LZ4: &str = " -c default_toast_compression=lz4";
const HAS_LZ4: &str =
    "SELECT 1 FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)";

/// An open PostgreSQL database.
pub(crate) struct Postgres {
    pool: Pool,
    lanes: Lanes,
    /// What changes, as far as it is known here. Over Citus nobody asks.
    touches: Option<Touches>,
}

impl Postgres {
    /// Connects, checks the settings that promises rest on, and migrates.
    pub(crate) async fn open(url: &str, now_ms: i64) -> Result<Self, OpenError> {
        let mut pool = pool(url, SESSION)?;
        let mut client = first(&pool).await?;
        let has_citus = citus::is_there(&client).await?;
        let session = [
            (!has_citus).then_some(PLANNED_ONCE),
            has_lz4(&client).await?.then_some(LZ4),
        ];
        let session = session
            .into_iter()
            .flatten()
            .fold(SESSION.to_owned(), |all, one| all + one);
        if session != SESSION {
            pool = self::pool(url, &session)?;
            client = first(&pool).await?;
        }
        check_settings(&client).await?;
        migrate::postgres(&mut client, now_ms).await?;
        drop(client);
        Ok(Self {
            pool,
            lanes: Lanes::default(),
            touches: (!has_citus).then(Touches::default),
        })
    }

    /// A connection, before its transaction has begun.
    pub(crate) async fn connection(&self) -> Result<Connection, StoreError> {
        match self.pool.get().await {
            Ok(client) => Ok(Connection::new(client, self.touches.is_some())),
            Err(PoolError::Timeout(TimeoutType::Wait)) => Err(StoreError::Overloaded),
            Err(error) => Err(StoreError::Unavailable(words(&error))),
        }
    }
}

/// Connections whose sessions are set so, unless the URL says otherwise.
fn pool(url: &str, session: &str) -> Result<Pool, OpenError> {
    let (config, tls) = configure(url, session)?;
    let manager_config = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let manager = Manager::from_config(config, tls, manager_config);
    let timeouts = Timeouts {
        wait: Some(CONNECT_TIMEOUT),
        create: Some(CONNECT_TIMEOUT),
        recycle: Some(CONNECT_TIMEOUT),
    };
    Pool::builder(manager)
        .max_size(CONNECTIONS_MAX)
        .timeouts(timeouts)
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|e| OpenError(format!("PostgreSQL: {e}")))
}

async fn first(pool: &Pool) -> Result<Client, OpenError> {
    pool.get()
        .await
        .map_err(|e| OpenError(format!("PostgreSQL: cannot connect: {}", words(&e))))
}

/// Reads the URL. What it says of a password is in no error.
fn configure(url: &str, session: &str) -> Result<(Config, tls::Connector), OpenError> {
    let (url, root_certificate) = tls::take_root_certificate(url)?;
    let mut config = Config::from_str(&url).map_err(|e| {
        // The error names an option, never its value.
        OpenError(format!(
            "the database URL is not one that PostgreSQL's clients read: {e}"
        ))
    })?;
    let session = match config.get_options() {
        Some(given) => format!("{session} {given}"),
        None => session.to_owned(),
    };
    config.options(session);
    config.connect_timeout(CONNECT_TIMEOUT);
    config.tcp_user_timeout(LINK_TIMEOUT);
    config.keepalives_idle(LINK_TIMEOUT);
    config.keepalives_interval(Duration::from_secs(1));
    config.keepalives_retries(3);
    if config.get_application_name().is_none() {
        config.application_name("guildhall");
    }
    let tls = tls::connector(
        config.get_ssl_mode() == SslMode::Require,
        root_certificate.as_deref(),
    )?;
    Ok((config, tls))
}

/// Whether the database can compress in this way.
async fn has_lz4(client: &tokio_postgres::Client) -> Result<bool, OpenError> {
    let found = client.query_opt(HAS_LZ4, &[]).await;
    let found =
        found.map_err(|e| OpenError(format!("PostgreSQL: cannot read its settings: {}", words(&e))))?;
    Ok(found.is_some())
}

/// Warns, loudly, where the server may lose what it has acknowledged: its settings are its owner's.
async fn check_settings(client: &tokio_postgres::Client) -> Result<(), OpenError> {
    for name in ["fsync", "full_page_writes", "synchronous_commit"] {
        let row = client
            .query_one("SELECT current_setting($1)", &[&name])
            .await
            .map_err(|e| OpenError(format!("PostgreSQL: cannot read its settings: {e}")))?;
        let value: String = row
            .try_get(0)
            .map_err(|e| OpenError(format!("PostgreSQL: {name}: {e}")))?;
        if value == "off" {
            tracing::warn!(
                setting = name,
                "PostgreSQL runs with {name} = off: it may lose writes that Guildhall has acknowledged"
            );
        }
    }
    Ok(())
}

/// An error with its causes, for the log. Some wrappers say what their cause says: once is enough.
pub(crate) fn words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_words = cause.to_string();
        if !words.ends_with(&cause_words) {
            words.push_str(": ");
            words.push_str(&cause_words);
        }
        source = cause.source();
    }
    words
}
