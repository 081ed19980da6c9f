//! The ids that are numbers. On the wire they are decimal strings.

use crate::limits::ORGANIZATION_ID_DIGITS_MAX;
use std::fmt;

/// A tenant within one database: a small number that never leaves the server. Strangers know a
/// tenant by its cloudId.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(pub i64);

/// An organization within its tenant: at least 1, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrganizationId(pub i64);

/// A detail field definition within its tenant: at least 1, never used twice, not even by another
/// kind of entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldId(pub i64);

impl OrganizationId {
    /// Reads a positive decimal that fits 64 bits, without a leading zero; all else can be no
    /// organization's id (docs/api.md, "Data rules").
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || text.starts_with('0') {
            return None;
        }
        text.parse().ok().map(Self)
    }

    /// Reads an id that somebody wishes for: at most 18 digits, so that the counter, which moves to
    /// it, still has room above it.
    pub fn parse_wish(text: &str) -> Option<Self> {
        Self::parse(text).filter(|_| text.len() <= ORGANIZATION_ID_DIGITS_MAX)
    }
}

impl fmt::Display for OrganizationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for FieldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn organization_ids_are_plain_decimals() {
        assert_eq!(OrganizationId::parse("123"), Some(OrganizationId(123)));
        assert_eq!(
            OrganizationId::parse("999999999999999999").map(|id| id.0),
            Some(999_999_999_999_999_999)
        );
        for refused in [
            "",
            "0",
            "01",
            "+1",
            "-1",
            " 1",
            "1 ",
            "1.0",
            "1e3",
            "0x1",
            "١",
            "9223372036854775808",
            "abc",
        ] {
            assert_eq!(OrganizationId::parse(refused), None, "{refused:?}");
        }
        // Wishes leave room above them.
        assert!(OrganizationId::parse_wish("999999999999999999").is_some());
        assert!(OrganizationId::parse("1000000000000000000").is_some());
        assert_eq!(OrganizationId::parse_wish("1000000000000000000"), None);
        assert_eq!(FieldId(321).to_string(), "321");
    }

    proptest! {
        #[test]
        fn organization_ids_survive_printing(number in 1..=999_999_999_999_999_999_i64) {
            let id = OrganizationId(number);
            prop_assert_eq!(OrganizationId::parse(&id.to_string()), Some(id));
        }

        #[test]
        fn only_what_prints_the_same_is_an_id(text in "\\PC{0,20}|[0-9]{0,20}") {
            if let Some(id) = OrganizationId::parse(&text) {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
