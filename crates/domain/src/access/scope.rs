//! The scopes: the vendor's and three for connector ingestion, in one table (docs/api.md, "Who may
//! call"). The role beside a scope is the least one for which the "Index of operations" there has
//! a row with it.

use super::Role;
use std::fmt;

/// Declares [`Scope`], one line a scope: variant, name on the wire, least role.
macro_rules! scopes {
    ($($variant:ident $name:literal $role:ident;)*) => {
        /// One right that a token may carry.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Scope {
            $(#[doc = concat!("`", $name, "`, of use from the role ", stringify!($role), " on.")] $variant,)*
        }

        impl Scope {
            /// Every scope, in the order of the vendor's families.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The full name, as the vendor spells it: `read:organization:jira-service-management`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The scope of this full name, written exactly so.
            pub fn parse(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The least role that can use it in any operation.
            pub fn least_role(self) -> Role {
                match self {
                    $(Self::$variant => Role::$role,)*
                }
            }
        }
    };
}

// No row of the index names write:entitlement, read:entitlement.detail or write:task. They follow
// their nearest kin: the other entitlement scopes, and read:task.
scopes! {
    ReadOrganization "read:organization:jira-service-management" User;
    WriteOrganization "write:organization:jira-service-management" User;
    DeleteOrganization "delete:organization:jira-service-management" Admin;
    ReadOrganizationDetail "read:organization.detail:jira-service-management" Agent;
    WriteOrganizationDetail "write:organization.detail:jira-service-management" User;
    ReadOrganizationDetailField "read:organization.detail-field:jira-service-management" Admin;
    WriteOrganizationDetailField "write:organization.detail-field:jira-service-management" Admin;
    DeleteOrganizationDetailField "delete:organization.detail-field:jira-service-management" Admin;
    ReadOrganizationProfile "read:organization.profile:jira-service-management" User;
    WriteOrganizationProfile "write:organization.profile:jira-service-management" User;
    ReadOrganizationEntitlement "read:organization:entitlement:jira-service-management" Agent;
    WriteOrganizationEntitlement "write:organization:entitlement:jira-service-management" Agent;
    ReadCustomer "read:customer:jira-service-management" User;
    WriteCustomer "write:customer:jira-service-management" Admin;
    DeleteCustomer "delete:customer:jira-service-management" Admin;
    ReadCustomerDetail "read:customer.detail:jira-service-management" Agent;
    WriteCustomerDetail "write:customer.detail:jira-service-management" User;
    ReadCustomerDetailField "read:customer.detail-field:jira-service-management" Admin;
    WriteCustomerDetailField "write:customer.detail-field:jira-service-management" Admin;
    DeleteCustomerDetailField "delete:customer.detail-field:jira-service-management" Admin;
    ReadCustomerProfile "read:customer.profile:jira-service-management" User;
    WriteCustomerProfile "write:customer.profile:jira-service-management" Admin;
    ReadCustomerEntitlement "read:customer:entitlement:jira-service-management" Agent;
    WriteCustomerEntitlement "write:customer:entitlement:jira-service-management" Agent;
    ReadProduct "read:product:jira-service-management" Agent;
    WriteProduct "write:product:jira-service-management" Agent;
    DeleteProduct "delete:product:jira-service-management" Admin;
    ReadEntitlement "read:entitlement:jira-service-management" Agent;
    WriteEntitlement "write:entitlement:jira-service-management" Agent;
    DeleteEntitlement "delete:entitlement:jira-service-management" Admin;
    ReadEntitlementDetail "read:entitlement.detail:jira-service-management" Agent;
    WriteEntitlementDetail "write:entitlement.detail:jira-service-management" Agent;
    ReadEntitlementDetailField "read:entitlement.detail-field:jira-service-management" Admin;
    WriteEntitlementDetailField "write:entitlement.detail-field:jira-service-management" Admin;
    DeleteEntitlementDetailField "delete:entitlement.detail-field:jira-service-management" Admin;
    ReadTask "read:task:jira-service-management" User;
    WriteTask "write:task:jira-service-management" User;
    WriteCsmRequest "write:csm-request:jira-service-management" Agent;
    ReadObject "read:object:jira" User;
    WriteObject "write:object:jira" Admin;
    DeleteObject "delete:object:jira" Admin;
}

// A set has 64 bits.
const _: () = assert!(Scope::ALL.len() <= 64);

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of scopes. Prints as full names with commas between, which is also how it is to be kept:
/// the bits move when a scope is added to the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ScopeSet(u64);

impl ScopeSet {
    /// Whether the scope is in the set.
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & bit(scope) != 0
    }

    /// Adds a scope.
    pub fn insert(&mut self, scope: Scope) {
        self.0 |= bit(scope);
    }

    /// All scopes that a role may use: what a token gets when none are named.
    pub fn all_for(role: Role) -> Self {
        Scope::ALL
            .iter()
            .copied()
            .filter(|scope| scope.least_role() <= role)
            .collect()
    }

    /// Whether no scope is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The scopes in the order of the table.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL
            .iter()
            .copied()
            .filter(move |scope| self.contains(*scope))
    }

    /// Reads what `Display` prints; nothing where a name is unknown.
    pub fn parse(list: &str) -> Option<Self> {
        if list.is_empty() {
            Some(Self::default())
        } else {
            list.split(',').map(Scope::parse).collect()
        }
    }
}

