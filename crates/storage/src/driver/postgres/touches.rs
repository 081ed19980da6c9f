//! What other servers change, so that answers can be kept here too.
//!
//! A transaction that changes what answers are made of says so in a row of the table `touch`, with its own number. A
//! server that wants to give a kept answer looks first, by one short statement for all that want to at that moment: which of
//! these transactions does this snapshot see, and the one of the look before did not? What they touched gets a new
//! version. The look began after the request came, so whatever was acknowledged before the request is seen.
//!
//! An answer is kept under the version that was known *before* it was read: it is of that look's snapshot or a later one, and
//! a change between the two gives a new version at the next look.
//!
//! Rows are removed after some minutes. A server that has not looked for so long, that finds too many rows, or another
//! database, or the same one started anew or recovered from a crash, takes all that it keeps for out of date.
//!
//! The statements here are of all tenants, for tenants are what they tell of. They are PostgreSQL's alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use guildhall_domain::TenantId;
use tokio::sync::oneshot;

use super::{ANSWER_TIMEOUT, Connection, Postgres};
use crate::driver::{Param, Row};
use crate::error::StoreError;
use crate::versions::{Touched, Versions};

/// A transaction's row. It has a number when it writes, and this is a write.
const NOTE: &str = "INSERT INTO touch (tenant_id, xid, organizations) \
     VALUES ($1, CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT), $2)";
/// The snapshot, what tells this run of this database from all others, up to where rows were removed, and the rows of
/// transactions from a number on and of some before it. Servers have databases of one name one after the other, and
/// number transactions anew after a crash of one of their processes, which is no start.
const LOOK: &str = "SELECT CAST(pg_current_snapshot() AS TEXT), CONCAT(pg_postmaster_start_time(), ' ', \
         (SELECT oid FROM pg_database WHERE datname = current_database()), ' ', f.epoch), f.removed, \
     t.tenant_id, t.xid, t.organizations \
     FROM touch_floor f LEFT JOIN touch t ON t.xid >= $1 OR t.xid = ANY (CAST($2 AS BIGINT[])) WHERE f.id = 1 LIMIT $3";
/// A new epoch, where there is none.
const BEGIN_EPOCH: &str = "INSERT INTO touch_floor (id, epoch, removed, next, removed_at) \
     VALUES (1, CAST(gen_random_uuid() AS TEXT), 0, 0, now()) ON CONFLICT DO NOTHING";
/// Moves the floor, if it was not moved lately. A number that this database has not come to yet is of another one, whose
/// tables were restored here.
const RAISE: &str = "UPDATE touch_floor SET removed = LEAST(next, CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT)), \
     next = CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT), removed_at = now() \
     WHERE id = 1 AND removed_at < now() - INTERVAL '4 minutes'";
const REMOVE: &str = "DELETE FROM touch WHERE xid IN (SELECT xid FROM touch \
         WHERE xid < (SELECT removed FROM touch_floor WHERE id = 1) ORDER BY xid LIMIT $1)";
/// Rows with numbers that this database has not come to yet.
const REMOVE_FOREIGN: &str = "DELETE FROM touch WHERE xid IN (SELECT xid FROM touch \
         WHERE xid >= CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS TEXT) AS BIGINT) ORDER BY xid LIMIT $1)";
/// Transactions whose rows are removed at once.
const REMOVED_AT_ONCE: i64 = 10_000;
/// More rows than this in one look cost more than making all answers anew.
const ROWS_MAX: i64 = 4_096;

/// What a transaction has touched so far.
#[derive(Debug, Default)]
pub(super) struct Noted {
    tenants: BTreeMap<i64, OfTenant>,
}

#[derive(Debug, Default)]
struct OfTenant {
    organizations: BTreeSet<i64>,
    /// Nobody can have kept an answer about these.
    newcomers: BTreeSet<i64>,
    /// Anything of the tenant.
    all: bool,
}

impl Noted {
    pub(super) fn note(&mut self, tenant: TenantId, touched: Touched) {
        match touched {
            // Of customers nothing is kept here.
            Touched::Nothing | Touched::Customer(_) => {}
            Touched::NewOrganization(id) => drop(self.of(tenant).newcomers.insert(id)),
            Touched::Organization(id) => drop(self.of(tenant).organizations.insert(id)),
            Touched::Tenant => self.of(tenant).all = true,
        }
    }

