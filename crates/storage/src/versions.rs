//! Versions: how an answer that was made earlier is known to be as good as a new one.
//!
//! Every commit has a number, and whatever it changes of a tenant's data gets that number before it is
//! committed: the organizations and customers that it touches, or the tenant, when it may touch anything.
//! So the version of a thing is the number of the last commit that changed it, and a thing whose number is
//! that of a commit still under way has none. Numbers stand in tables of fixed size, shared by all whose
//! hash is the same: two that share one outdate each other needlessly, and memory is bounded.
//!
//! Where one process makes all the changes, as the server on an SQLite file does, its commits are the numbers. On PostgreSQL,
//! where other servers write too, each look at what they changed is one: see [`crate::Store::version_now`].

use std::sync::atomic::{AtomicU64, Ordering};

use guildhall_domain::{Entity, OrganizationId, TenantId};

/// Powers of two: two megabytes for organizations, of which answers are kept, half a one for customers, and twice 8 KiB
/// for tenants. What shares a place with something that is written is outdated needlessly: of a million kept answers four by
/// each write.
const ORGANIZATIONS: usize = 1 << 18;
const CUSTOMERS: usize = 1 << 16;
const TENANTS: usize = 1 << 10;

/// What a statement changes of what answers are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touched {
    /// Nothing that an answer with a version shows.
    Nothing,
    /// An organization that was not there before, under an id that was never used.
    NewOrganization(i64),
    /// One organization: its name, values, members or entitlements.
    Organization(i64),
    /// One customer: its names, email, values or new entitlements.
    Customer(i64),
    /// Anything of the tenant.
    Tenant,
}

/// A version of one organization or customer: the number of the last commit that changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(u64);

/// For whom room is dear. Two versions of a thing are the same where their numbers are.
impl From<Version> for u64 {
    fn from(Version(number): Version) -> Self {
        number
    }
}

/// How many commits had ended at some moment. A snapshot that was taken later has them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment(u64);

/// All versions of a database.
pub(crate) struct Versions {
    ended: AtomicU64,
    /// Of what may have changed anything of a tenant.
    tenants: Box<[AtomicU64]>,
    /// Of what has changed something of a tenant, whatever it was.
    contents: Box<[AtomicU64]>,
    organizations: Box<[AtomicU64]>,
    customers: Box<[AtomicU64]>,
}

impl Default for Versions {
    fn default() -> Self {
        let zeros = |count| (0..count).map(|_| AtomicU64::new(0)).collect();
        Self {
            ended: AtomicU64::new(0),
            tenants: zeros(TENANTS),
            contents: zeros(TENANTS),
            organizations: zeros(ORGANIZATIONS),
            customers: zeros(CUSTOMERS),
        }
    }
}

impl Versions {
    /// Now, for a snapshot that is taken next.
    pub(crate) fn now(&self) -> Moment {
        Moment(self.ended.load(Ordering::Acquire))
    }

    /// The version of a thing in a snapshot that was taken at this moment or later; `None` where a commit
    /// that had not ended then has changed it, or is about to.
    pub(crate) fn at(&self, moment: Moment, tenant: TenantId, thing: Entity) -> Option<Version> {
        let thing = match thing {
            Entity::Organization(OrganizationId(id)) => {
                &self.organizations[place(tenant.0, id, ORGANIZATIONS)]
            }
            Entity::Customer(number) => &self.customers[place(tenant.0, number, CUSTOMERS)],
        };
        let tenant = self.tenant(tenant).load(Ordering::Acquire);
        let version = thing.load(Ordering::Acquire).max(tenant);
        (version <= moment.0).then_some(Version(version))
    }

    /// Likewise, the version of what the whole tenant shares: it changes with whatever may change anything of the tenant, as
    /// definitions of fields do, and not with the things that [`Touched`] names.
    pub(crate) fn tenant_at(&self, moment: Moment, tenant: TenantId) -> Option<Version> {
        let version = self.tenant(tenant).load(Ordering::Acquire);
        (version <= moment.0).then_some(Version(version))
    }

    /// The version of all organizations and customers of the tenant together now: it changes with each commit that touches
    /// anything. `None` while such a commit is under way.
    pub(crate) fn contents(&self, tenant: TenantId) -> Option<Version> {
        let now = self.now();
        let version = self.contents[tenant_place(tenant)].load(Ordering::Acquire);
        (version <= now.0).then_some(Version(version))
    }

    /// The version of a thing now.
    pub(crate) fn of(&self, tenant: TenantId, thing: Entity) -> Option<Version> {
        self.at(self.now(), tenant, thing)
    }

    /// A commit that changes this is about to begin. There is one at a time.
    pub(crate) fn begin(&self, touched: &[(TenantId, Touched)]) -> Commit<'_> {
        let number = self.ended.load(Ordering::Acquire) + 1;
        for (tenant, touched) in touched {
            let place = match touched {
                Touched::Nothing => continue,
                Touched::NewOrganization(id) | Touched::Organization(id) => {
                    &self.organizations[place(tenant.0, *id, ORGANIZATIONS)]
                }
                Touched::Customer(number) => &self.customers[place(tenant.0, *number, CUSTOMERS)],
                Touched::Tenant => self.tenant(*tenant),
            };
            self.contents[tenant_place(*tenant)].store(number, Ordering::SeqCst);
            place.store(number, Ordering::SeqCst);
        }
        Commit {
            versions: self,
            number,
        }
    }

    /// Likewise, one that may change anything of any tenant.
    pub(crate) fn begin_all(&self) -> Commit<'_> {
        let number = self.ended.load(Ordering::Acquire) + 1;
        for tenant in self.tenants.iter().chain(&self.contents) {
            tenant.store(number, Ordering::SeqCst);
        }
        Commit {
            versions: self,
            number,
        }
    }

    fn tenant(&self, tenant: TenantId) -> &AtomicU64 {
        &self.tenants[tenant_place(tenant)]
    }
}

