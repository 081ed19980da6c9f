//! The demo world: a tenant with sample data, in which every example request of the vendor's
//! documentation of organizations works as printed. It holds the ids that those examples name.

use guildhall_domain::field::{Definition, Definitions, EntityKind, NewDefinition, PhoneFormat, Values};
use guildhall_domain::{
    Customer, Entity, FieldId, Organization, OrganizationId, Product, Role, Timestamp, text,
};
use guildhall_storage::{Counter, WriteTx};

use crate::{Error, Lifetime, NewToken, Service, demo_objects};

/// What the demo's tenant is called.
pub const DEMO_TENANT_NAME: &str = "Guildhall demo";

/// What a newcomer needs to know of the demo world.
#[derive(Clone, Debug)]
pub struct Demo {
    /// Its tenant.
    pub cloud_id: String,
    /// A token of role admin; readable only now.
    pub token: String,
}

/// The first id is the one that the documentation's examples print for `Region`.
const FIRST_FIELD_ID: i64 = 321;
const PRODUCTS: [(&str, &str); 2] = [
    ("3858a61a-d337-42e6-993e-e13e1c366d4f", "Acme Widget"),
    ("4858a61a-d337-42e6-993e-e13e1c366d4f", "Acme Gadget"),
];
const CUSTOMERS: [(&str, &str, &str); 3] = [
    (
        "qm:9edf598a-85d4-4db9-bf2e-7245922b4ea8:0000e9d8-a22e-4220-ac63-412ff9eec053",
        "john.doe@example.com",
        "John Doe",
    ),
    (
        "qm:10c2e972-eef6-4e0e-aa81-9a9e7a4ba9a7:3468699a-b2f0-4ae9-ab2d-155a5f5a8db4",
        "jane.doe@example.com",
        "Jane Doe",
    ),
    (
        "qm:82a83bc1-d19a-4220-b388-af3f7d92165d:a495e659-5978-402f-a878-636e415ba1c1",
        "sample.customer@example.com",
        "Sample Customer",
    ),
];

/// An organization: id, name, values by field name, customers and products by place in their lists.
type Sample = (
    i64,
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [usize],
    &'static [usize],
);

const ORGANIZATIONS: [Sample; 3] = [
    (
        1,
        "Acme",
        &[("Region", "US"), ("Phone Number", "0422333111")],
        &[1],
        &[0],
    ),
    (
        2,
        "Globex",
        &[("Region", "AU"), ("Website", "https://globex.example.com")],
        &[2],
        &[],
    ),
    (
        123,
        "Atlassian",
        &[("Region", "EU"), ("Renewal Date", "2027-03-01")],
        &[0],
        &[0],
    ),
];

impl Service {
    /// Makes the demo world when the database has no tenant; otherwise nothing.
    pub async fn create_demo(&self) -> Result<Option<Demo>, Error> {
        let (now, stamp, cloud_id) = (self.now(), self.new_stamp(), self.new_uuid());
        let connection_id = self.new_uuid();
        // The example prints one id for a product and for the entitlement to it.
        let entitlement_ids = vec![self.new_uuid(), PRODUCTS[0].0.to_owned()];
        let new = NewToken {
            name: "demo".into(),
            role: Role::Admin,
            scopes: None,
            account: None,
            lifetime: Lifetime::default(),
        };
        let (mut row, token) = self.new_token(new)?;
        // One unit of work: a world without a token could never be entered.
        self.store
            .system_write(async move |tx| {
                if !tx.tenants().await?.is_empty() {
                    return Ok(None);
                }
                let tenant = tx.insert_tenant(&cloud_id, DEMO_TENANT_NAME, now).await?;
                let tx = &mut tx.on_tenant(tenant);
                let definitions = fields(tx, stamp).await?;
                customers(tx, now).await?;
                products(tx, now).await?;
                organizations(tx, &definitions, entitlement_ids, now).await?;
                demo_objects::connection(tx, connection_id, now).await?;
                row.tenant = tenant;
                tx.insert_token(&row).await?;
                Ok(Some(Demo { cloud_id, token }))
            })
            .await
    }
}

