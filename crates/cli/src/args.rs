//! The command line. Doc comments are the help texts; every option has an environment variable.

use std::net::SocketAddr;
use std::time::Duration;

use clap::builder::{BoolishValueParser, PossibleValuesParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use guildhall_domain::connector::{EqualSequence, Rates};
use guildhall_domain::{PhoneFormat, Role, Scope, text};
use guildhall_http::{ExperimentalHeader, OrganizationManagement};
use guildhall_service::Lifetime;

/// The self-hosted home of a company's customer organizations.
///
/// It speaks the wire format of Atlassian's Customer Service Management REST API. Try it:
/// `guildhall serve --demo`.
#[derive(Parser)]
#[command(name = "guildhall", version, max_term_width = 100)]
pub struct Guildhall {
    /// Where the data is kept: sqlite:PATH, or postgres://USER@HOST/NAME. Migrated when old; `serve` and
    /// `tenant create` make SQLite's file when it is missing.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "GUILDHALL_DATABASE",
        hide_env_values = true,
        default_value = "sqlite:guildhall.db"
    )]
    pub database: String,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Run the server until SIGTERM or SIGINT; a second signal ends it at once.
    Serve(Box<Serve>),
    /// Make and list tenants: the sites whose data is kept apart.
    Tenant {
        #[command(subcommand)]
        command: Tenant,
    },
    /// Make, list and revoke access tokens.
    Token {
        #[command(subcommand)]
        command: Token,
    },
    /// Make, list and delete connections: what the data of connectors belongs to.
    Connection {
        #[command(subcommand)]
        command: Connection,
    },
    /// Copy all data of one database into another, empty one: from SQLite to PostgreSQL or back.
    /// Stop the servers of both first. An interrupted copy goes on where it was when it is run again.
    Copy {
        /// The database to copy from.
        #[arg(long, value_name = "URL", env = "GUILDHALL_FROM", hide_env_values = true)]
        from: String,
        /// The database to copy into: empty, or half filled by an earlier copy.
        #[arg(long, value_name = "URL", env = "GUILDHALL_TO", hide_env_values = true)]
        to: String,
    },
    /// Print the OpenAPI document of the server.
    Openapi,
}

/// The options of `serve`.
#[derive(Args)]
pub struct Serve {
    /// The IP address and port to listen on; port 0 picks a free one.
    #[arg(
        long,
        value_name = "ADDR",
        value_parser = address,
        env = "GUILDHALL_LISTEN",
        default_value = "127.0.0.1:8080"
    )]
    pub listen: SocketAddr,
    /// Make a tenant with sample data and an admin token when the database has no tenant yet, and
    /// print how to use it.
    #[arg(long, env = "GUILDHALL_DEMO", value_parser = BoolishValueParser::new())]
    pub demo: bool,
    /// Who may create and update organizations.
    #[arg(
        long,
        value_enum,
        env = "GUILDHALL_ORGANIZATION_MANAGEMENT",
        default_value = "users"
    )]
    pub organization_management: OrganizationManagementArg,
    /// Which operations ask for the header X-ExperimentalApi: opt-in: those of the documents that
    /// Guildhall was built from, those of the newest documents, or none.
    #[arg(
        long,
        value_enum,
        env = "GUILDHALL_EXPERIMENTAL_HEADER",
        default_value = "seed"
    )]
    pub experimental_header: ExperimentalHeaderArg,
    /// Which phone numbers PHONE fields take.
    #[arg(long, value_enum, env = "GUILDHALL_PHONE_FORMAT", default_value = "lenient")]
    pub phone_format: PhoneFormatArg,
    /// What a connector's write does where its sequence number is that of what is stored. Replace is for
    /// connectors that send everything with one constant number.
    #[arg(long, value_enum, env = "GUILDHALL_EQUAL_SEQUENCE", default_value = "keep")]
    pub equal_sequence: EqualSequenceArg,
    /// How much a connector may do in a minute: off, vendor, or limits such as vendor,setObjects=3000.
    /// What is more is refused with 429. Each server counts for itself, for each token.
    #[arg(
        long,
        value_name = "LIMITS",
        value_parser = Rates::parse,
        env = "GUILDHALL_CONNECTOR_LIMITS",
        default_value = "off"
    )]
    pub connector_limits: Rates,
    /// How many unfinished tasks a tenant may have; one more is refused.
    #[arg(
        long,
        value_name = "COUNT",
        value_parser = clap::value_parser!(i64).range(1..=10_000),
        env = "GUILDHALL_MAX_ACTIVE_TASKS",
        default_value = "10"
    )]
    pub max_active_tasks: i64,
    /// How long the results of a task are kept after it ended.
    #[arg(long, value_name = "TIME", value_parser = long_duration, env = "GUILDHALL_TASK_RETENTION", default_value = "72h")]
    pub task_retention: Duration,
    /// How old an unfinished task may become before it is ended as failed.
    #[arg(long, value_name = "TIME", value_parser = long_duration, env = "GUILDHALL_TASK_TIMEOUT", default_value = "30m")]
    pub task_timeout: Duration,
    /// How long a client may take for the head of a request.
    #[arg(long, value_name = "TIME", value_parser = duration, env = "GUILDHALL_HEADER_TIMEOUT", default_value = "10s")]
    pub header_timeout: Duration,
    /// How long a client may pause within a body.
    #[arg(long, value_name = "TIME", value_parser = duration, env = "GUILDHALL_BODY_TIMEOUT", default_value = "30s")]
    pub body_timeout: Duration,
    /// How long a connection may stay open between two requests.
    #[arg(long, value_name = "TIME", value_parser = duration, env = "GUILDHALL_IDLE_TIMEOUT", default_value = "60s")]
    pub idle_timeout: Duration,
    /// How much memory, in MiB, answers that were given may take, packed, to be given again; up to 20 more
    /// hold some as they are. 0 keeps none; at most 1048576. Without it a sixteenth of the memory that there is, from
    /// 64 to 1024.
    #[arg(
        long,
        value_name = "MIB",
        value_parser = clap::value_parser!(u32).range(..=1_048_576),
        env = "GUILDHALL_ANSWER_CACHE"
    )]
    pub answer_cache: Option<u32>,
    /// What is logged: error, warn, info (refused and failed requests too) or debug (every request).
    #[arg(
        long,
        value_name = "LEVEL",
        value_parser = PossibleValuesParser::new(["error", "warn", "info", "debug"]),
        env = "GUILDHALL_LOG",
        default_value = "info"
    )]
    pub log: String,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum OrganizationManagementArg {
    Users,
    Admins,
}

