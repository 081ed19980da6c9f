//! Every statement of the crate, run once.

use std::collections::{BTreeMap, BTreeSet};

use guildhall_domain::bulk::Need;
use guildhall_domain::connector::{
    EqualSequence, Group, GroupMember, Mapping, Member, Object, ObjectType, Readers, Reason, User,
};
use guildhall_domain::field::{Definition, Definitions, EntityKind, FieldType, Values};
use guildhall_domain::list::{ListKind, Span};
use guildhall_domain::task::{Outcome, Receipt, TaskStatus, TaskType};
use guildhall_domain::{
    Customer, Entity, FieldId, Organization, OrganizationId, Product, SubjectKind, TenantId, Timestamp,
};

use crate::details::NewValues;
use crate::glances::Links;
use crate::{
    ChunkMark, Claim, ConnectionRow, Counter, Gather, ItemFilter, Linked, NewTask, Newcomers, ObjectId,
    StoreError, Sweep, SystemTx, TokenRow, TombstoneOf, Walk, WriteRow, WriteTx,
};

const NOW: Timestamp = Timestamp(1);

/// Runs every method of a tenant's transaction.
pub(in crate::driver) async fn everything(tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
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
    tx.begin().await?;
    tx.insert_field(EntityKind::Organization, &field, 1).await?;
    tx.update_field(&field, 2).await?;
    tx.definitions_stamp().await?;
    tx.keep_cursor_secret(&[1; 32]).await?;
    tx.cursor_seal().await?;
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
    tx.lock_organization(organization.id).await?;
    tx.next_number(Counter::Field).await?;
    tx.lock_tenant().await?;
    tx.share_tenant().await?;
    tx.lock_tasks().await?;

    tx.insert_customer(&customer, &fields, NOW).await?;
    tx.rename_customer(1, "P", NOW).await?;
    tx.put_customer_details(1, &none, &some, &fields, NOW).await?;
    tx.customer("c1").await?;
    tx.customer_number("c1").await?;
    tx.customer_by_key("c1").await?;
    tx.lock_customer("c1").await?;
    tx.change_customer_email(1, "d", "d", NOW).await?;
    tx.add_member(organization.id, 1).await?;
    tx.remove_member(organization.id, 1).await?;
    tx.add_member_of_new(organization.id, 1, 1).await?;
    tx.remove_member(organization.id, 1).await?;
    tx.members(organization.id).await?;
    tx.organizations_of(1).await?;

    tx.insert_product(&product, NOW).await?;
    tx.rename_product(1, "P", "p", NOW).await?;
    tx.product("p1").await?;
    tx.products_after(0, 10).await?;
    tx.lock_product("p1").await?;
    tx.share_product("p1").await?;
    tx.insert_entitlement(1, "e1", Entity::Customer(1), 1, NOW)
        .await?;
    tx.insert_entitlement_of_new((3, "e3"), Entity::Customer(1), 2, 1, NOW)
        .await?;
    tx.put_entitlement_details(1, &none, &some, &fields, NOW).await?;
    tx.entitlement("e1").await?;
    tx.lock_entitlement("e1").await?;
    let mut need = Need::default();
    need.product_ids.insert("p1".into());
    for (kind, [id, key, associated]) in [
        (SubjectKind::Organization, ["1", "o", "c1"]),
        (SubjectKind::Customer, ["c1", "c1", "1"]),
    ] {
        need.kind = kind;
        need.ids = BTreeSet::from([id.into()]);
        need.keys = BTreeSet::from([key.into()]);
        need.associated_ids = BTreeSet::from([associated.into()]);
        tx.load_facts(&need, 1..2).await?;
    }
    tx.index_new_values(9, &NewValues::of(&some, &fields)?).await?;
    tx.index_values(9, &some, &none, &fields).await?;
    grounds(tx).await?;
    let wanted = [1, 2].map(|field| (FieldId(field), "x".to_owned()));
    tx.customers_with(&BTreeSet::from(wanted), |_| true, 0, 10)
        .await?;
    tx.append_and_remove_pending().await?;
    tx.cloud_id().await?;
    tx.glances(&BTreeSet::from([1])).await?;
    for links in [Links::Wanted, Links::Unwanted] {
        tx.glance(organization.id, links).await?;
    }
    tx.organization_entitlements(organization.id).await?;
    tx.customer_entitlements(1).await?;
    tx.inherited_entitlements(1).await?;
    tx.delete_entitlement(1, &some, &fields).await?;

    lists(tx).await?;

    tx.insert_token(&token()).await?;
    tx.tokens().await?;
    tx.touch_token("k1", NOW).await?;
    tx.revoke_token("k1", NOW).await?;

    tasks(tx).await?;
    connectors(tx).await?;

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
        Sweep::Connection(1),
    ] {
        tx.sweep(sweep, &fields).await?;
        tx.sweep(sweep, &fields).await?;
    }
    Ok(())
}

