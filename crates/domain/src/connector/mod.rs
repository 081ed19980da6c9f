//! Objects of a connector: organizations of another system, sent to be kept and read back
//! (`atlassian:organisation`, `atlassian:customer-org`, `atlassian:customer-org-category`).
//!
//! [`SetObjects::read`] turns the body of a request into objects in their canonical form or into all
//! that is wrong with them. [`decide`] says which of two versions of an object stays. [`Readers`] says
//! who may see one.

mod associations;
mod block;
mod draft;
mod instant;
mod key;
mod number;
mod object;
mod object_type;
mod parts;
mod people;
mod permissions;
mod precedence;
mod rates;
mod readers;
mod request;
mod selection;
#[cfg(test)]
mod tests;

pub use key::Key;
pub use object::Object;
pub use object_type::ObjectType;
pub use people::{Group, GroupMember, Mapping, Person, RejectedPerson, SetPeople, User};
pub use precedence::{
    DeleteOutcome, EqualSequence, Incoming, Outcome, Reason, Stored, decide, decide_delete,
};
pub use rates::{Counted, Minute, Rates};
pub use readers::{Containers, Member, Membership, Principal, Reader, Readers, Verdict, groups_of};
pub use request::{Problem, RejectedObject, RequestFault, SetObjects, Tags, read_tags};
pub use selection::{DeleteByProperties, DeleteObjects, ExternalIds, known_type};
