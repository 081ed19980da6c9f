//! The three types of object, and the other spellings under which they arrive.

use std::fmt;

/// The type of an object, named by the block that it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectType {
    /// `atlassian:organisation`
    Organisation,
    /// `atlassian:customer-org`
    CustomerOrg,
    /// `atlassian:customer-org-category`
    CustomerOrgCategory,
}

impl ObjectType {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 3] = [Self::Organisation, Self::CustomerOrg, Self::CustomerOrgCategory];

    /// The canonical name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Organisation => "atlassian:organisation",
            Self::CustomerOrg => "atlassian:customer-org",
            Self::CustomerOrgCategory => "atlassian:customer-org-category",
        }
    }

    /// The type of this name: the canonical one, or one of the aliases that the vendor's own texts use.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "atlassian:organisation" | "atlassian:organization" => Some(Self::Organisation),
            "atlassian:customer-org"
            | "atlassian:customer-organization"
            | "atlassian:customer-organisation" => Some(Self::CustomerOrg),
            "atlassian:customer-org-category" => Some(Self::CustomerOrgCategory),
            _ => None,
        }
    }
}

impl fmt::Display for ObjectType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