    fn of(&mut self, tenant: TenantId) -> &mut OfTenant {
        self.tenants.entry(tenant.0).or_default()
    }

    /// The rows that say so: whose, and which organizations.
    fn rows(self) -> impl Iterator<Item = (i64, Option<String>)> {
        self.tenants.into_iter().filter_map(|(tenant, of)| {
            let known: Vec<i64> = of.organizations.difference(&of.newcomers).copied().collect();
            match (of.all, known.is_empty()) {
                (true, _) => Some((tenant, None)),
                (false, true) => None,
                // Numbers in brackets are JSON.
                (false, false) => Some((tenant, Some(format!("{known:?}")))),
            }
        })
    }
}

impl Connection {
    /// Says what the transaction touched, with what is sent next.
    pub(super) async fn tell(&mut self, noted: Noted) -> Result<(), StoreError> {
        for (tenant, organizations) in noted.rows() {
            let params = [Param::Int(tenant), Param::OptText(organizations.as_deref())];
            self.execute_later(NOTE, &params, true).await?;
        }
        Ok(())
    }
}

/// Which transactions had ended at some moment, as PostgreSQL says it: `xmin:xmax:` and those between that had not.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Snapshot {
    /// All below have ended.
    from: i64,
    /// None from here on has begun.
    to: i64,
    running: BTreeSet<i64>,
}

impl Snapshot {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let mut number = || parts.next()?.parse().ok();
        let (from, to) = (number()?, number()?);
        let running = parts.next()?.split(',').filter(|each| !each.is_empty());
        Some(Self {
            from,
            to,
            running: running.map(|each| each.parse().ok()).collect::<Option<_>>()?,
        })
    }

    fn sees(&self, transaction: i64) -> bool {
        transaction < self.from || (transaction < self.to && !self.running.contains(&transaction))
    }
}

/// Where the last look was taken.
#[derive(Clone, Debug)]
struct Last {
    /// What tells this run of this database from all others.
    run: String,
    snapshot: Snapshot,
}

/// The answer to a look.
struct Seen {
    run: String,
    snapshot: Snapshot,
    removed: i64,
    /// Whose, by which transaction, and which organizations.
    rows: Vec<(i64, i64, Option<String>)>,
    is_all: bool,
}

/// What is known of changes, by looking.
#[derive(Default)]
pub(super) struct Touches {
    versions: Versions,
    line: Mutex<Line>,
    /// Of the last look; one looks at a time.
    last: tokio::sync::Mutex<Option<Last>>,
}

#[derive(Default)]
struct Line {
    /// Those who came after the look under way began.
    waiting: Vec<oneshot::Sender<Result<(), StoreError>>>,
    is_looked: bool,
}

impl Touches {
    pub(super) fn versions(&self) -> &Versions {
        &self.versions
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives what was touched new versions, and says where the next look begins.
    fn take(&self, last: Option<&Last>, seen: Seen) -> Last {
        // Numbers of transactions only rise, but where a machine was set back to what it was before.
        let follows = |last: &&Last| {
            last.run == seen.run && seen.removed <= last.snapshot.from && last.snapshot.to <= seen.snapshot.to
        };
        let was = last.filter(follows);
        let touched = match (was, seen.is_all) {
            (Some(last), true) => touched(&last.snapshot, &seen.rows),
            _ => None,
        };
        match touched {
            Some(touched) if touched.is_empty() => {}
            Some(touched) => self.versions.begin(&touched).end(),
            None => self.versions.begin_all().end(),
        }
        Last {
            run: seen.run,
            snapshot: seen.snapshot,
        }
    }
}

/// What the rows say that a snapshot did not see; nothing where they cannot be read.
fn touched(before: &Snapshot, rows: &[(i64, i64, Option<String>)]) -> Option<Vec<(TenantId, Touched)>> {
    let mut touched = Vec::new();
    for (tenant, _, organizations) in rows.iter().filter(|(_, xid, _)| !before.sees(*xid)) {
        let tenant = TenantId(*tenant);
        match organizations {
            None => touched.push((tenant, Touched::Tenant)),
            Some(ids) => {
                let ids: Vec<i64> = serde_json::from_str(ids).ok()?;
                touched.extend(ids.into_iter().map(|id| (tenant, Touched::Organization(id))));
            }
        }
    }
    Some(touched)
}

impl Postgres {
    /// The versions, as they were at the last look; nothing over Citus, whose nodes show a commit one after the other.
    pub(crate) fn versions(&self) -> Option<&Versions> {
        self.touches.as_ref().map(Touches::versions)
    }

