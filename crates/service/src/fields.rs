//! Detail field definitions of organizations, customers and entitlements: the same four operations.

use std::sync::Arc;

use guildhall_domain::field::{Definition, Definitions, EntityKind, NewDefinition, check_edit_shape};
use guildhall_domain::{Caller, FieldId};
use guildhall_storage::Counter;

use crate::{Error, Service};

impl Service {
    /// All definitions of a kind, by position.
    pub async fn fields(&self, caller: &Caller, kind: EntityKind) -> Result<Arc<Definitions>, Error> {
        self.store
            .read(caller.tenant, async |tx| {
                Ok(self.definitions.get(tx, kind).await?)
            })
            .await
    }

    /// Adds a definition at the end.
    pub async fn create_field(
        &self,
        caller: &Caller,
        kind: EntityKind,
        new: NewDefinition,
    ) -> Result<Definition, Error> {
        let id = FieldId(self.numbers.take(caller.tenant, Counter::Field, 1).await?);
        let stamp = self.new_stamp();
        self.store
            .write(caller.tenant, async move |tx| {
                tx.lock_tenant().await?;
                let position = Definitions::new(tx.fields(kind).await?).plan_add(&new)?;
                let NewDefinition {
                    name,
                    key,
                    field_type,
                    options,
                } = new;
                let field = Definition {
                    id,
                    name,
                    key,
                    field_type,
                    options,
                    position,
                };
                tx.insert_field(kind, &field, stamp).await?;
                Ok(field)
            })
            .await
    }

    /// Renames a definition, replaces its options, or both. Its id, type and position stay.
    pub async fn edit_field(
        &self,
        caller: &Caller,
        kind: EntityKind,
        current: &str,
        name: String,
        options: Option<Vec<String>>,
    ) -> Result<Definition, Error> {
        check_edit_shape(&name, options.as_deref())?;
        let (current, stamp) = (current.to_owned(), self.new_stamp());
        self.store
            .write(caller.tenant, async move |tx| {
                tx.lock_tenant().await?;
                let definitions = Definitions::new(tx.fields(kind).await?);
                let field = definitions.plan_edit(&current, &name, options.as_deref())?;
                tx.update_field(&field, stamp).await?;
                Ok(field)
            })
            .await
    }

    /// Removes a definition and every value stored for it.
    pub async fn delete_field(&self, caller: &Caller, kind: EntityKind, name: &str) -> Result<(), Error> {
        let (name, stamp) = (name.to_owned(), self.new_stamp());
        self.store
            .write(caller.tenant, async move |tx| {
                tx.lock_tenant().await?;
                let definitions = Definitions::new(tx.fields(kind).await?);
                let id = definitions.require(&name)?.id;
                Ok(tx.delete_field(id, stamp).await?)
            })
            .await
    }
}
