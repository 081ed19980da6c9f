//! Why a request is refused. A rejection carries data and prints a message fit for a stranger:
//! what is wrong, where, with which value, and what would be right. It never holds SQL, a path of
//! the machine, or another tenant's data. Status codes are `guildhall_http`'s business.

use std::fmt;
use std::time::Duration;

/// The kinds of thing that a request can name and that may not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A customer organization.
    Organization,
    /// A customer, whatever the account behind it.
    Customer,
    /// A customer as a member of an organization.
    Member,
    /// A product.
    Product,
    /// An entitlement of a customer or an organization.
    Entitlement,
    /// A detail field definition.
    DetailField,
    /// A bulk task.
    Task,
    /// An access token.
    Token,
    /// A connection of a connector.
    Connection,
    /// An object that a connector sent.
    Object,
    /// A user that a connector sent.
    User,
    /// A group that a connector sent.
    Group,
}

impl Thing {
    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Customer => "customer",
            Self::Member => "member",
            Self::Product => "product",
            Self::Entitlement => "entitlement",
            Self::DetailField => "detail field",
            Self::Task => "task",
            Self::Token => "token",
            Self::Connection => "connection",
            Self::Object => "object",
            Self::User => "user",
            Self::Group => "group",
        }
    }
}

/// A request, or a part of one, is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Something in the request is wrong. `at` is a path such as
    /// `organizationProfiles[3].payload.details[0].values`, or empty for the request as a whole.
    Invalid {
        /// Where: member path, parameter or header name; may be empty.
        at: String,
        /// What is wrong, with which value, and what would be right.
        problem: String,
    },
    /// The thing that the request names does not exist (for this tenant).
    NotFound {
        /// What kind of thing.
        thing: Thing,
        /// The name or id as it was asked for.
        id: String,
        /// The closest name that does exist, where one is near.
        closest: Option<String>,
    },
    /// The thing is not there, or not for this caller: the same words whatever was asked for. They are
    /// the vendor's.
    NotThere(Thing),
    /// The operation is done on behalf of an account, and the token stands for none.
    NoAccount,
    /// The tenant does not exist, or is not the caller's: the same words for both.
    TenantNotFound,
    /// Too many unfinished tasks. The words are the vendor's.
    TooManyTasks,
    /// A connector does more in a minute than the site allows.
    TooFast {
        /// What it does.
        operation: &'static str,
        /// How much of it a minute takes.
        limit: i64,
        /// How long the minute goes on.
        wait: Duration,
    },
}

impl Rejection {
    /// A refusal of the value at `at`.
    pub fn invalid(at: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid {
            at: at.into(),
            problem: problem.into(),
        }
    }

    /// The named thing does not exist.
    pub fn not_found(thing: Thing, id: impl Into<String>) -> Self {
        Self::NotFound {
            thing,
            id: id.into(),
            closest: None,
        }
    }

    /// The same refusal with `prefix` before its path: `values` becomes `details[0].values`.
    #[must_use]
    pub fn inside(self, prefix: &str) -> Self {
        match self {
            Self::Invalid { at, problem } => {
                let at = match at.as_str() {
                    "" => prefix.to_owned(),
                    at if at.starts_with('[') => format!("{prefix}{at}"),
                    at => format!("{prefix}.{at}"),
                };
                Self::Invalid { at, problem }
            }
            other => other,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { at, problem } if at.is_empty() => f.write_str(problem),
            Self::Invalid { at, problem } => write!(f, "{at}: {problem}"),
            Self::NotFound { thing, id, closest } => {
                write!(f, "There is no {} {:?}", thing.name(), Excerpt(id))?;
                match closest {
                    Some(closest) => write!(f, ". Did you mean {closest:?}?"),
                    None => Ok(()),
                }
            }
            Self::NotThere(Thing::Object) => f.write_str("Object not found"),
            Self::NotThere(Thing::User) => f.write_str("User not found"),
            Self::NotThere(Thing::Group) => f.write_str("Group not found"),
            Self::NotThere(thing) => write!(f, "{} not found", thing.name()),
            Self::NoAccount => f.write_str(
                "This is read on behalf of an account, and the token stands for none: make one with guildhall token \
                 create --account",
            ),
            Self::TenantNotFound => f.write_str("There is no such tenant"),
            Self::TooManyTasks => f.write_str("Maximum number of tasks reached"),
            Self::TooFast { operation, limit, .. } => {
                write!(f, "{operation}: more than {limit} in a minute; nothing was done")
            }
        }
    }
}

impl std::error::Error for Rejection {}

/// A value from a request as messages show it: its first characters, so that a message stays short.
pub struct Excerpt<'a>(pub &'a str);

impl fmt::Debug for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 60;
        match self.0.char_indices().nth(SHOWN) {
            None => write!(f, "{:?}", self.0),
            Some((end, _)) => write!(f, "{:?}…", &self.0[..end]),
        }
    }
}
