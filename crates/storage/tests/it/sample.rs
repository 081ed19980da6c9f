//! Sample things.

use guildhall_domain::{
    Customer, Definition, Definitions, FieldId, FieldType, Organization, OrganizationId, Product, TenantId,
    Timestamp, Values, text,
};
use guildhall_storage::{Store, StoreError, WriteTx};

pub const NOW: Timestamp = Timestamp(1_767_225_600_000);
pub const LATER: Timestamp = Timestamp(NOW.0 + 1_000);

/// Why a unit of work of a test ends without being kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    OnPurpose(String),
    Store(StoreError),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

pub fn on_purpose<T>(why: impl Into<String>) -> Result<T, Refused> {
    Err(Refused::OnPurpose(why.into()))
}

pub async fn tenant(store: &Store, name: &str) -> TenantId {
    let name = name.to_owned();
    store
        .system_write(async move |tx| tx.insert_tenant(&name, &name, NOW).await)
        .await
        .unwrap()
}

/// Writes, and must succeed.
pub async fn write<T, F>(store: &Store, tenant: TenantId, op: F) -> T
where
    F: AsyncFnOnce(&mut WriteTx<'_>) -> Result<T, StoreError> + Clone + Send + 'static,
    T: Send + 'static,
{
    store.write(tenant, op).await.unwrap()
}

pub fn organization(id: i64, name: &str) -> Organization {
    Organization {
        id: OrganizationId(id),
        name: name.to_owned(),
        name_key: text::key(name),
        details: Values::default(),
    }
}

pub fn customer(number: i64) -> Customer {
    Customer {
        number,
        id: format!("qm:cloud:{number}"),
        email: format!("Customer{number}@example.com"),
        email_key: format!("customer{number}@example.com"),
        display_name: format!("Customer {number}"),
        details: Values::default(),
    }
}

pub fn product(number: i64) -> Product {
    Product {
        number,
        id: format!("product-{number}"),
        name: format!("Product {number}"),
        name_key: format!("product {number}"),
    }
}

pub fn field(id: i64, name: &str, field_type: FieldType) -> Definition {
    Definition {
        id: FieldId(id),
        name: name.to_owned(),
        key: text::key(name),
        field_type,
        options: if field_type.has_options() {
            vec!["One".into(), "Two".into(), "Three".into()]
        } else {
            Vec::new()
        },
        position: id,
    }
}

pub fn definitions(fields: &[Definition]) -> Definitions {
    Definitions::new(fields.to_vec())
}

pub fn values(pairs: &[(i64, &[&str])]) -> Values {
    let mut values = Values::default();
    for (id, texts) in pairs {
        values.set(
            FieldId(*id),
            texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>(),
        );
    }
    values
}
