//! What is true in Guildhall: its words, its limits and its rules. Nothing here does I/O, waits,
//! or knows the time.

#![forbid(unsafe_code)]

pub mod access;
pub mod bulk;
pub mod connector;
pub mod digest;
pub mod entity;
pub mod field;
pub mod id;
pub mod idempotency;
pub mod json;
pub mod limits;
pub mod list;
pub mod overload;
pub mod rejection;
pub mod seal;
pub mod subject;
pub mod task;
pub mod text;
pub mod time;

pub use access::{Caller, Role, Scope, ScopeSet};
pub use entity::{Customer, Entitlement, Entity, Member, Organization, Product};
pub use field::{
    Definition, Definitions, EntityKind, FieldType, NewDefinition, PhoneFormat, Values, value_key,
};
pub use id::{FieldId, OrganizationId, TenantId};
pub use rejection::{Excerpt, Rejection, Thing};
pub use subject::{Subject, SubjectKind};
pub use time::{Clock, Random, Timestamp};