pub(in crate::driver) async fn everything_across_tenants(
    tx: &mut SystemTx<'_>,
) -> Result<TenantId, StoreError> {
    let tenant = tx.insert_tenant("cloud", "Tenant", NOW).await?;
    tx.tenant("cloud").await?;
    tx.tenants().await?;
    tx.probe(NOW).await?;
    tx.token_by_hash("h").await?;
    tx.waiting_sweeps(10).await?;
    tx.open_tasks(10).await?;
    tx.end_all_leases().await?;
    tx.tasks_finished_before(NOW, 10).await?;
    tx.tombstones_before(NOW, 10).await?;
    tx.pending(|_, _, _| {}).await?;
    Ok(tenant)
}

/// Of one newcomer and of two.
async fn grounds(tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
    for (kind, associated) in [(SubjectKind::Organization, "c1"), (SubjectKind::Customer, "1")] {
        for keys in [vec!["n"], vec!["n", "m"]] {
            let new = Newcomers {
                kind,
                keys: keys.into_iter().collect(),
                ids: BTreeSet::from([2]),
                associated_ids: BTreeSet::from([associated.into()]),
                product_ids: BTreeSet::from(["p1".into()]),
                defined: true,
            };
            tx.ground(&new).await?;
        }
    }
    Ok(())
}

async fn tasks(tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
    let new = NewTask {
        id: "t1".into(),
        task_type: TaskType::Organizations,
        idempotency_key: "key".into(),
        fingerprint: "f".into(),
        submitted_by: "k1".into(),
        request: "[]".into(),
        items: 1,
    };
    tx.insert_task(&new, NOW).await?;
    tx.task_by_key(new.task_type, "key").await?;
    tx.task("t1").await?;
    tx.tasks_before(None, None, 10).await?;
    tx.count_open_tasks(NOW).await?;
    let claim = Claim {
        owner: "w",
        until: NOW,
        seen_epoch: 0,
        chunk_items: 1,
    };
    tx.claim_task("t1", claim, NOW).await?;
    tx.renew_lease("t1", 1, NOW).await?;
    tx.advance_task("t1", 1, 0, 1, NOW).await?;
    tx.mark_chunk(ChunkMark::of("t1", 1)).await?;
    tx.await_chunk(ChunkMark::of("t1", 0)).await?;
    tx.has_task_ended("t1").await?;
    tx.advance_task("t1", 1, 1, 2, NOW).await?;
    let receipt = Receipt {
        entity_id: "1".into(),
        outcome: Outcome::Created,
        failures: Vec::new(),
    };
    tx.insert_receipt("t1", 0, &receipt).await?;
    tx.touch_task("t1", NOW).await?;
    tx.task_items("t1", ItemFilter::default(), 10).await?;
    tx.count_outcomes("t1").await?;
    tx.release_task("t1", 1).await?;
    tx.finish_task("t1", TaskStatus::Finished, NOW).await?;
    tx.purge_task("t1").await
}

async fn lists(tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
    let span = Span::all();
    let (organization, customer) = (OrganizationId(1), Entity::Customer(1));
    let mut walks = vec![
        Walk::Emails(&span),
        Walk::Key(FieldId(1), "x"),
        Walk::EntitlementsTo(1),
    ];
    for kind in [
        ListKind::Organizations,
        ListKind::Customers,
        ListKind::Products,
        ListKind::Entitlements,
    ] {
        walks.extend([Walk::Numbers(kind), Walk::Updates(kind)]);
        walks.extend((kind != ListKind::Entitlements).then_some(Walk::Names(kind, &span)));
    }
    for walk in walks {
        for descending in [false, true] {
            tx.list_walk(walk, None, descending, 10).await?;
        }
    }
    for gather in [
        Gather::Values(FieldId(1), &span),
        Gather::OrganizationsOf(1),
        Gather::MembersOf(organization),
        Gather::EntitledTo(EntityKind::Organization, 1),
        Gather::EntitlementsOf(customer),
        Gather::ProductsOf(customer),
    ] {
        tx.list_gather(gather, 10).await?;
    }
    for linked in [
        Linked::ToCustomer(1),
        Linked::ToOrganization(organization),
        Linked::ToProduct(EntityKind::Organization, 1),
        Linked::ByEntity(customer),
    ] {
        tx.list_linked(linked, &[1]).await?;
    }
    tx.list_organizations(&[1]).await?;
    tx.list_customers(&[1]).await?;
    tx.list_products(&[1]).await?;
    tx.list_entitlements(&[1]).await?;
    tx.count_memberships(customer, 10).await?;
    tx.count_memberships(Entity::Organization(organization), 10)
        .await?;
    tx.count_entitlements_of(customer, 10).await?;
    tx.count_entitlements_to(1, 10).await.map(drop)
}

