//! Who is calling and what they may do: roles, scopes and access tokens. A role and a scope must
//! both allow a call (docs/api.md, "Who may call").

mod scope;
mod token;

pub use scope::{Scope, ScopeSet};
pub use token::{TOKEN_PREFIX, looks_like_token, token_from, token_hash};

use crate::TenantId;
use std::fmt;

/// What a caller is, by power: each may do all that those before it may (docs/api.md, "Who may call").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A user of Customer Service Management or Jira Service Management.
    User,
    /// A Jira Service Management agent.
    Agent,
    /// Has the global permission Administer Jira.
    Admin,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 3] = [Self::User, Self::Agent, Self::Admin];

    /// The name in commands and messages: `user`, `agent`, `admin`.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Agent => "agent",
            Self::Admin => "admin",
        }
    }

    /// The role of this name, written exactly so.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The owner of a valid token, on whose behalf a call is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The tenant that the token belongs to: all that the caller can see or change.
    pub tenant: TenantId,
    /// The id of the token, never the secret; fit for logs.
    pub token_id: String,
    /// What the caller is.
    pub role: Role,
    /// What the token was made for.
    pub scopes: ScopeSet,
    /// The account that the token stands for, where it was made with one.
    pub account: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ordered_by_power() {
        assert!(Role::Admin > Role::Agent && Role::Agent > Role::User);
        for role in Role::ALL {
            assert_eq!(Role::parse(&role.to_string()), Some(role));
        }
        assert_eq!((Role::parse("Admin"), Role::parse("")), (None, None));
    }
}
