//! Lists: walks through an index in its order, the numbers that a filter's index has, rows by their
//! numbers, which of some rows have a link, and what a delete would take along.
//!
//! Each way is one statement for each kind and direction, so that each is one walk through one index; a
//! long file, since they are many. A walk comes upon what was deleted and is still to be swept: reading
//! the rows leaves it out.

use std::collections::BTreeSet;

use guildhall_domain::list::{ListKind, Listed, Place, Position, Span};
use guildhall_domain::{
    Customer, Entitlement, Entity, EntityKind, FieldId, Organization, OrganizationId, Product, Timestamp,
};

use crate::details::kind_text;
use crate::driver::{Param, Row};
use crate::entitlements::entity_key;
use crate::error::StoreError;
use crate::tx::ReadTx;
use crate::{customers, entitlements, organizations, products};

/// An index that is walked in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk<'q> {
    /// By number.
    Numbers(ListKind),
    /// By name as compared, in this part. Entitlements have none.
    Names(ListKind, &'q Span),
    /// Customers by email as compared, in this part.
    Emails(&'q Span),
    /// By last change.
    Updates(ListKind),
    /// Those with this key of a field, by number.
    Key(FieldId, &'q str),
    /// Entitlements to a product, by number.
    EntitlementsTo(i64),
}

/// What numbers are gathered from, in any order; a number may come twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gather<'q> {
    /// Those with keys of a field in this part.
    Values(FieldId, &'q Span),
    /// The organizations of a customer.
    OrganizationsOf(i64),
    /// The customers of an organization.
    MembersOf(OrganizationId),
    /// The organizations or customers that are entitled to a product themselves.
    EntitledTo(EntityKind, i64),
    /// The entitlements of an organization or a customer itself.
    EntitlementsOf(Entity),
    /// The products that an organization or a customer is entitled to itself.
    ProductsOf(Entity),
}

/// A link of which each row has one or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linked {
    /// Organizations: this customer is a member.
    ToCustomer(i64),
    /// Customers: a member of this organization.
    ToOrganization(OrganizationId),
    /// Organizations or customers: entitled to this product.
    ToProduct(EntityKind, i64),
    /// Products: what this organization or customer is entitled to.
    ByEntity(Entity),
}

/// The statements of a walk, forward and backward.
type Pair = [&'static str; 2];

const NUMBERS: [Pair; 4] = [
    [
        "SELECT id FROM organization WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3",
        "SELECT id FROM organization WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
    ],
    [
        "SELECT number FROM customer WHERE tenant_id = $1 AND number > $2 ORDER BY number LIMIT $3",
        "SELECT number FROM customer WHERE tenant_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3",
    ],
    [
        "SELECT number FROM product WHERE tenant_id = $1 AND number > $2 ORDER BY number LIMIT $3",
        "SELECT number FROM product WHERE tenant_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3",
    ],
    [
        "SELECT number FROM entitlement WHERE tenant_id = $1 AND number > $2 ORDER BY number LIMIT $3",
        "SELECT number FROM entitlement WHERE tenant_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3",
    ],
];

/// Names of organizations are unique, so they have an order by themselves.
const NAMES: [Pair; 3] = [
    [
        "SELECT name_key, id FROM organization WHERE tenant_id = $1 AND (name_key, id) > ($2, $3) \
         AND name_key < $4 ORDER BY name_key LIMIT $5",
        "SELECT name_key, id FROM organization WHERE tenant_id = $1 AND (name_key, id) < ($2, $3) \
         AND name_key >= $4 ORDER BY name_key DESC LIMIT $5",
    ],
    [
        "SELECT name_key, number FROM customer WHERE tenant_id = $1 AND (name_key, number) > ($2, $3) \
         AND name_key < $4 ORDER BY name_key, number LIMIT $5",
        "SELECT name_key, number FROM customer WHERE tenant_id = $1 AND (name_key, number) < ($2, $3) \
         AND name_key >= $4 ORDER BY name_key DESC, number DESC LIMIT $5",
    ],
    [
        "SELECT name_key, number FROM product WHERE tenant_id = $1 AND (name_key, number) > ($2, $3) \
         AND name_key < $4 ORDER BY name_key, number LIMIT $5",
        "SELECT name_key, number FROM product WHERE tenant_id = $1 AND (name_key, number) < ($2, $3) \
         AND name_key >= $4 ORDER BY name_key DESC, number DESC LIMIT $5",
    ],
];

const EMAILS: Pair = [
    "SELECT email_key, number FROM customer WHERE tenant_id = $1 AND (email_key, number) > ($2, $3) \
     AND email_key < $4 ORDER BY email_key LIMIT $5",
    "SELECT email_key, number FROM customer WHERE tenant_id = $1 AND (email_key, number) < ($2, $3) \
     AND email_key >= $4 ORDER BY email_key DESC LIMIT $5",
];

const UPDATES: [Pair; 4] = [
    [
        "SELECT updated_at, id FROM organization WHERE tenant_id = $1 AND (updated_at, id) > ($2, $3) \
         ORDER BY updated_at, id LIMIT $4",
        "SELECT updated_at, id FROM organization WHERE tenant_id = $1 AND (updated_at, id) < ($2, $3) \
         ORDER BY updated_at DESC, id DESC LIMIT $4",
    ],
    [
        "SELECT updated_at, number FROM customer WHERE tenant_id = $1 AND (updated_at, number) > ($2, $3) \
         ORDER BY updated_at, number LIMIT $4",
        "SELECT updated_at, number FROM customer WHERE tenant_id = $1 AND (updated_at, number) < ($2, $3) \
         ORDER BY updated_at DESC, number DESC LIMIT $4",
    ],
    [
        "SELECT updated_at, number FROM product WHERE tenant_id = $1 AND (updated_at, number) > ($2, $3) \
         ORDER BY updated_at, number LIMIT $4",
        "SELECT updated_at, number FROM product WHERE tenant_id = $1 AND (updated_at, number) < ($2, $3) \
         ORDER BY updated_at DESC, number DESC LIMIT $4",
    ],
    [
        "SELECT updated_at, number FROM entitlement WHERE tenant_id = $1 AND (updated_at, number) > ($2, $3) \
         ORDER BY updated_at, number LIMIT $4",
        "SELECT updated_at, number FROM entitlement WHERE tenant_id = $1 AND (updated_at, number) < ($2, $3) \
         ORDER BY updated_at DESC, number DESC LIMIT $4",
    ],
];

const KEY: Pair = [
    "SELECT entity_number FROM detail_index WHERE tenant_id = $1 AND field_id = $2 AND value_key = $3 \
     AND entity_number > $4 ORDER BY entity_number LIMIT $5",
    "SELECT entity_number FROM detail_index WHERE tenant_id = $1 AND field_id = $2 AND value_key = $3 \
     AND entity_number < $4 ORDER BY entity_number DESC LIMIT $5",
];

const ENTITLEMENTS_TO: Pair = [
    "SELECT number FROM entitlement WHERE tenant_id = $1 AND product_number = $2 AND number > $3 \
     ORDER BY number LIMIT $4",
    "SELECT number FROM entitlement WHERE tenant_id = $1 AND product_number = $2 AND number < $3 \
     ORDER BY number DESC LIMIT $4",
];

/// The place of a kind in the tables of statements; entitlements, which have no names, are the last.
fn place_of(kind: ListKind) -> usize {
    match kind {
        ListKind::Organizations => 0,
        ListKind::Customers => 1,
        ListKind::Products => 2,
        ListKind::Entitlements => 3,
    }
}

fn by_number(row: &Row<'_>) -> Result<Position, StoreError> {
    row.int(0).map(of_number)
}

fn of_number(number: i64) -> Position {
    Position {
        place: Place::Number,
        number,
    }
}

fn by_text(row: &Row<'_>) -> Result<Position, StoreError> {
    Ok(Position {
        place: Place::Text(row.text(0)?),
        number: row.int(1)?,
    })
}

fn by_instant(row: &Row<'_>) -> Result<Position, StoreError> {
    Ok(Position {
        place: Place::Instant(row.int(0)?),
        number: row.int(1)?,
    })
}

fn json(numbers: &[i64]) -> Result<String, StoreError> {
    serde_json::to_string(numbers).map_err(|e| StoreError::Failed(e.to_string()))
}

/// A thing whose times are in the two columns after its own.
fn listed<T>(
    read: fn(&Row<'_>) -> Result<T, StoreError>,
    columns: usize,
) -> impl FnMut(&Row<'_>) -> Result<Listed<T>, StoreError> {
    move |row| {
        Ok(Listed {
            thing: read(row)?,
            created_at: Timestamp(row.int(columns)?),
            updated_at: Timestamp(row.int(columns + 1)?),
        })
    }
}

/// Where a walk through texts goes on, and the text at which it ends.
fn part_of_texts<'a>(
    span: &'a Span,
    after: Option<&'a Position>,
    descending: bool,
) -> ((&'a str, i64), &'a str) {
    let start = match after {
        Some(Position {
            place: Place::Text(text),
            number,
        }) => Some((text.as_str(), *number)),
        _ => None,
    };
    let first = (span.after.0.as_str(), span.after.1);
    let last = (span.before.as_str(), i64::MIN);
    match descending {
        false => (start.map_or(first, |start| start.max(first)), last.0),
        true => (start.map_or(last, |start| start.min(last)), first.0),
    }
}

impl ReadTx<'_> {
    /// The next positions of a walk after `after`, at most `limit`; backward where `descending`. Of a walk by a key some
    /// may be of entities that have it no more.
    pub async fn list_walk(
        &mut self,
        walk: Walk<'_>,
        after: Option<&Position>,
        descending: bool,
        limit: i64,
    ) -> Result<Vec<Position>, StoreError> {
        let side = usize::from(descending);
        let end = if descending { i64::MAX } else { i64::MIN };
        let number = after.map_or(end, |after| after.number);
        match walk {
            Walk::Numbers(kind) => {
                let sql = NUMBERS[place_of(kind)][side];
                self.fetch(sql, &[number.into(), limit.into()], by_number).await
            }
            Walk::Names(ListKind::Organizations, span) if self.has_name_index() => {
                let (from, to) = part_of_texts(span, after, descending);
                self.walk_names((from, to), descending, limit).await
            }
            Walk::Names(kind, span) => {
                let sql = NAMES
                    .get(place_of(kind))
                    .ok_or_else(|| StoreError::Failed(format!("{} have no names", kind.name())))?;
                self.walk_texts(sql[side], span, after, descending, limit).await
            }
            Walk::Emails(span) => {
                self.walk_texts(EMAILS[side], span, after, descending, limit)
                    .await
            }
            Walk::Updates(kind) => {
                let at = match after.map(|after| &after.place) {
                    Some(Place::Instant(at)) => *at,
                    _ => end,
                };
                let params = [at.into(), number.into(), limit.into()];
                self.fetch(UPDATES[place_of(kind)][side], &params, by_instant)
                    .await
            }
            Walk::Key(field, key) => {
                let params = [field.0.into(), key.into(), number.into(), limit.into()];
                let found = self.fetch(KEY[side], &params, |row| row.int(0)).await?;
                let numbers = self.and_pending_with_key((field, key), (number, descending), found, limit);
                Ok(numbers.into_iter().map(of_number).collect())
            }
            Walk::EntitlementsTo(product) => {
                let params = [product.into(), number.into(), limit.into()];
                self.fetch(ENTITLEMENTS_TO[side], &params, by_number).await
            }
        }
    }

    /// The first of the numbers that the index has with a key, and of those that it is still to have.
    fn and_pending_with_key(
        &mut self,
        (field, key): (FieldId, &str),
        (after, descending): (i64, bool),
        mut numbers: Vec<i64>,
        limit: i64,
    ) -> Vec<i64> {
        let place = (self.tenant(), field);
        let limit = usize::try_from(limit).unwrap_or(0);
        let pending = self.pending(
            place,
            |hold| hold.with_key(place, key, (after, descending), limit),
            |entry| {
                let is_behind = match descending {
                    false => entry.number > after,
                    true => entry.number < after,
                };
                (is_behind && *entry.key == *key).then_some(entry.number)
            },
        );
        if pending.is_empty() {
            return numbers;
        }
        numbers.extend(pending);
        numbers.sort_unstable();
        if descending {
            numbers.reverse();
        }
        numbers.dedup();
        numbers.truncate(limit);
        numbers
    }

    /// The numbers of the entries in a part of a field's keys, those that the index has and those that it is still to have; `None`
    /// where there are more than `max` entries.
    async fn gather_values(
        &mut self,
        (field, span): (FieldId, &Span),
        max: usize,
    ) -> Result<Option<Vec<i64>>, StoreError> {
        const VALUES: &str = "SELECT entity_number, value_key FROM detail_index \
             WHERE tenant_id = $1 AND field_id = $2 \
             AND (value_key, entity_number) > ($3, $4) AND value_key < $5 LIMIT $6";
        let limit = i64::try_from(max).unwrap_or(i64::MAX).saturating_add(1);
        let params = [
            field.0.into(),
            (&span.after.0).into(),
            span.after.1.into(),
            (&span.before).into(),
            limit.into(),
        ];
        let found = self.fetch(VALUES, &params, |row| row.int(0)).await?;
        if found.len() > max {
            return Ok(None);
        }
        let place = (self.tenant(), field);
        let pending = self.pending(
            place,
            |hold| hold.in_span(place, span, max.saturating_add(1)),
            |entry| {
                let (key, number) = (&*entry.key, entry.number);
                let is_within = (key, number) > (&*span.after.0, span.after.1) && *key < *span.before;
                is_within.then(|| (entry.key.clone(), number))
            },
        );
        if pending.is_empty() {
            return Ok(Some(found));
        }
        // An entry that is being brought in is one; the same snapshot says the same again.
        let of_index = |row: &Row<'_>| Ok((row.text(1)?.into(), row.int(0)?));
        let mut entries = BTreeSet::from_iter(self.fetch(VALUES, &params, of_index).await?);
        entries.extend(pending);
        let numbers = || entries.iter().map(|(_, number)| *number).collect();
        Ok((entries.len() <= max).then(numbers))
    }

    async fn walk_texts(
        &mut self,
        sql: &'static str,
        span: &Span,
        after: Option<&Position>,
        descending: bool,
        limit: i64,
    ) -> Result<Vec<Position>, StoreError> {
        let (from, end) = part_of_texts(span, after, descending);
        let params = [from.0.into(), from.1.into(), end.into(), limit.into()];
        self.fetch(sql, &params, by_text).await
    }

    /// All numbers that an index has, in any order; `None` when it has more than `max` rows of them. Of those by values
    /// some may be of entities that have them no more.
    pub async fn list_gather(
        &mut self,
        gather: Gather<'_>,
        max: usize,
    ) -> Result<Option<Vec<i64>>, StoreError> {
        const ORGANIZATIONS_OF: &str =
            "SELECT organization_id FROM membership WHERE tenant_id = $1 AND customer_number = $2 LIMIT $3";
        const MEMBERS_OF: &str =
            "SELECT customer_number FROM membership WHERE tenant_id = $1 AND organization_id = $2 LIMIT $3";
        const ENTITLED_TO: &str = "SELECT entity_number, entity_kind FROM entitlement \
             WHERE tenant_id = $1 AND product_number = $2 LIMIT $3";
        const ENTITLEMENTS_OF: &str = "SELECT number FROM entitlement \
             WHERE tenant_id = $1 AND entity_kind = $2 AND entity_number = $3 LIMIT $4";
        const PRODUCTS_OF: &str = "SELECT product_number FROM entitlement \
             WHERE tenant_id = $1 AND entity_kind = $2 AND entity_number = $3 LIMIT $4";
        let limit = i64::try_from(max).unwrap_or(i64::MAX).saturating_add(1);
        let number = |row: &Row<'_>| row.int(0).map(Some);
        let rows = match gather {
            Gather::Values(field, span) => return self.gather_values((field, span), max).await,
            Gather::OrganizationsOf(customer) => {
                let params = [customer.into(), limit.into()];
                self.fetch(ORGANIZATIONS_OF, &params, number).await?
            }
            Gather::MembersOf(organization) => {
                let params = [organization.0.into(), limit.into()];
                self.fetch(MEMBERS_OF, &params, number).await?
            }
            Gather::EntitledTo(kind, product) => {
                // Rows of the other kind count, since they are looked at; their numbers mean something else.
                let params = [product.into(), limit.into()];
                let wanted = kind_text(kind);
                let of_kind = |row: &Row<'_>| Ok((row.text(1)? == wanted).then_some(row.int(0)?));
                self.fetch(ENTITLED_TO, &params, of_kind).await?
            }
            Gather::EntitlementsOf(entity) => {
                let (kind, entity) = entity_key(entity);
                let params = [kind.into(), entity.into(), limit.into()];
                self.fetch(ENTITLEMENTS_OF, &params, number).await?
            }
            Gather::ProductsOf(entity) => {
                let (kind, entity) = entity_key(entity);
                let params = [kind.into(), entity.into(), limit.into()];
                self.fetch(PRODUCTS_OF, &params, number).await?
            }
        };
        Ok((rows.len() <= max).then(|| rows.into_iter().flatten().collect()))
    }

    /// Those of `numbers` that have the link.
    pub async fn list_linked(
        &mut self,
        linked: Linked,
        numbers: &[i64],
    ) -> Result<BTreeSet<i64>, StoreError> {
        const ORGANIZATIONS: &str = "SELECT organization_id FROM membership \
             WHERE tenant_id = $1 AND customer_number = $2 AND organization_id IN EACH_INT($3)";
        const CUSTOMERS: &str = "SELECT customer_number FROM membership \
             WHERE tenant_id = $1 AND customer_number IN EACH_INT($2) AND organization_id = $3";
        const ENTITLED: &str = "SELECT entity_number FROM entitlement \
             WHERE tenant_id = $1 AND entity_kind = $2 AND entity_number IN EACH_INT($3) AND +product_number = $4";
        const PRODUCTS: &str = "SELECT product_number FROM entitlement \
             WHERE tenant_id = $1 AND entity_kind = $2 AND entity_number = $3 AND +product_number IN EACH_INT($4)";
        if numbers.is_empty() {
            return Ok(BTreeSet::new());
        }
        let among = json(numbers)?;
        let number = |row: &Row<'_>| row.int(0);
        let found = match linked {
            Linked::ToCustomer(customer) => {
                let params = [customer.into(), (&among).into()];
                self.fetch(ORGANIZATIONS, &params, number).await?
            }
            Linked::ToOrganization(organization) => {
                let params = [(&among).into(), organization.0.into()];
                self.fetch(CUSTOMERS, &params, number).await?
            }
            Linked::ToProduct(kind, product) => {
                let params = [kind_text(kind).into(), (&among).into(), product.into()];
                self.fetch(ENTITLED, &params, number).await?
            }
            Linked::ByEntity(entity) => {
                let (kind, entity) = entity_key(entity);
                let params = [kind.into(), entity.into(), (&among).into()];
                self.fetch(PRODUCTS, &params, number).await?
            }
        };
        Ok(found.into_iter().collect())
    }

    /// The organizations with these numbers that exist, in any order.
    pub async fn list_organizations(
        &mut self,
        numbers: &[i64],
    ) -> Result<Vec<Listed<Organization>>, StoreError> {
        const SQL: &str = "SELECT id, name, name_key, details, created_at, updated_at FROM organization \
             WHERE tenant_id = $1 AND id IN EACH_INT($2)";
        self.fetch(SQL, &[(&json(numbers)?).into()], listed(organizations::row, 4))
            .await
    }

    /// The customers with these numbers that exist, in any order.
    pub async fn list_customers(&mut self, numbers: &[i64]) -> Result<Vec<Listed<Customer>>, StoreError> {
        const SQL: &str = "SELECT number, id, email, email_key, display_name, details, created_at, updated_at \
             FROM customer WHERE tenant_id = $1 AND number IN EACH_INT($2)";
        self.fetch(SQL, &[(&json(numbers)?).into()], listed(customers::row, 6))
            .await
    }

    /// The products with these numbers that exist, in any order.
    pub async fn list_products(&mut self, numbers: &[i64]) -> Result<Vec<Listed<Product>>, StoreError> {
        const SQL: &str = "SELECT number, id, name, name_key, created_at, updated_at FROM product \
             WHERE tenant_id = $1 AND number IN EACH_INT($2)";
        self.fetch(SQL, &[(&json(numbers)?).into()], listed(products::row, 4))
            .await
    }

    /// The entitlements with these numbers that exist, in any order.
    pub async fn list_entitlements(
        &mut self,
        numbers: &[i64],
    ) -> Result<Vec<Listed<Entitlement>>, StoreError> {
        const SQL: &str = "SELECT e.number, e.id, e.entity_kind, e.entity_number, c.id, p.id, p.name, e.details, \
             e.created_at, e.updated_at FROM entitlement e \
             JOIN product p ON p.tenant_id = e.tenant_id AND p.number = e.product_number \
             LEFT JOIN customer c ON e.entity_kind = 'CUSTOMER' AND c.tenant_id = e.tenant_id \
                 AND c.number = e.entity_number \
             LEFT JOIN organization o ON e.entity_kind = 'ORGANIZATION' AND o.tenant_id = e.tenant_id \
                 AND o.id = e.entity_number \
             WHERE e.tenant_id = $1 AND e.number IN EACH_INT($2) AND (c.number IS NOT NULL OR o.id IS NOT NULL)";
        self.fetch(SQL, &[(&json(numbers)?).into()], listed(entitlements::row, 8))
            .await
    }

    async fn count(&mut self, sql: &'static str, params: &[Param<'_>]) -> Result<i64, StoreError> {
        let found = self.fetch_optional(sql, params, |row| row.int(0)).await?;
        Ok(found.unwrap_or(0))
    }

    /// How many memberships an organization or a customer has, at most `limit`.
    pub async fn count_memberships(&mut self, of: Entity, limit: i64) -> Result<i64, StoreError> {
        const CUSTOMERS: &str = "SELECT COUNT(*) FROM (SELECT 1 FROM membership m \
             JOIN customer c ON c.tenant_id = m.tenant_id AND c.number = m.customer_number \
             WHERE m.tenant_id = $1 AND m.organization_id = $2 LIMIT $3) AS found";
        const ORGANIZATIONS: &str = "SELECT COUNT(*) FROM (SELECT 1 FROM membership m \
             JOIN organization o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id \
             WHERE m.tenant_id = $1 AND m.customer_number = $2 LIMIT $3) AS found";
        match of {
            Entity::Organization(id) => self.count(CUSTOMERS, &[id.0.into(), limit.into()]).await,
            Entity::Customer(number) => self.count(ORGANIZATIONS, &[number.into(), limit.into()]).await,
        }
    }

    /// How many entitlements an organization or a customer has itself, at most `limit`.
    pub async fn count_entitlements_of(&mut self, entity: Entity, limit: i64) -> Result<i64, StoreError> {
        const SQL: &str = "SELECT COUNT(*) FROM (SELECT 1 FROM entitlement e \
             JOIN product p ON p.tenant_id = e.tenant_id AND p.number = e.product_number \
             WHERE e.tenant_id = $1 AND e.entity_kind = $2 AND e.entity_number = $3 LIMIT $4) AS found";
        let (kind, number) = entity_key(entity);
        self.count(SQL, &[kind.into(), number.into(), limit.into()]).await
    }

    /// How many entitlements there are to a product, at most `limit`.
    pub async fn count_entitlements_to(&mut self, product: i64, limit: i64) -> Result<i64, StoreError> {
        const SQL: &str = "SELECT COUNT(*) FROM (SELECT 1 FROM entitlement e \
             LEFT JOIN customer c ON e.entity_kind = 'CUSTOMER' AND c.tenant_id = e.tenant_id \
                 AND c.number = e.entity_number \
             LEFT JOIN organization o ON e.entity_kind = 'ORGANIZATION' AND o.tenant_id = e.tenant_id \
                 AND o.id = e.entity_number \
             WHERE e.tenant_id = $1 AND e.product_number = $2 AND (c.number IS NOT NULL OR o.id IS NOT NULL) \
             LIMIT $3) AS found";
        self.count(SQL, &[product.into(), limit.into()]).await
    }
}

#[cfg(test)]
#[path = "lists_tests.rs"]
pub(crate) mod tests;