    /// Looks for what has changed: behind this, versions are those of now or later. Over Citus there are none.
    pub(crate) async fn look(self: &Arc<Self>) -> Result<(), StoreError> {
        let Some(touches) = &self.touches else {
            return Ok(());
        };
        let (sender, receiver) = oneshot::channel();
        let begins = {
            let mut line = touches.line();
            line.waiting.push(sender);
            !std::mem::replace(&mut line.is_looked, true)
        };
        if begins {
            // Of its own: a caller may leave, and others wait for the same look.
            tokio::spawn(run(Arc::clone(self)));
        }
        match tokio::time::timeout(ANSWER_TIMEOUT, receiver).await {
            Ok(Ok(looked)) => looked,
            Ok(Err(_)) => Err(StoreError::Failed("the look ended without an answer".into())),
            Err(_) => Err(StoreError::Unavailable("no answer in time".into())),
        }
    }

    async fn look_once(&self, touches: &Touches) -> Result<(), StoreError> {
        let mut last = touches.last.lock().await;
        // Not from the oldest that was running on: somebody's that never ends would have all rows since sent each time.
        let (from, running) = match &*last {
            Some(Last { snapshot, .. }) => (snapshot.to, list(&snapshot.running)),
            None => (i64::MAX, list(&BTreeSet::new())),
        };
        let mut connection = self.connection().await?;
        // A statement of its own, without a transaction: its snapshot is taken after it was sent.
        let params = [Param::Int(from), Param::Text(&running), Param::Int(ROWS_MAX)];
        let mut rows = connection.fetch(LOOK, &params).await?;
        if rows.is_empty() {
            connection.execute(BEGIN_EPOCH, &[]).await?;
            rows = connection.fetch(LOOK, &params).await?;
        }
        let seen = seen(&rows)?;
        *last = Some(touches.take(last.as_ref(), seen));
        Ok(())
    }

    /// Removes rows that are old enough, some of them; whether there may be more.
    pub(crate) async fn forget_touches(&self) -> Result<bool, StoreError> {
        if self.touches.is_none() {
            return Ok(false);
        }
        let mut connection = self.connection().await?;
        // Rows are written whether anybody looks or not.
        for sql in [BEGIN_EPOCH, RAISE] {
            connection.execute(sql, &[]).await?;
        }
        let mut more = false;
        for sql in [REMOVE, REMOVE_FOREIGN] {
            let rows = connection.execute(sql, &[Param::Int(REMOVED_AT_ONCE)]).await?;
            more |= rows >= REMOVED_AT_ONCE.unsigned_abs();
        }
        Ok(more)
    }
}

/// As PostgreSQL writes an array.
fn list(numbers: &BTreeSet<i64>) -> String {
    let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
    format!("{{{}}}", numbers.join(","))
}

fn seen(rows: &[tokio_postgres::Row]) -> Result<Seen, StoreError> {
    let unreadable = || StoreError::inconsistent("a look at what was touched has no answer");
    let first = Row::Postgres(rows.first().ok_or_else(unreadable)?);
    let mut seen = Seen {
        snapshot: Snapshot::parse(&first.text(0)?).ok_or_else(unreadable)?,
        run: first.text(1)?,
        removed: first.int(2)?,
        rows: Vec::new(),
        is_all: (rows.len() as u64) < ROWS_MAX.unsigned_abs(),
    };
    for row in rows.iter().map(Row::Postgres) {
        if let (Some(tenant), Some(xid)) = (row.opt_int(3)?, row.opt_int(4)?) {
            seen.rows.push((tenant, xid, row.opt_text(5)?));
        }
    }
    Ok(seen)
}

async fn run(postgres: Arc<Postgres>) {
    let Some(touches) = &postgres.touches else { return };
    let mut open = Looks(Some(touches));
    loop {
        // Those who are ready come first: the more of them wait for one look, the less it costs each.
        tokio::task::yield_now().await;
        let waiting = {
            let mut line = touches.line();
            let waiting = std::mem::take(&mut line.waiting);
            if waiting.is_empty() {
                line.is_looked = false;
                open.0 = None;
                return;
            }
            waiting
        };
        let looked = postgres.look_once(touches).await;
        for each in waiting {
            // A caller that has left does not listen any more.
            let _left = each.send(looked.clone());
        }
    }
}

/// Somebody looks. Should that end before its time, nobody waits for it any more.
struct Looks<'t>(Option<&'t Touches>);

