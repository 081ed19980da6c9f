//! Lists (docs/api.md, "Lists"): what is asked for is checked, what it names is looked up, and a page of
//! it is found by `search`.

use std::sync::Arc;

use guildhall_domain::field::Definitions;
use guildhall_domain::list::{LinkFilter, LinkTo, ListQuery, Listable, Listed, Sources, Span, cursor};
use guildhall_domain::{Caller, Customer, Entitlement, Entity, Organization, Product, limits};
use guildhall_storage::{ReadTx, StoreError};

use crate::list_pages::Search;
use crate::organizations::find_organization;
use crate::values::find_customer;
use crate::{Error, Service};

/// One page of a list.
#[derive(Clone, Debug)]
pub struct ListPage<T> {
    /// The rows, in the order asked for.
    pub rows: Vec<Listed<T>>,
    /// What their values mean.
    pub definitions: Arc<Definitions>,
    /// What to ask with for the next page, if there may be one.
    pub next: Option<String>,
    /// How many rows the whole list has, where that was asked.
    pub total: Option<Total>,
}

/// How many rows a list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// So many, or at least so many.
    pub count: i64,
    /// Whether it is just so many.
    pub exact: bool,
}

/// Things that lists can load.
pub(crate) trait Load: Listable + Clone {
    /// Those of these numbers that exist, in any order.
    async fn load(tx: &mut ReadTx<'_>, numbers: &[i64]) -> Result<Vec<Listed<Self>>, StoreError>;

    /// Whether it has a link, where it says so itself.
    fn says(&self, _link: LinkTo, _id: &LinkFilter) -> Option<bool> {
        None
    }
}

impl Load for Organization {
    async fn load(tx: &mut ReadTx<'_>, numbers: &[i64]) -> Result<Vec<Listed<Self>>, StoreError> {
        tx.list_organizations(numbers).await
    }
}

impl Load for Customer {
    async fn load(tx: &mut ReadTx<'_>, numbers: &[i64]) -> Result<Vec<Listed<Self>>, StoreError> {
        tx.list_customers(numbers).await
    }
}

impl Load for Product {
    async fn load(tx: &mut ReadTx<'_>, numbers: &[i64]) -> Result<Vec<Listed<Self>>, StoreError> {
        tx.list_products(numbers).await
    }
}

impl Load for Entitlement {
    async fn load(tx: &mut ReadTx<'_>, numbers: &[i64]) -> Result<Vec<Listed<Self>>, StoreError> {
        tx.list_entitlements(numbers).await
    }

    fn says(&self, link: LinkTo, id: &LinkFilter) -> Option<bool> {
        Some(match (link, id) {
            (LinkTo::Organization(id), _) => self.entity == Entity::Organization(id),
            (LinkTo::Customer(number), _) => self.entity == Entity::Customer(number),
            (LinkTo::Product(_), LinkFilter::Product(id)) => self.product_id.eq_ignore_ascii_case(id),
            (LinkTo::Product(_), _) => return None,
        })
    }
}

impl Service {
    /// Organizations as the query asks, at most `limit` (1 to 100).
    pub async fn list_organizations(
        &self,
        caller: &Caller,
        query: &ListQuery,
        cursor: Option<&str>,
        limit: Option<i64>,
    ) -> Result<ListPage<Organization>, Error> {
        self.list(caller, query, cursor, limit).await
    }

    /// Customers as the query asks, at most `limit` (1 to 100).
    pub async fn list_customers(
        &self,
        caller: &Caller,
        query: &ListQuery,
        cursor: Option<&str>,
        limit: Option<i64>,
    ) -> Result<ListPage<Customer>, Error> {
        self.list(caller, query, cursor, limit).await
    }

    /// Products as the query asks, at most `limit` (1 to 100).
    pub async fn list_products(
        &self,
        caller: &Caller,
        query: &ListQuery,
        cursor: Option<&str>,
        limit: Option<i64>,
    ) -> Result<ListPage<Product>, Error> {
        self.list(caller, query, cursor, limit).await
    }

    /// Entitlements as the query asks, at most `limit` (1 to 100).
    pub async fn list_entitlements(
        &self,
        caller: &Caller,
        query: &ListQuery,
        cursor: Option<&str>,
        limit: Option<i64>,
    ) -> Result<ListPage<Entitlement>, Error> {
        self.list(caller, query, cursor, limit).await
    }

    async fn list<T: Load>(
        &self,
        caller: &Caller,
        query: &ListQuery,
        cursor: Option<&str>,
        limit: Option<i64>,
    ) -> Result<ListPage<T>, Error> {
        let max = limits::LIST_PAGE_MAX;
        let limit = usize::try_from(limit.unwrap_or(max).clamp(1, max)).unwrap_or(1);
        let tenant = caller.tenant;
        let after = cursor.map(|text| cursor::read(query, tenant, text)).transpose()?;
        self.store
            .read_aside(tenant, query.looks_at_many(), async |tx| {
                let definitions = match query.kind.fields() {
                    Some(kind) => self.definitions.get(tx, kind).await?,
                    None => Arc::default(),
                };
                let filters = query.filters(&definitions, self.settings.phone_format)?;
                let mut page = ListPage {
                    rows: Vec::new(),
                    definitions,
                    next: None,
                    total: query.count.then_some(Total {
                        count: 0,
                        exact: true,
                    }),
                };
                // Nothing is linked to what does not exist.
                let Some(links) = find_links(tx, &query.links).await? else {
                    return Ok(page);
                };
                let sources = Sources::new(query, &filters, &links);
                let search = Search {
                    query,
                    filters: &filters,
                    links: &links,
                    sources: &sources,
                    all: Span::all(),
                    rows_max: self.settings.list_rows_max,
                };
                let source = search.source(tx).await?;
                if query.count {
                    page.total = Some(search.count::<T>(tx, &source).await?);
                }
                let (rows, next) = search.page::<T>(tx, &source, after, limit).await?;
                page.rows = rows;
                page.next = next.map(|position| cursor::write(query, tenant, &position));
                Ok(page)
            })
            .await
    }
}

/// What the ids of links name; `None` when one of them names nothing.
async fn find_links(tx: &mut ReadTx<'_>, links: &[LinkFilter]) -> Result<Option<Vec<LinkTo>>, StoreError> {
    let mut found = Vec::with_capacity(links.len());
    for link in links {
        let link = match link {
            LinkFilter::Organization(id) => find_organization(tx, id)
                .await?
                .map(|organization| LinkTo::Organization(organization.id)),
            LinkFilter::Customer(id) => find_customer(tx, id)
                .await?
                .map(|customer| LinkTo::Customer(customer.number)),
            LinkFilter::Product(id) => tx
                .product(&id.to_ascii_lowercase())
                .await?
                .map(|product| LinkTo::Product(product.number)),
        };
        match link {
            Some(link) => found.push(link),
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}