fn bit(scope: Scope) -> u64 {
    1 << (scope as u32)
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let mut set = Self::default();
        scopes.into_iter().for_each(|scope| set.insert(scope));
        set
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            f.write_str(scope.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_the_vendors() {
        assert_eq!(Scope::ALL.len(), 41);
        for scope in Scope::ALL.iter().copied() {
            assert_eq!(Scope::parse(scope.name()), Some(scope));
        }
        let ours = Scope::ALL
            .iter()
            .filter(|scope| !scope.name().ends_with(":jira-service-management"));
        let ours: Vec<_> = ours.map(|scope| scope.name()).collect();
        assert_eq!(
            ours,
            ["read:object:jira", "write:object:jira", "delete:object:jira"]
        );
        assert_eq!(Scope::parse("read:organization"), None);
        assert_eq!(
            Scope::parse("write:customer:entitlement:jira-service-management"),
            Some(Scope::WriteCustomerEntitlement)
        );
    }

    #[test]
    fn a_role_may_use_what_lesser_roles_may() {
        let [user, agent, admin] = Role::ALL.map(ScopeSet::all_for);
        assert_eq!(
            (user.iter().count(), agent.iter().count(), admin.iter().count()),
            (11, 24, 41)
        );
        assert!(user.iter().all(|scope| agent.contains(scope)));
        assert!(agent.iter().all(|scope| admin.contains(scope)));
        assert!(user.contains(Scope::WriteOrganizationProfile) && !user.contains(Scope::ReadProduct));
        assert!(agent.contains(Scope::WriteCsmRequest) && user.contains(Scope::ReadObject));
        assert!(!agent.contains(Scope::WriteObject) && !agent.contains(Scope::WriteCustomer));
    }

    #[test]
    fn a_set_prints_its_names() {
        let set: ScopeSet = [Scope::WriteObject, Scope::ReadTask, Scope::ReadTask]
            .into_iter()
            .collect();
        assert_eq!(
            set.to_string(),
            "read:task:jira-service-management,write:object:jira"
        );
        assert_eq!(ScopeSet::default().to_string(), "");
        assert!(ScopeSet::default().is_empty() && !set.is_empty());
        for unknown in ["read", ",", "read:object:jira,", " read:object:jira"] {
            assert_eq!(ScopeSet::parse(unknown), None);
        }
    }

    proptest! {
        #[test]
        fn a_set_survives_printing(scopes in prop::collection::vec(prop::sample::select(Scope::ALL), 0..41)) {
            let set: ScopeSet = scopes.iter().copied().collect();
            prop_assert_eq!(ScopeSet::parse(&set.to_string()), Some(set));
            prop_assert!(Scope::ALL.iter().all(|scope| set.contains(*scope) == scopes.contains(scope)));
        }
    }
}
