//! Lists of organizations, customers, products and entitlements (docs/api.md, "Lists"): what may be asked
//! ([`ListQuery`]), whether a row is asked for ([`Filters`]), where a page ended ([`cursor`]), and which
//! index leads ([`Lead`], [`Sources::choose`]).
//!
//! A page is the next rows after a [`Position`] in the order asked for, whichever index found them. So
//! the lead may be another on each page, and a row that stands still is seen once.

pub mod cursor;
mod filter;
mod lead;
mod query;

pub use filter::{DetailFilter, Filters, Operator};
pub use lead::{Choice, Lead, LinkTo, Sources, Span};
pub use query::{LinkFilter, ListQuery, parse_flag, refuse_unknown};

use crate::field::{EntityKind, Values};
use crate::{Customer, Entitlement, Organization, Product, Timestamp, text};

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListKind {
    /// Organizations.
    Organizations,
    /// Customers.
    Customers,
    /// Products.
    Products,
    /// Entitlements.
    Entitlements,
}

impl ListKind {
    /// The name in paths.
    pub fn name(self) -> &'static str {
        match self {
            Self::Organizations => "organizations",
            Self::Customers => "customers",
            Self::Products => "products",
            Self::Entitlements => "entitlements",
        }
    }

    /// Whose detail fields they have.
    pub fn fields(self) -> Option<EntityKind> {
        match self {
            Self::Organizations => Some(EntityKind::Organization),
            Self::Customers => Some(EntityKind::Customer),
            Self::Products => None,
            Self::Entitlements => Some(EntityKind::Entitlement),
        }
    }

    /// The orders in which they can be listed.
    pub fn orders(self) -> &'static [SortBy] {
        match self {
            Self::Organizations | Self::Products => &[SortBy::Id, SortBy::Name, SortBy::UpdatedAt],
            Self::Customers => &[SortBy::Id, SortBy::Name, SortBy::Email, SortBy::UpdatedAt],
            Self::Entitlements => &[SortBy::Id, SortBy::UpdatedAt],
        }
    }

    /// The things that they can be linked to.
    pub fn links(self) -> &'static [&'static str] {
        match self {
            Self::Organizations => &["customer", "product"],
            Self::Customers => &["organization", "product"],
            Self::Products => &["organization", "customer"],
            Self::Entitlements => &["organization", "customer", "product"],
        }
    }
}

/// What a list is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// Organizations by their id, others in the order they were added.
    Id,
    /// The name as compared; of customers, the name shown.
    Name,
    /// The email as compared.
    Email,
    /// The last change.
    UpdatedAt,
}

impl SortBy {
    /// The name in queries.
    pub fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Name => "name",
            Self::Email => "email",
            Self::UpdatedAt => "updatedAt",
        }
    }
}

/// The order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// What counts.
    pub by: SortBy,
    /// Whether the greatest comes first.
    pub descending: bool,
}

/// What a row is ordered by. One list has places of one kind only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Its number alone.
    Number,
    /// A text as compared.
    Text(String),
    /// An instant.
    Instant(i64),
}

/// Where a row stands in the order of a list: equal places are told apart by the number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// What it is ordered by.
    pub place: Place,
    /// Its number: an organization's id, or the internal number of others.
    pub number: i64,
}

impl Position {
    /// Whether a walk in this direction meets it after `other`.
    pub fn is_after(&self, other: &Self, descending: bool) -> bool {
        match descending {
            false => self > other,
            true => self < other,
        }
    }
}

/// A thing with its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// The thing.
    pub thing: T,
    /// When it was added.
    pub created_at: Timestamp,
    /// When its own row last changed: its name, its email or its values, not its links.
    pub updated_at: Timestamp,
}

impl<T: Listable> Listed<T> {
    /// Where it stands in this order.
    pub fn position(&self, by: SortBy) -> Position {
        let place = match by {
            SortBy::Id => Place::Number,
            SortBy::Name => Place::Text(self.thing.name_key()),
            SortBy::Email => Place::Text(self.thing.email_key().to_owned()),
            SortBy::UpdatedAt => Place::Instant(self.updated_at.0),
        };
        Position {
            place,
            number: self.thing.number(),
        }
    }
}

/// What lists know of the things in them.
pub trait Listable {
    /// Which list it is in.
    const KIND: ListKind;

    /// An organization's id, or the internal number of others.
    fn number(&self) -> i64;

    /// The name as compared; empty for what has none.
    fn name_key(&self) -> String;

    /// The email as compared; empty for what has none.
    fn email_key(&self) -> &str {
        ""
    }

    /// The detail values; `None` for what can have none.
    fn details(&self) -> Option<&Values>;
}

impl Listable for Organization {
    const KIND: ListKind = ListKind::Organizations;

    fn number(&self) -> i64 {
        self.id.0
    }

    fn name_key(&self) -> String {
        self.name_key.clone()
    }

    fn details(&self) -> Option<&Values> {
        Some(&self.details)
    }
}

impl Listable for Customer {
    const KIND: ListKind = ListKind::Customers;

    fn number(&self) -> i64 {
        self.number
    }

    fn name_key(&self) -> String {
        text::key(&self.display_name)
    }

    fn email_key(&self) -> &str {
        &self.email_key
    }

    fn details(&self) -> Option<&Values> {
        Some(&self.details)
    }
}

impl Listable for Product {
    const KIND: ListKind = ListKind::Products;

    fn number(&self) -> i64 {
        self.number
    }

    fn name_key(&self) -> String {
        self.name_key.clone()
    }

    fn details(&self) -> Option<&Values> {
        None
    }
}

impl Listable for Entitlement {
    const KIND: ListKind = ListKind::Entitlements;

    fn number(&self) -> i64 {
        self.number
    }

    fn name_key(&self) -> String {
        String::new()
    }

    fn details(&self) -> Option<&Values> {
        Some(&self.details)
    }
}
