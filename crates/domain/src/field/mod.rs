//! Typed detail fields: what kinds there are, how they are defined ([`Definition`],
//! [`Definitions`]) and which values they take ([`Values`], [`value_key`]).
//!
//! Organizations, customers and entitlements have a set of definitions each, for the whole tenant
//! (docs/api.md, "Field definitions" and "Values").

mod definition;
mod number;
mod options;
mod set;
mod value;
mod values;

pub use definition::{Definition, NewDefinition, check_edit_shape};
pub use set::Definitions;
pub use value::{check_email, value_key};
pub use values::{FieldTexts, Values};

/// What detail fields belong to. Each kind has its own set of definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityKind {
    /// A customer organization.
    Organization,
    /// A customer.
    Customer,
    /// The right of a customer or an organization to a product.
    Entitlement,
}

impl EntityKind {
    /// The name in paths and messages: `organization`, `customer`, `entitlement`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Customer => "customer",
            Self::Entitlement => "entitlement",
        }
    }
}

/// The type of a detail field; never changes once the field exists (docs/api.md, "Field definitions").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FieldType {
    /// Free text of up to 5,000 characters, line breaks included.
    Text,
    /// An integer or decimal, kept as typed.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A calendar date, `YYYY-MM-DD`.
    Date,
    /// An email address.
    Email,
    /// A phone number; see [`PhoneFormat`].
    Phone,
    /// An absolute http or https address.
    Url,
    /// Exactly one of the field's options.
    Select,
    /// Any number of the field's options.
    MultiSelect,
    /// An account id.
    User,
}

impl FieldType {
    /// Every type, in the order of the vendor's documents.
    pub const ALL: [Self; 10] = [
        Self::Text,
        Self::Number,
        Self::Boolean,
        Self::Date,
        Self::Email,
        Self::Phone,
        Self::Url,
        Self::Select,
        Self::MultiSelect,
        Self::User,
    ];

    /// The name on the wire: `TEXT`, `MULTISELECT`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "TEXT",
            Self::Number => "NUMBER",
            Self::Boolean => "BOOLEAN",
            Self::Date => "DATE",
            Self::Email => "EMAIL",
            Self::Phone => "PHONE",
            Self::Url => "URL",
            Self::Select => "SELECT",
            Self::MultiSelect => "MULTISELECT",
            Self::User => "USER",
        }
    }

    /// The type of this name, written exactly so.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// Whether its values are chosen from a list.
    pub fn has_options(self) -> bool {
        matches!(self, Self::Select | Self::MultiSelect)
    }
}

/// Which phone numbers a PHONE field takes: a setting of the server (docs/api.md, "Values").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PhoneFormat {
    /// 3 to 20 digits, an optional leading `+`, and spaces, `-`, `.`, `(`, `)` between: the seed
    /// writes `0422333111`.
    #[default]
    Lenient,
    /// `+` and 3 to 15 digits, the first of them not 0 (ITU-T E.164), as the live service wants.
    E164,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_their_names() {
        for kind in FieldType::ALL {
            assert_eq!(FieldType::parse(kind.name()), Some(kind));
        }
        assert_eq!(FieldType::parse("ASSETS_OBJECT"), None);
        assert_eq!(FieldType::parse("text"), None);
        let with_options = FieldType::ALL.into_iter().filter(|kind| kind.has_options());
        assert_eq!(
            with_options.collect::<Vec<_>>(),
            [FieldType::Select, FieldType::MultiSelect]
        );
        let names = [
            EntityKind::Organization,
            EntityKind::Customer,
            EntityKind::Entitlement,
        ]
        .map(EntityKind::name);
        assert_eq!(names, ["organization", "customer", "entitlement"]);
    }
}
