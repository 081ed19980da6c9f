//! Bulk tasks: their types, their states, and what became of each item.

use serde::{Deserialize, Serialize};

use crate::subject::SubjectKind;

/// What a task does (the `type` of a task's status).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskType {
    /// `POST /organization/profile/bulk`
    OrganizationProfiles,
    /// `POST /organization/bulk`
    Organizations,
    /// `POST /organization/details/bulk`
    OrganizationDetails,
    /// `POST /organization/details/definitions/bulk`
    OrganizationDefinitions,
    /// `POST /customer/profile/bulk`
    CustomerProfiles,
    /// `POST /customer/bulk`
    Customers,
    /// `POST /customer/details/bulk`
    CustomerDetails,
    /// `POST /customer/details/definitions/bulk`
    CustomerDefinitions,
}

impl TaskType {
    /// Every type.
    pub const ALL: [Self; 8] = [
        Self::OrganizationProfiles,
        Self::Organizations,
        Self::OrganizationDetails,
        Self::OrganizationDefinitions,
        Self::CustomerProfiles,
        Self::Customers,
        Self::CustomerDetails,
        Self::CustomerDefinitions,
    ];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::OrganizationProfiles => "BULK_ORGANIZATION_PROFILE_CREATE_UPDATE",
            Self::Organizations => "BULK_ORGANIZATION_CREATE_UPDATE",
            Self::OrganizationDetails => "BULK_ORGANIZATION_DETAIL_FIELD_UPDATE",
            Self::OrganizationDefinitions => "BULK_ORGANIZATION_DETAIL_FIELD_DEFINITION_CREATE",
            Self::CustomerProfiles => "BULK_CUSTOMER_PROFILE_CREATE_UPDATE",
            Self::Customers => "BULK_CUSTOMER_CREATE_UPDATE",
            Self::CustomerDetails => "BULK_CUSTOMER_DETAIL_FIELD_UPDATE",
            Self::CustomerDefinitions => "BULK_CUSTOMER_DETAIL_FIELD_DEFINITION_CREATE",
        }
    }

    /// The type of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// The member of the request that holds the items.
    pub fn member(self) -> &'static str {
        match self {
            Self::OrganizationProfiles => "organizationProfiles",
            Self::Organizations | Self::OrganizationDetails => "organizations",
            Self::CustomerProfiles => "customerProfiles",
            Self::Customers | Self::CustomerDetails => "customers",
            Self::OrganizationDefinitions | Self::CustomerDefinitions => "detailFields",
        }
    }

    /// What its items are about.
    pub fn kind(self) -> SubjectKind {
        match self {
            Self::OrganizationProfiles
            | Self::Organizations
            | Self::OrganizationDetails
            | Self::OrganizationDefinitions => SubjectKind::Organization,
            Self::CustomerProfiles | Self::Customers | Self::CustomerDetails | Self::CustomerDefinitions => {
                SubjectKind::Customer
            }
        }
    }

    /// Whether its items are definitions of detail fields.
    pub fn defines(self) -> bool {
        matches!(self, Self::OrganizationDefinitions | Self::CustomerDefinitions)
    }

    /// What an item is about, as failures name it.
    pub fn entity(self) -> &'static str {
        match self.kind() {
            SubjectKind::Organization => "ORGANIZATION",
            SubjectKind::Customer => "CUSTOMER",
        }
    }

    /// What failures name as operated on when an item fails as a whole.
    pub fn whole(self) -> OperatedOn {
        match self {
            Self::OrganizationProfiles => OperatedOn::OrganizationProfile,
            Self::CustomerProfiles => OperatedOn::CustomerProfile,
            Self::OrganizationDefinitions | Self::CustomerDefinitions => OperatedOn::DetailField,
            Self::Organizations | Self::OrganizationDetails | Self::Customers | Self::CustomerDetails => {
                self.kind().operated_on()
            }
        }
    }
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskStatus {
    /// Queued.
    NotStarted,
    /// Running.
    InProgress,
    /// Completed; its failures tell full from partial success.
    Finished,
    /// Timed out before it was completed.
    Failed,
}

impl TaskStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::NotStarted, Self::InProgress, Self::Finished, Self::Failed];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotStarted => "NOT_STARTED",
            Self::InProgress => "IN_PROGRESS",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
        }
    }

    /// The status of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// Whether nothing more will happen.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Finished | Self::Failed)
    }
}

/// What became of an item, seen from its entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The entity was created; parts of the item may have failed.
    Created,
    /// The entity was changed; parts of the item may have failed.
    Updated,
    /// Everything was so already.
    Unchanged,
    /// Something failed, and nothing was changed.
    Failed,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 4] = [Self::Created, Self::Updated, Self::Unchanged, Self::Failed];

    /// The name in receipts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
        }
    }

    /// The outcome of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }
}

/// What a failed part was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OperatedOn {
    /// An organization as a whole, or its name.
    Organization,
    /// An organization's profile as a whole.
    OrganizationProfile,
    /// A customer as a whole, or the customer's email.
    CustomerAccount,
    /// A customer's profile as a whole.
    CustomerProfile,
    /// A value of a detail field, or a definition.
    DetailField,
    /// The link to a product.
    Entitlement,
    /// The link between a customer and an organization.
    Membership,
}

impl OperatedOn {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Organization => "ORGANIZATION",
            Self::OrganizationProfile => "ORGANIZATION_PROFILE",
            Self::CustomerAccount => "CUSTOMER_ACCOUNT",
            Self::CustomerProfile => "CUSTOMER_PROFILE",
            Self::DetailField => "DETAIL_FIELD",
            Self::Entitlement => "ENTITLEMENT",
            Self::Membership => "MEMBERSHIP",
        }
    }
}

/// One failed part of an item, or an item that failed as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The type of operation: `UPSERT`, `PATCH`.
    pub operation: String,
    /// What the part was about.
    pub operated_on: OperatedOn,
    /// The names or ids of just that part; none when the whole item failed.
    pub operated_on_ids: Vec<String>,
    /// What is wrong, and what would be right.
    pub error: String,
}

/// What became of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The entity's id; its name where it has no id.
    pub entity_id: String,
    /// What became of it.
    pub outcome: Outcome,
    /// What failed of it.
    pub failures: Vec<Failure>,
}
