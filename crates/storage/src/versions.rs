//! Versions: how an answer that was made earlier is known to be as good as a new one.
//!
//! Whatever changes a tenant's data advances numbers: those of the organizations that it touches, or
//! the tenant's, when it may touch anything. Numbers stand in two tables of fixed size, shared by all
//! whose hash is the same: two that share one outdate each other needlessly, and memory is bounded.
//!
//! This is right only where one process makes all the changes, as the server on an SQLite file does:
//! see [`crate::Store::version`].

use std::sync::atomic::{AtomicU64, Ordering};

use guildhall_domain::{OrganizationId, TenantId};

/// Powers of two: half a megabyte for organizations, and 8 KiB for tenants.
const ORGANIZATIONS: usize = 1 << 16;
const TENANTS: usize = 1 << 10;

/// What a statement changes of what answers are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touched {
    /// Nothing that an answer with a version shows.
    Nothing,
    /// One organization: its name, values, members or entitlements.
    Organization(i64),
    /// Anything of the tenant.
    Tenant,
}

/// A version of one organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    tenant: u64,
    organization: u64,
}

/// All versions of a database.
pub(crate) struct Versions {
    tenants: Box<[AtomicU64]>,
    organizations: Box<[AtomicU64]>,
}

impl Default for Versions {
    fn default() -> Self {
        let zeros = |count| (0..count).map(|_| AtomicU64::new(0)).collect();
        Self {
            tenants: zeros(TENANTS),
            organizations: zeros(ORGANIZATIONS),
        }
    }
}

impl Versions {
    pub(crate) fn of(&self, tenant: TenantId, organization: OrganizationId) -> Version {
        Version {
            tenant: self.tenant(tenant).load(Ordering::Acquire),
            organization: self.organization(tenant, organization.0).load(Ordering::Acquire),
        }
    }

    pub(crate) fn advance(&self, touched: &[(TenantId, Touched)]) {
        for (tenant, touched) in touched {
            match touched {
                Touched::Nothing => continue,
                Touched::Organization(id) => self.organization(*tenant, *id),
                Touched::Tenant => self.tenant(*tenant),
            }
            .fetch_add(1, Ordering::AcqRel);
        }
    }

    fn tenant(&self, tenant: TenantId) -> &AtomicU64 {
        &self.tenants[place(tenant.0, 0, TENANTS)]
    }

    fn organization(&self, tenant: TenantId, id: i64) -> &AtomicU64 {
        &self.organizations[place(tenant.0, id, ORGANIZATIONS)]
    }
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

    #[test]
    fn what_is_touched_gets_a_new_version_and_nothing_else_does() {
        let versions = Versions::default();
        let (a, b) = (OrganizationId(1), OrganizationId(2));
        let before = [versions.of(ONE, a), versions.of(ONE, b), versions.of(TWO, a)];
        let touched = |touched: &[_]| {
            versions.advance(touched);
            [versions.of(ONE, a), versions.of(ONE, b), versions.of(TWO, a)]
        };
        assert_eq!(touched(&[(ONE, Touched::Nothing)]), before);
        let after = touched(&[(ONE, Touched::Organization(1))]);
        assert_ne!(after[0], before[0]);
        assert_eq!(after[1..], before[1..]);
        let last = touched(&[(ONE, Touched::Tenant)]);
        assert_ne!(last[0], after[0]);
        assert_ne!(last[1], after[1]);
        assert_eq!(last[2], after[2]);
    }

    #[test]
    fn organizations_in_a_row_have_places_of_their_own() {
        let places: std::collections::HashSet<usize> =
            (0..10_000).map(|id| place(7, id, ORGANIZATIONS)).collect();
        assert!(places.len() > 9_000, "{}", places.len());
    }
}
