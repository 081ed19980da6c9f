//! What only the inside can see: settings as SQLite keeps them, and the plan of every statement.

use std::path::Path;

use guildhall_domain::field::{Definition, Definitions, EntityKind, FieldType, Values};
use guildhall_domain::{
    Customer, Entity, FieldId, Organization, OrganizationId, Product, TenantId, Timestamp,
};
use guildhall_testkit::TempFolder;
use rusqlite::types::Value;

use super::connection::Use;
use super::{Connection, create_private};
use crate::driver::Session;
use crate::{Counter, StoreError, Sweep, SystemTx, TokenRow, WriteTx, migrate, ready};

const NOW: Timestamp = Timestamp(1);

fn open(path: &Path, purpose: Use) -> Connection {
    create_private(path).unwrap();
    let mut connection = Connection::open(path, purpose).unwrap();
    if purpose == Use::Write {
        migrate::sqlite(&mut connection, path, 0).unwrap();
    }
    connection
}

#[test]
fn settings_are_kept_by_every_connection() {
    let folder = TempFolder::new();
    for (purpose, query_only) in [(Use::Write, 0), (Use::Read, 1)] {
        let mut connection = open(&folder.join("guildhall.db"), purpose);
        for (name, wanted) in [
            ("journal_mode", Value::Text("wal".into())),
            ("synchronous", Value::Integer(2)),
            ("foreign_keys", Value::Integer(1)),
            ("trusted_schema", Value::Integer(0)),
            ("cell_size_check", Value::Integer(1)),
            ("journal_size_limit", Value::Integer(64 * 1024 * 1024)),
            ("wal_autocheckpoint", Value::Integer(0)),
            ("busy_timeout", Value::Integer(5_000)),
            ("query_only", Value::Integer(query_only)),
        ] {
            let found: Value = connection
                .inner()
                .pragma_query_value(None, name, |row| row.get(0))
                .unwrap();
            assert_eq!(found, wanted, "{name}");
        }
    }
}

#[test]
fn a_database_that_keeps_other_settings_is_refused() {
    // One in memory has no write-ahead file.
    let refused = Connection::open(Path::new(":memory:"), Use::Write);
    let words = refused.map(drop).unwrap_err().to_string();
    assert!(words.contains("journal_mode = memory"), "{words}");
}

#[test]
fn a_reading_connection_cannot_write() {
    let folder = TempFolder::new();
    drop(open(&folder.join("guildhall.db"), Use::Write));
    let mut reader = open(&folder.join("guildhall.db"), Use::Read);
    for sql in [
        "INSERT INTO tenant (cloud_id, name, created_at) VALUES ('a', 'a', 0)",
        "UPDATE probe SET written_at = 1",
        "DELETE FROM probe",
        "CREATE TABLE t (x)",
    ] {
        let refused = reader.execute(sql, &[]);
        assert!(
            matches!(refused, Err(StoreError::Unavailable(_))),
            "{sql}: {refused:?}"
        );
    }
    let rows = reader.fetch("SELECT written_at FROM probe", &[], |row| {
        Ok(row.get::<_, i64>(0).unwrap())
    });
    assert_eq!(rows, Ok(vec![0]));
}

/// Runs every method of a tenant's transaction.
async fn everything(tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
    let (organization, customer, product, field) = sample();
    let (fields, none) = (Definitions::new(vec![field.clone()]), Values::default());
    let mut some = Values::default();
    some.set(FieldId(1), vec!["x".into()]);
    for kind in [
        EntityKind::Organization,
        EntityKind::Customer,
        EntityKind::Entitlement,
    ] {
        tx.fields(kind).await?;
    }
    tx.insert_field(EntityKind::Organization, &field, 1).await?;
    tx.update_field(&field, 2).await?;
    tx.definitions_stamp().await?;
    tx.take_numbers(Counter::Field, 1).await?;
    tx.raise_counter(Counter::Field, 5).await?;

    tx.insert_organization(&organization, &fields, NOW).await?;
    tx.rename_organization(organization.id, "P", "p", NOW).await?;
    tx.put_organization_details(organization.id, &none, &some, &fields, NOW)
        .await?;
    tx.put_organization_details(organization.id, &some, &none, &fields, NOW)
        .await?;
    tx.organization(organization.id).await?;
    tx.organization_by_key("p").await?;
    tx.organization_id_used(organization.id).await?;

    tx.insert_customer(&customer, &fields, NOW).await?;
    tx.rename_customer(1, "P", NOW).await?;
    tx.put_customer_details(1, &none, &some, &fields, NOW).await?;
    tx.customer("c1").await?;
    tx.customer_number("c1").await?;
    tx.customer_email_used("c1").await?;
    tx.add_member(organization.id, 1).await?;
    tx.members(organization.id).await?;
    tx.organizations_of(1).await?;

    tx.insert_product(&product, NOW).await?;
    tx.rename_product(1, "P", "p", NOW).await?;
    tx.product("p1").await?;
    tx.products_after(0, 10).await?;
    tx.insert_entitlement(1, "e1", Entity::Customer(1), 1, NOW)
        .await?;
    tx.put_entitlement_details(1, &none, &some, &fields, NOW).await?;
    tx.entitlement("e1").await?;
    tx.organization_entitlements(organization.id).await?;
    tx.customer_entitlements(1).await?;
    tx.inherited_entitlements(1).await?;
    tx.delete_entitlement(1, &some, &fields).await?;

    tx.insert_token(&token()).await?;
    tx.tokens().await?;
    tx.touch_token("k1", NOW).await?;
    tx.revoke_token("k1", NOW).await?;

    // The sweep of a field visits its holders, of every kind.
    tx.put_organization_details(organization.id, &none, &some, &fields, NOW)
        .await?;
    tx.insert_entitlement(2, "e2", Entity::Customer(1), 1, NOW)
        .await?;
    tx.put_entitlement_details(2, &none, &some, &fields, NOW).await?;
    tx.delete_field(FieldId(1), 3).await?;
    tx.sweep(Sweep::Field(FieldId(1)), &fields).await?;
    tx.delete_product(1).await?;
    tx.delete_customer(&customer, &fields).await?;
    tx.delete_organization(&organization, &fields).await?;
    for sweep in [
        Sweep::Product(1),
        Sweep::Customer(1),
        Sweep::Organization(organization.id),
        Sweep::Field(FieldId(1)),
    ] {
        tx.sweep(sweep, &fields).await?;
        tx.sweep(sweep, &fields).await?;
    }
    Ok(())
}

