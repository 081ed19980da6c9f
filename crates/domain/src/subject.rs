//! Organizations and customers alike: what has a profile, and what bulk items manage. The rules that
//! are the same for both are written once; where the two differ is said here.

use crate::entity::{Customer, Entity, Organization};
use crate::field::{EntityKind, Values, check_email};
use crate::task::OperatedOn;
use crate::{Excerpt, Thing, limits, text};

/// Which of the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SubjectKind {
    /// A customer organization.
    #[default]
    Organization,
    /// A customer.
    Customer,
}

impl SubjectKind {
    /// The set of detail fields.
    pub fn fields(self) -> EntityKind {
        match self {
            Self::Organization => EntityKind::Organization,
            Self::Customer => EntityKind::Customer,
        }
    }

    /// What messages call it.
    pub fn thing(self) -> Thing {
        match self {
            Self::Organization => Thing::Organization,
            Self::Customer => Thing::Customer,
        }
    }

    /// What messages call it, with its article.
    pub fn a_thing(self) -> &'static str {
        match self {
            Self::Organization => "an organization",
            Self::Customer => "a customer",
        }
    }

    /// What it is associated with.
    pub fn other(self) -> Self {
        match self {
            Self::Organization => Self::Customer,
            Self::Customer => Self::Organization,
        }
    }

    /// The member of a payload that holds its id.
    pub fn id_member(self) -> &'static str {
        match self {
            Self::Organization => "id",
            Self::Customer => "customerId",
        }
    }

    /// The member that holds its *handle*: what it is known by beside its id, and what no other has.
    pub fn handle_member(self) -> &'static str {
        match self {
            Self::Organization => "name",
            Self::Customer => "email",
        }
    }

    /// The member that holds the ids of what shall be associated with it.
    pub fn associations_member(self) -> &'static str {
        match self {
            Self::Organization => "associateCustomers.customerIds",
            Self::Customer => "associateOrganizations.organizationIds",
        }
    }

    /// What a failure of its handle or of the name shown is about, or of an item as a whole.
    pub fn operated_on(self) -> OperatedOn {
        match self {
            Self::Organization => OperatedOn::Organization,
            Self::Customer => OperatedOn::CustomerAccount,
        }
    }

    /// A handle as it is stored; the `Err` says what is wrong with it.
    pub fn check_handle(self, raw: &str) -> Result<String, String> {
        match self {
            Self::Organization => text::name(raw, limits::ORGANIZATION_NAME_CHARS_MAX),
            Self::Customer => {
                let email = raw.trim();
                check_email(email).map(|()| email.to_owned())
            }
        }
    }

    /// The words for a handle that another has.
    pub fn handle_taken(self, handle: &str, by: &str) -> String {
        let (member, thing) = (self.handle_member(), self.thing().name());
        format!(
            "{:?} is the {member} of {thing} {by} already; {member}s are unique",
            Excerpt(handle)
        )
    }
}

/// The name that is shown of a customer who was given none: the local part of the email.
pub fn default_display_name(email: &str) -> String {
    email.split('@').next().unwrap_or_default().to_owned()
}

/// An organization or a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A customer organization.
    Organization(Organization),
    /// A customer.
    Customer(Customer),
}

impl Subject {
    /// Which of the two.
    pub fn kind(&self) -> SubjectKind {
        match self {
            Self::Organization(_) => SubjectKind::Organization,
            Self::Customer(_) => SubjectKind::Customer,
        }
    }

    /// How links name it.
    pub fn entity(&self) -> Entity {
        match self {
            Self::Organization(organization) => Entity::Organization(organization.id),
            Self::Customer(customer) => Entity::Customer(customer.number),
        }
    }

    /// Its public id.
    pub fn id(&self) -> String {
        match self {
            Self::Organization(organization) => organization.id.to_string(),
            Self::Customer(customer) => customer.id.clone(),
        }
    }

    /// Its handle as given: what it is known by beside its id.
    pub fn handle(&self) -> &str {
        match self {
            Self::Organization(organization) => &organization.name,
            Self::Customer(customer) => &customer.email,
        }
    }

    /// Its handle as compared.
    pub fn key(&self) -> &str {
        match self {
            Self::Organization(organization) => &organization.name_key,
            Self::Customer(customer) => &customer.email_key,
        }
    }

    /// The name shown.
    pub fn name(&self) -> &str {
        match self {
            Self::Organization(organization) => &organization.name,
            Self::Customer(customer) => &customer.display_name,
        }
    }

    /// Its detail values.
    pub fn details(&self) -> &Values {
        match self {
            Self::Organization(organization) => &organization.details,
            Self::Customer(customer) => &customer.details,
        }
    }

    /// Its detail values, to be changed.
    pub fn details_mut(&mut self) -> &mut Values {
        match self {
            Self::Organization(organization) => &mut organization.details,
            Self::Customer(customer) => &mut customer.details,
        }
    }

    /// Changes the name shown; of an organization it is the handle too.
    pub fn rename(&mut self, name: &str) {
        match self {
            Self::Organization(organization) => {
                organization.name = name.to_owned();
                organization.name_key = text::key(name);
            }
            Self::Customer(customer) => customer.display_name = name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_checked_by_their_kind() {
        let (organization, customer) = (SubjectKind::Organization, SubjectKind::Customer);
        assert_eq!(organization.check_handle(" Acme "), Ok("Acme".into()));
        assert_eq!(
            customer.check_handle(" Ann@Example.com "),
            Ok("Ann@Example.com".into())
        );
        assert!(organization.check_handle("ann@example.com").is_ok());
        assert!(customer.check_handle("Acme").is_err());
        assert!(organization.check_handle(&"x".repeat(201)).is_err());
        assert!(
            customer
                .check_handle(&format!("{}@example.com", "x".repeat(250)))
                .is_err()
        );
    }

    #[test]
    fn what_is_taken_says_by_whom() {
        assert_eq!(
            SubjectKind::Customer.handle_taken("a@b.example", "qm:1"),
            "\"a@b.example\" is the email of customer qm:1 already; emails are unique"
        );
        assert_eq!(
            SubjectKind::Organization.handle_taken("Acme", "7"),
            "\"Acme\" is the name of organization 7 already; names are unique"
        );
        assert_eq!(default_display_name("ann.lee@example.com"), "ann.lee");
    }
}
