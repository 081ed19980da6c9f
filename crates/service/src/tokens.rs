//! Access tokens: making, listing, revoking, and recognising them.
//!
//! A token is 256 random bits, so a fast hash keeps it. Recognising one on the hot path touches no
//! database: what was found is remembered for half a second, so that a revocation, by whichever
//! process, is seen within a second.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use guildhall_domain::access::{looks_like_token, token_from, token_hash};
use guildhall_domain::digest::hex;
use guildhall_domain::{Caller, Rejection, Role, Scope, ScopeSet, TenantId, Thing, Timestamp, limits, text};
use guildhall_storage::{StoreError, TokenRow};
use subtle::ConstantTimeEq;

use crate::{Error, Service};

/// How long what was found out about a token is believed.
const REMEMBERED: Duration = Duration::from_millis(500);
/// Tokens remembered at most.
const REMEMBERED_MAX: usize = 10_000;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// How long a token lives: `90d`, `12h`, `30m`; at most 365 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    milliseconds: i64,
}

impl Default for Lifetime {
    fn default() -> Self {
        Self {
            milliseconds: limits::TOKEN_DAYS_DEFAULT * DAY_MS,
        }
    }
}

impl std::str::FromStr for Lifetime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a time such as 90d, 12h or 30m");
        let unit = match text.chars().last() {
            Some('d') => DAY_MS,
            Some('h') => 60 * 60 * 1000,
            Some('m') => 60 * 1000,
            Some('s') => 1000,
            _ => return Err(wrong()),
        };
        let count: i64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
        let milliseconds = count.checked_mul(unit).filter(|ms| *ms > 0).ok_or_else(wrong)?;
        if milliseconds > limits::TOKEN_DAYS_MAX * DAY_MS {
            return Err(format!("a token lives at most {} days", limits::TOKEN_DAYS_MAX));
        }
        Ok(Self { milliseconds })
    }
}

/// What a new token shall be.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// What its maker calls it.
    pub name: String,
    /// What it may do at most.
    pub role: Role,
    /// What it may do of that; `None` is everything that the role may use.
    pub scopes: Option<Vec<Scope>>,
    /// The account it stands for.
    pub account: Option<String>,
    /// How long it lives.
    pub lifetime: Lifetime,
}

/// A token as lists show it: never the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    /// Its id, a UUID.
    pub id: String,
    /// What its maker calls it.
    pub name: String,
    /// The secret's last four characters.
    pub last4: String,
    /// The name of its role.
    pub role: String,
    /// The names of its scopes.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it stops working by itself.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A caller whose token was recognised.
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// Who calls, for which tenant, and what they may do.
    pub caller: Caller,
    /// The tenant's public id.
    pub cloud_id: String,
    hash: [u8; 32],
    expires_at: Timestamp,
}

/// By hash: when it was found out, and what.
type Known = HashMap<[u8; 32], (Duration, Arc<Authenticated>)>;

#[derive(Default)]
pub(crate) struct TokenCache {
    known: RwLock<Known>,
    used: Mutex<HashMap<(TenantId, String), Timestamp>>,
}