async fn everything_across_tenants(tx: &mut SystemTx<'_>) -> Result<TenantId, StoreError> {
    let tenant = tx.insert_tenant("cloud", "Tenant", NOW).await?;
    tx.tenant("cloud").await?;
    tx.tenants().await?;
    tx.probe(NOW).await?;
    tx.token_by_hash("h").await?;
    tx.waiting_sweeps(10).await?;
    Ok(tenant)
}

fn sample() -> (Organization, Customer, Product, Definition) {
    let text = |text: &str| text.to_owned();
    let organization = Organization {
        id: OrganizationId(1),
        name: text("O"),
        name_key: text("o"),
        details: Values::default(),
    };
    let customer = Customer {
        number: 1,
        id: text("c1"),
        email: text("c1"),
        email_key: text("c1"),
        display_name: text("C"),
        details: Values::default(),
    };
    let product = Product {
        number: 1,
        id: text("p1"),
        name: text("P"),
        name_key: text("p"),
    };
    let field = Definition {
        id: FieldId(1),
        name: text("F"),
        key: text("f"),
        field_type: FieldType::Text,
        options: Vec::new(),
        position: 1,
    };
    (organization, customer, product, field)
}

fn token() -> TokenRow {
    TokenRow {
        tenant: TenantId(1),
        cloud_id: "cloud".into(),
        id: "k1".into(),
        hash: "h".into(),
        last4: "1234".into(),
        name: "K".into(),
        role: "admin".into(),
        scopes: String::new(),
        account: None,
        created_at: NOW,
        expires_at: NOW,
        last_used_at: None,
        revoked_at: None,
    }
}

/// No statement walks through a table, nor through all that a tenant has there: each finds its rows by
/// an index that begins with the tenant, but for the few that are meant to see all tenants.
#[test]
fn every_statement_finds_its_rows_by_an_index() {
    const READ_ALL: [&str; 2] = ["FROM tenant ORDER BY tenant_id", "FROM sweep ORDER BY"];
    // A tenant's tokens are few, and read by its owner alone.
    const READ_THE_TENANT: [&str; 1] = ["ORDER BY k.created_at"];
    // The number of a new tenant is one more than the last.
    const BY_OTHER_KEYS: [&str; 4] = [
        "WHERE cloud_id =",
        "WHERE k.hash =",
        "UPDATE probe",
        "COALESCE(MAX(tenant_id), 0)",
    ];
    let folder = TempFolder::new();
    let mut connection = open(&folder.join("guildhall.db"), Use::Write);
    let across = &mut SystemTx::new(Session::Sqlite(&mut connection));
    let tenant = ready(everything_across_tenants(across)).unwrap().unwrap();
    let tx = &mut WriteTx::new(Session::Sqlite(&mut connection), tenant);
    ready(everything(tx)).unwrap().unwrap();

    let statements: Vec<String> = connection.statements().map(str::to_owned).collect();
    assert!(
        statements.len() > 60,
        "only {} statements were run",
        statements.len()
    );
    let is_one_of = |list: &[&str], sql: &str| list.iter().any(|part| sql.contains(part));
    for sql in statements {
        let mut explain = connection
            .inner()
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        for index in 1..=explain.parameter_count() {
            explain.raw_bind_parameter(index, 1).unwrap();
        }
        let mut rows = explain.raw_query();
        while let Some(row) = rows.next().unwrap() {
            let step: String = row.get(3).unwrap();
            let is_harmless = step == "SCAN CONSTANT ROW" || step.starts_with("SCAN json_each");
            let is_scan = step.starts_with("SCAN") && !is_harmless;
            assert!(!is_scan || is_one_of(&READ_ALL, &sql), "{sql}\n{step}");
            assert!(!step.contains("AUTOMATIC"), "{sql}\n{step}");
            let by_tenant = step.contains("tenant_id=?") || step.contains("INTEGER PRIMARY KEY (rowid=?)");
            let is_whole_tenant = step.contains("(tenant_id=?)");
            assert!(
                !is_whole_tenant || is_one_of(&READ_THE_TENANT, &sql),
                "{sql}\n{step}"
            );
            let is_search = step.starts_with("SEARCH");
            assert!(
                !is_search || by_tenant || is_one_of(&BY_OTHER_KEYS, &sql),
                "{sql}\n{step}"
            );
        }
    }
}
