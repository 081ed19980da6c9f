//! Organizations and customers alike: what bulk items and profiles do to both. The statements are those of
//! the two rooms.

use guildhall_domain::field::{Definitions, Values};
use guildhall_domain::{Entity, Subject, Timestamp, text};

use crate::error::StoreError;
use crate::tx::WriteTx;

impl WriteTx<'_> {
    /// Adds an organization or a customer with its values.
    pub async fn insert_subject(
        &mut self,
        subject: &Subject,
        definitions: &Definitions,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match subject {
            Subject::Organization(new) => self.insert_organization(new, definitions, now).await,
            Subject::Customer(new) => self.insert_customer(new, definitions, now).await,
        }
    }

    /// Changes the name shown; of an organization it is what it is found by too.
    pub async fn rename_subject(
        &mut self,
        entity: Entity,
        name: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match entity {
            Entity::Organization(id) => self.rename_organization(id, name, &text::key(name), now).await,
            Entity::Customer(number) => self.rename_customer(number, name, now).await,
        }
    }

    /// Replaces the values.
    pub async fn put_subject_details(
        &mut self,
        entity: Entity,
        old: &Values,
        new: &Values,
        definitions: &Definitions,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match entity {
            Entity::Organization(id) => {
                self.put_organization_details(id, old, new, definitions, now)
                    .await
            }
            Entity::Customer(number) => {
                self.put_customer_details(number, old, new, definitions, now)
                    .await
            }
        }
    }
}
