//! Organizations and customers alike: what bulk items and profiles do to both. The statements are those of
//! the two rooms.

use guildhall_domain::field::{Definitions, Values};
use guildhall_domain::{Entity, Subject, Timestamp, text};

use crate::details::{NewValues, ValuesAhead};
use crate::error::StoreError;
use crate::tx::WriteTx;

impl WriteTx<'_> {
    /// Adds an organization or a customer with its values; what was made ahead of them is used if it is of them.
    pub async fn insert_subject(
        &mut self,
        subject: &Subject,
        definitions: &Definitions,
        ahead: Option<&ValuesAhead>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let made;
        let values = match ahead.and_then(|ahead| ahead.kept(subject.details(), definitions)) {
            Some(values) => values,
            None => {
                made = NewValues::of(subject.details(), definitions)?;
                &made
            }
        };
        match subject {
            Subject::Organization(new) => self.insert_organization_with(new, values, now).await,
            Subject::Customer(new) => self.insert_customer_with(new, values, now).await,
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