impl TokenCache {
    fn known(&self, hash: &[u8; 32], monotonic: Duration) -> Option<Arc<Authenticated>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let (at, found) = known.get(hash)?;
        (monotonic.saturating_sub(*at) < REMEMBERED).then(|| Arc::clone(found))
    }

    /// Whose token this was when it was last found out, however long ago that is.
    fn tenant(&self, hash: &[u8; 32]) -> Option<TenantId> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(hash).map(|(_, found)| found.caller.tenant)
    }

    fn remember(&self, hash: [u8; 32], monotonic: Duration, found: &Arc<Authenticated>, now: Timestamp) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(hash, (monotonic, Arc::clone(found)));
        drop(known);
        let place = (found.caller.tenant, found.caller.token_id.clone());
        self.used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(place, now);
    }

    fn forget(&self, hash: &[u8; 32]) {
        self.known
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(hash);
    }

    /// Puts uses back; those that came in the meantime are newer.
    pub(crate) fn put_used(&self, uses: impl Iterator<Item = ((TenantId, String), Timestamp)>) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        for (place, at) in uses {
            used.entry(place).or_insert(at);
        }
    }

    pub(crate) fn take_used(&self) -> HashMap<(TenantId, String), Timestamp> {
        std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Service {
    /// Makes a token and returns it with its id: the only time that it can be read.
    pub async fn create_token(&self, tenant: TenantId, new: NewToken) -> Result<(String, String), Error> {
        let (row, secret) = self.new_token(new)?;
        let row = TokenRow { tenant, ..row };
        let id = row.id.clone();
        self.store
            .write(tenant, async move |tx| {
                Ok::<_, Error>(tx.insert_token(&row).await?)
            })
            .await?;
        Ok((id, secret))
    }

    /// A token as it will be kept, of no tenant yet, and its secret.
    pub(crate) fn new_token(&self, new: NewToken) -> Result<(TokenRow, String), Rejection> {
        let name =
            text::name(&new.name, limits::NAME_CHARS_MAX).map_err(|e| Rejection::invalid("name", e))?;
        let scopes = new
            .scopes
            .map_or_else(|| ScopeSet::all_for(new.role), |list| list.into_iter().collect());
        let mut bytes = [0; 32];
        self.random.fill(&mut bytes);
        let secret = token_from(bytes);
        let now = self.now();
        let row = TokenRow {
            tenant: TenantId(0),
            cloud_id: String::new(),
            id: self.new_uuid(),
            hash: hex(&token_hash(&secret)),
            last4: secret[secret.len() - 4..].to_owned(),
            name,
            role: new.role.name().to_owned(),
            scopes: scopes.iter().map(Scope::name).collect::<Vec<_>>().join(" "),
            account: new.account,
            created_at: now,
            expires_at: Timestamp(now.0 + new.lifetime.milliseconds),
            last_used_at: None,
            revoked_at: None,
        };
        Ok((row, secret))
    }

    /// The tenant's tokens, oldest first, revoked ones included.
    pub async fn tokens(&self, tenant: TenantId) -> Result<Vec<TokenInfo>, Error> {
        let rows = self.store.read(tenant, async |tx| tx.tokens().await).await?;
        let info = |row: TokenRow| TokenInfo {
            id: row.id,
            name: row.name,
            last4: row.last4,
            role: row.role,
            scopes: row.scopes.split_whitespace().map(str::to_owned).collect(),
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
        };
        Ok(rows.into_iter().map(info).collect())
    }

    /// Revokes a token of the tenant. Doing it twice is not an error.
    pub async fn revoke_token(&self, tenant: TenantId, id: &str) -> Result<(), Error> {
        let now = self.now();
        let id = id.to_ascii_lowercase();
        self.store
            .write(tenant, async move |tx| match tx.revoke_token(&id, now).await? {
                true => Ok(()),
                false => Err(Rejection::not_found(Thing::Token, id).into()),
            })
            .await
    }

    /// Whose token this probably is, as far as that is known without asking the database. It says nothing about
    /// what the token may do, nor whether it is still good.
    pub fn probable_tenant(&self, token: &str) -> Option<TenantId> {
        looks_like_token(token)
            .then(|| token_hash(token))
            .and_then(|hash| self.tokens.tenant(&hash))
    }

    /// Whether this caller's token would be recognised as just this caller's now, without asking the database.
    pub fn still_recognises(&self, who: &Arc<Authenticated>) -> bool {
        let (now, monotonic) = (self.clock.now(), self.clock.monotonic());
        let known = self.tokens.known(&who.hash, monotonic);
        known.is_some_and(|known| Arc::ptr_eq(&known, who)) && now < who.expires_at
    }

    /// Who calls with this token; `None` when it is unknown, expired or revoked, which look alike.
    pub async fn authenticate(&self, token: &str) -> Result<Option<Arc<Authenticated>>, Error> {
        if !looks_like_token(token) {
            return Ok(None);
        }
        let hash = token_hash(token);
        let (now, monotonic) = (self.clock.now(), self.clock.monotonic());
        if let Some(found) = self.tokens.known(&hash, monotonic) {
            return Ok((now < found.expires_at).then_some(found));
        }
        let wanted = hex(&hash);
        // In memory of its own: of nearly all requests the token is known, and each would carry it.
        let read = self.store.system_read(async |tx| tx.token_by_hash(&wanted).await);
        let row = Box::pin(read).await?;
        let live = row
            .filter(|row| bool::from(row.hash.as_bytes().ct_eq(wanted.as_bytes())))
            .filter(|row| row.revoked_at.is_none() && now < row.expires_at);
        let Some(row) = live else {
            self.tokens.forget(&hash);
            return Ok(None);
        };
        let found = Arc::new(authenticated(row, hash)?);
        self.tokens.remember(found.hash, monotonic, &found, now);
        Ok(Some(found))
    }
}

fn authenticated(row: TokenRow, hash: [u8; 32]) -> Result<Authenticated, StoreError> {
    let impossible = |what: &str| StoreError::Inconsistent {
        what: format!("token.{what}"),
    };
    Ok(Authenticated {
        caller: Caller {
            tenant: row.tenant,
            token_id: row.id,
            role: Role::parse(&row.role).ok_or_else(|| impossible("role"))?,
            // A scope that this program does not know grants nothing.
            scopes: row.scopes.split_whitespace().filter_map(Scope::parse).collect(),
            account: row.account,
        },
        cloud_id: row.cloud_id,
        hash,
        expires_at: row.expires_at,
    })
}