/// The sample fields; returns those of organizations.
async fn fields(tx: &mut WriteTx<'_>, stamp: i64) -> Result<Definitions, Error> {
    let regions: Vec<String> = ["AU", "EU", "US", "EMEA", "Asia"].map(str::to_owned).into();
    let tiers: Vec<String> = ["Free", "Standard", "Premium"].map(str::to_owned).into();
    let samples = [
        (EntityKind::Organization, "Region", "SELECT", Some(&regions)),
        (EntityKind::Organization, "Phone Number", "PHONE", None),
        (EntityKind::Organization, "Website", "URL", None),
        (EntityKind::Organization, "Renewal Date", "DATE", None),
        (EntityKind::Customer, "Region", "SELECT", Some(&regions)),
        (EntityKind::Customer, "Phone", "PHONE", None),
        (EntityKind::Entitlement, "Region", "SELECT", Some(&regions)),
        (EntityKind::Entitlement, "Tier", "SELECT", Some(&tiers)),
    ];
    let mut of_organizations = Vec::new();
    let mut last = FIRST_FIELD_ID;
    for ((kind, name, type_name, options), id) in samples.into_iter().zip(FIRST_FIELD_ID..) {
        let NewDefinition {
            name,
            key,
            field_type,
            options,
        } = NewDefinition::check(name, type_name, options.map(Vec::as_slice))?;
        let position = 1 + tx.fields(kind).await?.len() as i64;
        let field = Definition {
            id: FieldId(id),
            name,
            key,
            field_type,
            options,
            position,
        };
        tx.insert_field(kind, &field, stamp).await?;
        if kind == EntityKind::Organization {
            of_organizations.push(field);
        }
        last = id;
    }
    tx.raise_counter(Counter::Field, last).await?;
    Ok(Definitions::new(of_organizations))
}

async fn customers(tx: &mut WriteTx<'_>, now: Timestamp) -> Result<(), Error> {
    let first = tx.take_numbers(Counter::Customer, CUSTOMERS.len() as i64).await?;
    for ((id, email, name), number) in CUSTOMERS.into_iter().zip(first..) {
        let customer = Customer {
            number,
            id: id.to_owned(),
            email: email.to_owned(),
            email_key: text::key(email),
            display_name: name.to_owned(),
            details: Values::default(),
        };
        tx.insert_customer(&customer, &Definitions::default(), now)
            .await?;
    }
    Ok(())
}

async fn products(tx: &mut WriteTx<'_>, now: Timestamp) -> Result<(), Error> {
    let first = tx.take_numbers(Counter::Product, PRODUCTS.len() as i64).await?;
    for ((id, name), number) in PRODUCTS.into_iter().zip(first..) {
        let product = Product {
            number,
            id: id.to_owned(),
            name: name.to_owned(),
            name_key: text::key(name),
        };
        tx.insert_product(&product, now).await?;
    }
    Ok(())
}

async fn organizations(
    tx: &mut WriteTx<'_>,
    definitions: &Definitions,
    entitlement_ids: Vec<String>,
    now: Timestamp,
) -> Result<(), Error> {
    let mut entitlement_ids = entitlement_ids.into_iter();
    for (id, name, values, members, entitled) in ORGANIZATIONS {
        let id = OrganizationId(id);
        let mut details = Values::default();
        for (field, value) in values {
            let definition = definitions.require(field)?;
            details.set(
                definition.id,
                definition.check(&[(*value).to_owned()], PhoneFormat::Lenient)?,
            );
        }
        let organization = Organization {
            id,
            name: name.to_owned(),
            name_key: text::key(name),
            details,
        };
        tx.insert_organization(&organization, definitions, now).await?;
        tx.raise_counter(Counter::Organization, id.0).await?;
        for member in members {
            if let Some(number) = tx.customer_number(CUSTOMERS[*member].0).await? {
                tx.add_member(id, number).await?;
            }
        }
        for product in entitled {
            if let Some(product) = tx.product(PRODUCTS[*product].0).await?
                && let Some(entitlement) = entitlement_ids.next()
            {
                let number = tx.take_numbers(Counter::Entitlement, 1).await?;
                tx.insert_entitlement(
                    number,
                    &entitlement,
                    Entity::Organization(id),
                    product.number,
                    now,
                )
                .await?;
            }
        }
    }
    Ok(())
}