/// A commit under way.
#[must_use]
pub(crate) struct Commit<'v> {
    versions: &'v Versions,
    number: u64,
}

impl Commit<'_> {
    /// It has ended, well or not: what it changed is seen by all who read from now on.
    pub(crate) fn end(self) {
        self.versions.ended.store(self.number, Ordering::SeqCst);
    }
}

fn tenant_place(tenant: TenantId) -> usize {
    place(tenant.0, 0, TENANTS)
}

/// A place among `count`, a power of two: the highest bits of a product, which all bits have a part in.
fn place(tenant: i64, id: i64, count: usize) -> usize {
    let mixed =
        (tenant.cast_unsigned().rotate_left(32) ^ id.cast_unsigned()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> (u64::BITS - count.trailing_zeros())) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: TenantId = TenantId(1);
    const TWO: TenantId = TenantId(2);
    const A: Entity = Entity::Organization(OrganizationId(1));
    const B: Entity = Entity::Organization(OrganizationId(2));
    const C: Entity = Entity::Customer(1);

    #[test]
    fn what_is_touched_gets_a_new_version_and_nothing_else_does() {
        let versions = Versions::default();
        let all = || [(ONE, A), (ONE, B), (ONE, C), (TWO, A), (TWO, C)].map(|(t, e)| versions.of(t, e));
        let before = all();
        let touched = |touched: &[_]| {
            versions.begin(touched).end();
            all()
        };
        let changed = |before: [Option<Version>; 5], after: [Option<Version>; 5]| {
            std::array::from_fn(|at| before[at] != after[at])
        };
        assert_eq!(touched(&[(ONE, Touched::Nothing)]), before);
        let after = touched(&[(ONE, Touched::Organization(1))]);
        assert_eq!(changed(before, after), [true, false, false, false, false]);
        let later = touched(&[(ONE, Touched::Customer(1))]);
        assert_eq!(changed(after, later), [false, false, true, false, false]);
        let last = touched(&[(ONE, Touched::Tenant)]);
        assert_eq!(changed(later, last), [true, true, true, false, false]);
        assert!(last.iter().all(Option::is_some));
        versions.begin_all().end();
        assert_eq!(changed(last, all()), [true; 5]);
        assert!(all().iter().all(Option::is_some));
    }

    #[test]
    fn what_a_commit_under_way_changes_has_no_version() {
        let versions = Versions::default();
        let before = versions.of(ONE, A);
        let commit = versions.begin(&[(ONE, Touched::Organization(1))]);
        assert_eq!((versions.of(ONE, A), versions.of(ONE, B)), (None, before));
        commit.end();
        assert_ne!((versions.of(ONE, A), None), (before, versions.of(ONE, A)));
    }

    #[test]
    fn a_snapshot_has_the_version_of_nothing_that_changed_after_it() {
        let versions = Versions::default();
        let moment = versions.now();
        let before = versions.of(ONE, B);
        versions.begin(&[(ONE, Touched::Organization(1))]).end();
        assert_eq!(versions.at(moment, ONE, A), None);
        assert_eq!(versions.at(moment, ONE, B), before);
        assert_eq!(versions.at(versions.now(), ONE, A), versions.of(ONE, A));
        assert!(versions.of(ONE, A).is_some());

        let (moment, before) = (versions.now(), versions.tenant_at(versions.now(), ONE));
        versions.begin(&[(ONE, Touched::Organization(1))]).end();
        assert_eq!(versions.tenant_at(versions.now(), ONE), before);
        let commit = versions.begin(&[(ONE, Touched::Tenant)]);
        assert_eq!(versions.tenant_at(versions.now(), ONE), None);
        commit.end();
        assert_eq!(versions.tenant_at(moment, ONE), None);
        let after = versions.tenant_at(versions.now(), ONE);
        assert!(before.is_some() && after.is_some() && before != after);
    }

    #[test]
    fn the_contents_of_a_tenant_have_a_new_version_with_whatever_is_touched() {
        let versions = Versions::default();
        let all = || [versions.contents(ONE), versions.contents(TWO)];
        let mut before = all();
        for touched in [
            Touched::NewOrganization(1),
            Touched::Organization(1),
            Touched::Customer(1),
            Touched::Tenant,
        ] {
            let commit = versions.begin(&[(ONE, touched)]);
            assert_eq!(all(), [None, before[1]], "{touched:?}");
            commit.end();
            let after = all();
            assert!(after[0].is_some() && after[0] != before[0], "{touched:?}");
            assert_eq!(after[1], before[1], "{touched:?}");
            before = after;
        }
        versions.begin(&[(ONE, Touched::Nothing)]).end();
        assert_eq!(all(), before);
        let commit = versions.begin_all();
        assert_eq!(all(), [None, None]);
        commit.end();
        assert!(all()[0] != before[0] && all()[1] != before[1]);
    }

    #[test]
    fn organizations_in_a_row_have_places_of_their_own() {
        let places: std::collections::HashSet<usize> =
            (0..10_000).map(|id| place(7, id, CUSTOMERS)).collect();
        assert!(places.len() > 9_000, "{}", places.len());
    }
}
