//! The things that Guildhall keeps: organizations, customers, products and entitlements, as they
//! are between storage and the wire.

use crate::field::Values;
use crate::id::OrganizationId;

/// A customer organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Its id; never used twice within a tenant.
    pub id: OrganizationId,
    /// Its name as given.
    pub name: String,
    /// Its name as compared (`text::key`); unique within a tenant.
    pub name_key: String,
    /// Its detail values.
    pub details: Values,
}

/// A customer with its account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// The internal number that links use; never used twice within a tenant.
    pub number: i64,
    /// The public id, such as `qm:<cloudId>:<uuid>`.
    pub id: String,
    /// The email as given.
    pub email: String,
    /// The email as compared; unique within a tenant.
    pub email_key: String,
    /// The name shown.
    pub display_name: String,
    /// The customer's detail values.
    pub details: Values,
}

/// A customer as a member of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The customer's internal number.
    pub number: i64,
    /// The customer's public id.
    pub id: String,
}

/// A product that customers and organizations can be entitled to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// The internal number that links use; never used twice within a tenant.
    pub number: i64,
    /// The public id, a UUID.
    pub id: String,
    /// Its name as given; names of products may repeat.
    pub name: String,
    /// Its name as compared.
    pub name_key: String,
}

/// Whose an entitlement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entity {
    /// The customer with this internal number.
    Customer(i64),
    /// The organization with this id.
    Organization(OrganizationId),
}

/// An entitlement of a customer or an organization to a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entitlement {
    /// The internal number; never used twice within a tenant.
    pub number: i64,
    /// The public id, a UUID.
    pub id: String,
    /// Whose it is.
    pub entity: Entity,
    /// The public id of whose it is.
    pub entity_id: String,
    /// The product's public id.
    pub product_id: String,
    /// The product's name.
    pub product_name: String,
    /// Its detail values.
    pub details: Values,
}