impl From<OrganizationManagementArg> for OrganizationManagement {
    fn from(arg: OrganizationManagementArg) -> Self {
        match arg {
            OrganizationManagementArg::Users => Self::Users,
            OrganizationManagementArg::Admins => Self::Admins,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub enum ExperimentalHeaderArg {
    Seed,
    Newest,
    Never,
}

impl From<ExperimentalHeaderArg> for ExperimentalHeader {
    fn from(arg: ExperimentalHeaderArg) -> Self {
        match arg {
            ExperimentalHeaderArg::Seed => Self::Seed,
            ExperimentalHeaderArg::Newest => Self::Newest,
            ExperimentalHeaderArg::Never => Self::Never,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub enum PhoneFormatArg {
    /// 3 to 20 digits with the usual punctuation.
    Lenient,
    /// A plus sign and digits only.
    E164,
}

impl From<PhoneFormatArg> for PhoneFormat {
    fn from(arg: PhoneFormatArg) -> Self {
        match arg {
            PhoneFormatArg::Lenient => Self::Lenient,
            PhoneFormatArg::E164 => Self::E164,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub enum EqualSequenceArg {
    /// Nothing: only a greater number is more recent.
    Keep,
    /// It replaces what is stored.
    Replace,
}

impl From<EqualSequenceArg> for EqualSequence {
    fn from(arg: EqualSequenceArg) -> Self {
        match arg {
            EqualSequenceArg::Keep => Self::Keep,
            EqualSequenceArg::Replace => Self::Replace,
        }
    }
}

#[derive(Subcommand)]
pub enum Connection {
    /// Make a connection and print its id.
    Create {
        /// The cloudId of the tenant it belongs to.
        #[arg(long, value_name = "CLOUDID", env = "GUILDHALL_TENANT")]
        tenant: String,
        /// What you call it.
        #[arg(long, env = "GUILDHALL_NAME")]
        name: String,
    },
    /// Print one line a connection: id, name, created.
    List {
        /// The cloudId of the tenant.
        #[arg(long, value_name = "CLOUDID", env = "GUILDHALL_TENANT")]
        tenant: String,
        /// Print a JSON array instead.
        #[arg(long, env = "GUILDHALL_JSON", value_parser = BoolishValueParser::new())]
        json: bool,
    },
    /// Delete a connection with all its data.
    Delete {
        /// The cloudId of the tenant.
        #[arg(long, value_name = "CLOUDID", env = "GUILDHALL_TENANT")]
        tenant: String,
        /// The id of the connection, as `connection list` prints it.
        id: String,
    },
}

#[derive(Subcommand)]
pub enum Tenant {
    /// Make a tenant and print its cloudId.
    Create {
        /// What you call it.
        #[arg(long, env = "GUILDHALL_NAME")]
        name: String,
        /// Its id, a UUID; a new one when absent.
        #[arg(long, value_name = "UUID", env = "GUILDHALL_CLOUD_ID")]
        cloud_id: Option<String>,
    },
    /// Print one line a tenant: cloudId, name.
    List {
        /// Print a JSON array instead.
        #[arg(long, env = "GUILDHALL_JSON", value_parser = BoolishValueParser::new())]
        json: bool,
    },
}

#[derive(Subcommand)]
pub enum Token {
    /// Make a token and print it: the only time that it can be read.
    Create {
        /// The cloudId of the tenant it belongs to.
        #[arg(long, value_name = "CLOUDID", env = "GUILDHALL_TENANT")]
        tenant: String,
        /// What you call it.
        #[arg(long, env = "GUILDHALL_NAME")]
        name: String,
        /// What it may do at most.
        #[arg(long, value_parser = role, value_name = "admin|agent|user", env = "GUILDHALL_ROLE")]
        role: Role,
        /// A scope it has; may be given several times. Absent: all scopes that the role may use.
        #[arg(long, value_parser = scope, env = "GUILDHALL_SCOPE", value_delimiter = ' ')]
        scope: Vec<Scope>,
        /// The account it stands for.
        #[arg(long, value_name = "ID", env = "GUILDHALL_ACCOUNT")]
        account: Option<String>,
        /// How long it lives, such as 90d, 12h or 30m; at most 365d.
        #[arg(long, value_name = "TIME", env = "GUILDHALL_EXPIRES", default_value = "90d")]
        expires: Lifetime,
    },
    /// Print one line a token: id, name, role, scopes, created, last used, expiry. Never the secret.
    List {
        /// The cloudId of the tenant.
        #[arg(long, value_name = "CLOUDID", env = "GUILDHALL_TENANT")]
        tenant: String,
        /// Print a JSON array instead.
        #[arg(long, env = "GUILDHALL_JSON", value_parser = BoolishValueParser::new())]
        json: bool,
    },
    /// Revoke a token; every server refuses it within a second.
    Revoke {
        /// The cloudId of the tenant.
        #[arg(long, value_name = "CLOUDID", env = "GUILDHALL_TENANT")]
        tenant: String,
        /// The id of the token, as `token list` prints it.
        id: String,
    },
}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "must be admin, agent or user".to_owned())
}

fn scope(name: &str) -> Result<Scope, String> {
    Scope::parse(name).ok_or_else(|| {
        let names = Scope::ALL.iter().map(|scope| scope.name());
        match text::closest(name, names.clone()) {
            Some(near) => format!("is no scope. Did you mean {near}?"),
            None => format!(
                "is no scope. The scopes are {}",
                names.collect::<Vec<_>>().join(", ")
            ),
        }
    })
}

/// `127.0.0.1:8080` or `[::1]:8080`.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "must be an IP address and a port, such as 127.0.0.1:8080, 0.0.0.0:8080 or [::1]:8080".to_owned()
    })
}

/// `500ms`, `10s` or `5m`; more than nothing and at most a day.
fn duration(text: &str) -> Result<Duration, String> {
    up_to(text, Duration::from_secs(24 * 60 * 60), "24h")
}

/// The same, at most a year.
fn long_duration(text: &str) -> Result<Duration, String> {
    up_to(text, Duration::from_secs(365 * 24 * 60 * 60), "365d")
}

fn up_to(text: &str, max: Duration, max_text: &str) -> Result<Duration, String> {
    let wrong = || "must be a time such as 500ms, 10s, 5m or 72h".to_owned();
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let count: u64 = digits.parse().map_err(|_| wrong())?;
    let milliseconds = match &text[digits.len()..] {
        "ms" => count,
        "s" => count.saturating_mul(1_000),
        "m" => count.saturating_mul(60_000),
        "h" => count.saturating_mul(3_600_000),
        "d" => count.saturating_mul(86_400_000),
        _ => return Err(wrong()),
    };
    let duration = Duration::from_millis(milliseconds);
    match duration.is_zero() || duration > max {
        false => Ok(duration),
        true => Err(format!("must be more than nothing and at most {max_text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Guildhall::command().debug_assert();
    }

    #[test]
    fn durations() {
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        for wrong in ["", "s", "10", "-1s", "0s", "25h", "1.5s", "99999999999999999999s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses() {
        assert_eq!(
            address("[::1]:0"),
            Ok(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 0)))
        );
        for wrong in ["", "8080", ":8080", "localhost:8080", "127.0.0.1"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }

    /// Every option of every command can come from the environment, named after it.
    #[test]
    fn every_option_has_its_variable() {
        fn check(command: &clap::Command) {
            for arg in command.get_arguments().filter(|arg| arg.get_long().is_some()) {
                let long = arg.get_long().unwrap_or_default();
                if ["help", "version"].contains(&long) {
                    continue;
                }
                let wanted = format!("GUILDHALL_{}", long.replace('-', "_").to_uppercase());
                let found = arg.get_env().and_then(|name| name.to_str());
                assert_eq!(found, Some(wanted.as_str()), "{} --{long}", command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Guildhall::command());
    }
}