impl Drop for Looks<'_> {
    fn drop(&mut self) {
        if let Some(touches) = self.0 {
            let mut line = touches.line();
            line.is_looked = false;
            line.waiting.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use guildhall_domain::{Entity, OrganizationId};

    use super::*;

    const ONE: TenantId = TenantId(1);

    #[test]
    fn a_snapshot_sees_what_had_ended() {
        let snapshot = Snapshot::parse("10:14:11,13").unwrap();
        let seen: Vec<i64> = (8..16).filter(|number| snapshot.sees(*number)).collect();
        assert_eq!(seen, [8, 9, 10, 12]);
        assert!(Snapshot::parse("7:7:").unwrap().running.is_empty());
        assert_eq!(
            [list(&snapshot.running), list(&BTreeSet::new())],
            ["{11,13}", "{}"]
        );
        for wrong in ["", "7", "7:8", "7:8:x", "x:8:", "7:x:"] {
            assert_eq!(Snapshot::parse(wrong), None, "{wrong}");
        }
    }

    /// What is known stays so from look to look of one run, unless rows are missing or numbers went back.
    #[test]
    fn a_look_that_does_not_follow_on_the_last_one_outdates_all() {
        let look = |run: &str, snapshot: &str, removed| Seen {
            run: run.to_owned(),
            snapshot: Snapshot::parse(snapshot).unwrap(),
            removed,
            rows: Vec::new(),
            is_all: true,
        };
        for (next, keeps) in [
            (look("a", "10:10:", 0), true),
            (look("a", "12:14:13", 10), true),
            (look("a", "12:14:13", 11), false),
            (look("b", "12:14:13", 0), false),
            (look("a", "9:9:", 0), false),
        ] {
            let touches = Touches::default();
            let last = touches.take(None, look("a", "10:10:", 0));
            let of = || {
                touches
                    .versions()
                    .of(ONE, Entity::Organization(OrganizationId(1)))
            };
            let before = of();
            let _last = touches.take(Some(&last), next);
            assert_eq!(of() == before, keeps);
        }
    }

    #[test]
    fn a_transaction_tells_of_what_others_may_have_kept() {
        let mut noted = Noted::default();
        for (tenant, touched) in [
            (1, Touched::Organization(7)),
            (1, Touched::NewOrganization(8)),
            (1, Touched::Organization(8)),
            (1, Touched::Organization(3)),
            (1, Touched::Organization(7)),
            (2, Touched::NewOrganization(1)),
            (2, Touched::Customer(1)),
            (3, Touched::Organization(1)),
            (3, Touched::Tenant),
            (4, Touched::Nothing),
        ] {
            noted.note(TenantId(tenant), touched);
        }
        let rows: Vec<_> = noted.rows().collect();
        assert_eq!(rows, [(1, Some("[3, 7]".to_owned())), (3, None)]);
        let rows: Vec<_> = rows.into_iter().map(|(tenant, ids)| (tenant, 5, ids)).collect();
        let before = Snapshot::parse("5:5:").unwrap();
        let organizations = [3, 7].map(|id| (ONE, Touched::Organization(id)));
        let told = [&organizations[..], &[(TenantId(3), Touched::Tenant)]].concat();
        assert_eq!(touched(&before, &rows), Some(told));
        let after = Snapshot::parse("6:6:").unwrap();
        assert_eq!(touched(&after, &rows), Some(Vec::new()));
        let broken = [(1, 5, Some("7".to_owned()))];
        assert_eq!(touched(&before, &broken), None);
    }
}