async fn connectors(tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
    let connection = ConnectionRow {
        number: 1,
        id: "i1".into(),
        name: "C".into(),
        created_at: NOW,
    };
    tx.insert_connection(&connection).await?;
    tx.connections().await?;
    tx.connection("i1").await?;
    tx.share_connection(1).await?;
    let (object, of, equal) = (connector_object(), ObjectType::CustomerOrg, EqualSequence::Keep);
    let id: ObjectId = (of, object.id.clone());
    tx.put_objects(1, &[&object], equal, NOW).await?;
    tx.count_kept_back(1, &BTreeMap::from([(id.clone(), 1)])).await?;
    let write = WriteRow {
        number: 1,
        sequence: 1,
        stored_sequence: 1,
        reason: Reason::EqualSame,
        written_at: NOW,
    };
    tx.insert_object_writes(1, &[(id.clone(), write)]).await?;
    tx.object(1, of, "o").await?;
    tx.standing_object(1, of, "o").await?;
    tx.object_writes(1, of, "o").await?;
    tx.last_tagged_object(1, of, ("a", "b")).await?;
    tx.tagged_objects(1, of, ("a", "b"), ("", "o"), 10).await?;
    tx.lock_tagged_objects(1, of, ("a", "b"), &["o".into()]).await?;
    tx.named_objects(1, std::slice::from_ref(&id)).await?;
    tx.children(1, std::slice::from_ref(&id), 10).await?;
    tx.contents(1, &id, 10).await?;
    tx.categories(1, &id).await?;
    tx.objects_in_category(1, "c", 10).await?;
    let readable = tx.readable_after(1, of, "", 10).await?;
    let keys: Vec<_> = readable.into_iter().map(|row| row.key).collect();
    tx.readable(1, &keys).await?;
    tx.object_bodies(1, of, &["o"]).await?;
    tx.delete_objects(1, of, &["o".into()], None, NOW).await?;

    people(tx).await?;
    tx.connector_user(1, "u").await?;
    tx.connector_group(1, "g").await?;
    tx.connector_members(1, "g").await?;
    tx.users_of_account("a", &["e".into()]).await?;
    tx.connector_memberships(1, &[Member::User("u".into())]).await?;
    tx.delete_users(1, &["u".into()], NOW).await?;
    tx.delete_groups(1, &["g".into()], NOW).await?;
    for tombstones in [
        TombstoneOf::Object(of.name().into()),
        TombstoneOf::User,
        TombstoneOf::Group,
        TombstoneOf::Mapping,
    ] {
        tx.purge_tombstones(1, &tombstones, &["o".into()], NOW).await?;
    }
    tx.delete_connection("i1").await.map(drop)
}

/// A user, a group and a mapping of the first connection.
pub(super) async fn people(tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
    let equal = EqualSequence::Keep;
    let user = User {
        id: "u".into(),
        sequence: None,
        body: "{}".into(),
        email_keys: vec!["e".into()],
    };
    let group = Group {
        id: "g".into(),
        sequence: Some(1),
        body: "{}".into(),
        members: Some(vec![GroupMember {
            member: Member::User("u".into()),
            body: "{}".into(),
        }]),
    };
    let mapping = Mapping {
        user_id: "u".into(),
        sequence: 1,
        mapped_at: 1,
        account: Some("a".into()),
        email: None,
    };
    tx.put_users(1, &[&user], equal, NOW).await?;
    tx.put_groups(1, &[&group], equal, NOW).await?;
    tx.put_mappings(1, &[&mapping], equal).await
}

pub(super) fn connector_object() -> Object {
    Object {
        object_type: ObjectType::CustomerOrg,
        id: "o".into(),
        sequence: 1,
        display_name: "O".into(),
        body: "{}".into(),
        sensitive: None,
        digest: "d".into(),
        tags: BTreeMap::from([("a".into(), "b".into())]),
        parent: None,
        container: None,
        categories: vec!["c".into()],
        readers: Readers::default(),
    }
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
