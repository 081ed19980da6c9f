//! Lists (docs/api.md, "Lists"): what is asked for is checked, what it names is looked up, and a page of
//! it is found by `search`.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use guildhall_domain::field::{Definitions, Values};
use guildhall_domain::list::{
    LinkFilter, LinkTo, ListQuery, Listable, Listed, Position, Sources, Span, cursor,
};
use guildhall_domain::{
    Caller, Customer, Entitlement, Entity, Organization, OrganizationId, Product, TenantId, limits,
};
use guildhall_storage::{ReadTx, StoreError};
use serde_json::value::RawValue;

use crate::kept::Kept;
use crate::list_pages::Search;
use crate::organizations::find_organization;
use crate::values::find_customer;
use crate::{Error, Service};

/// One page of a list.
#[derive(Clone, Debug)]
pub struct ListPage<T> {
    /// The rows, in the order asked for.
    pub rows: Vec<Arc<ListRow<T>>>,
    /// What their values mean.
    pub definitions: Arc<Definitions>,
    /// What to ask with for the next page, if there may be one.
    pub next: Option<String>,
    /// How many rows the whole list has, where that was asked.
    pub total: Option<Total>,
    /// Whether it ended early or was not counted to the end, because only so many rows are looked at. How many those are may
    /// change with what is swept, or brought into an index, which changes nothing else of the page.
    pub is_cut: bool,
}

/// A row of a list. It may be one that an earlier list had, if nothing of it has changed since.
#[derive(Debug)]
pub struct ListRow<T> {
    listed: Listed<T>,
    shown: OnceLock<Box<RawValue>>,
}

impl<T> From<Listed<T>> for ListRow<T> {
    fn from(listed: Listed<T>) -> Self {
        Self {
            listed,
            shown: OnceLock::new(),
        }
    }
}

impl<T> Deref for ListRow<T> {
    type Target = Listed<T>;

    fn deref(&self) -> &Listed<T> {
        &self.listed
    }
}

impl<T> ListRow<T> {
    /// The text that is shown of the row: made once, from the row and the definitions that came with it.
    ///
    /// # Errors
    ///
    /// Those of `make`.
    pub fn shown<E>(
        &self,
        make: impl FnOnce(&Listed<T>) -> Result<Box<RawValue>, E>,
    ) -> Result<&RawValue, E> {
        match self.shown.get() {
            Some(shown) => Ok(shown),
            None => {
                let made = make(&self.listed)?;
                Ok(self.shown.get_or_init(|| made))
            }
        }
    }
}

/// Rows of one kind, by tenant and number.
type RowsOf<T> = Kept<(TenantId, i64), Arc<ListRow<T>>>;

/// Rows that lists had, under their versions. Definitions have no part in the key, since a change of them is
/// a change of everything of the tenant.
pub(crate) struct KeptRows {
    organizations: RowsOf<Organization>,
    customers: RowsOf<Customer>,
}

/// What the rows of one kind may hold, about.
const ROWS_BYTES_MAX: usize = 24 * 1024 * 1024;
/// The longest page, and the row that tells that there is another.
const PAGE_ROWS_MAX: usize = limits::LIST_PAGE_MAX as usize + 1;
/// A row with more values is not kept.
const ROW_BYTES_MAX: usize = 32 * 1024;
/// What a value costs beside its text: as it is, and as it is shown.
const VALUE_OVERHEAD_BYTES: usize = 160;
/// What a row costs beside its values.
const ROW_OVERHEAD_BYTES: usize = 512;

impl Default for KeptRows {
    fn default() -> Self {
        Self {
            organizations: Kept::holding(ROWS_BYTES_MAX),
            customers: Kept::holding(ROWS_BYTES_MAX),
        }
    }
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

    /// What has the versions of the thing with this number; `None` where such things have none.
    fn versioned(_number: i64) -> Option<Entity> {
        None
    }

    /// Where its rows are kept.
    fn kept(_rows: &KeptRows) -> Option<&RowsOf<Self>> {
        None
    }

    /// Those of these numbers that exist, in any order; kept ones where they are as good as new ones.
    async fn rows(
        tx: &mut ReadTx<'_>,
        rows: &KeptRows,
        numbers: &[i64],
    ) -> Result<Vec<Arc<ListRow<Self>>>, StoreError> {
        let tenant = tx.tenant();
        let version = |tx: &ReadTx<'_>, number| Self::versioned(number).and_then(|thing| tx.version(thing));
        let Some(kept) = Self::kept(rows) else {
            let loaded = Self::load(tx, numbers).await?;
            return Ok(loaded.into_iter().map(|row| Arc::new(row.into())).collect());
        };
        let (mut found, mut missing) = (Vec::with_capacity(numbers.len()), Vec::new());
        for number in numbers {
            match version(tx, *number).and_then(|version| kept.find((tenant, *number), version)) {
                Some(row) => found.push(row),
                None => missing.push(*number),
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        // Of more than a page most are looked at only, and would push out what is shown.
        let are_shown = numbers.len() <= PAGE_ROWS_MAX;
        for row in Self::load(tx, &missing).await? {
            let (number, bytes) = (row.thing.number(), bytes_of(&row));
            let row = Arc::new(ListRow::from(row));
            // It is of this snapshot, so its version is the one that it has here.
            if let Some(version) = version(tx, number)
                && are_shown
                && bytes <= ROW_BYTES_MAX
            {
                kept.keep((tenant, number), version, Arc::clone(&row), bytes);
            }
            found.push(row);
        }
        Ok(found)
    }
}

/// What a row costs in memory, about, together with the text that is shown of it.
fn bytes_of<T: Listable>(row: &Listed<T>) -> usize {
    let values = row.thing.details().into_iter().flat_map(Values::iter);
    let texts = values.flat_map(|(_, texts)| texts);
    ROW_OVERHEAD_BYTES
        + texts
            .map(|text| 2 * text.len() + VALUE_OVERHEAD_BYTES)
            .sum::<usize>()
}

impl Load for Organization {
    async fn load(tx: &mut ReadTx<'_>, numbers: &[i64]) -> Result<Vec<Listed<Self>>, StoreError> {
        tx.list_organizations(numbers).await
    }

    fn versioned(number: i64) -> Option<Entity> {
        Some(Entity::Organization(OrganizationId(number)))
    }

    fn kept(rows: &KeptRows) -> Option<&RowsOf<Self>> {
        Some(&rows.organizations)
    }
}

impl Load for Customer {
    async fn load(tx: &mut ReadTx<'_>, numbers: &[i64]) -> Result<Vec<Listed<Self>>, StoreError> {
        tx.list_customers(numbers).await
    }

    fn versioned(number: i64) -> Option<Entity> {
        Some(Entity::Customer(number))
    }

    fn kept(rows: &KeptRows) -> Option<&RowsOf<Self>> {
        Some(&rows.customers)
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
        let asked = Asked { query, after, limit };
        // What turns out to be long is begun again when it has its turn.
        let mut is_long = false;
        loop {
            let list = async |tx: &mut ReadTx<'_>| self.page::<T>(tx, &asked, is_long).await;
            let page = match is_long {
                false => self.store.read(tenant, list).await?,
                true => self.store.read_aside(tenant, list).await?,
            };
            match page {
                Some(page) => return Ok(page),
                None => is_long = true,
            }
        }
    }

    /// A page; nothing where it would take long and must not.
    async fn page<T: Load>(
        &self,
        tx: &mut ReadTx<'_>,
        asked: &Asked<'_>,
        may_be_long: bool,
    ) -> Result<Option<ListPage<T>>, Error> {
        let query = asked.query;
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
            is_cut: false,
        };
        // Nothing is linked to what does not exist.
        let Some(links) = find_links(tx, &query.links).await? else {
            return Ok(Some(page));
        };
        let sources = Sources::new(query, &filters, &links);
        if !may_be_long && (query.count || (query.looks_at_many() && !sources.are_exact(&filters))) {
            return Ok(None);
        }
        let search = Search {
            query,
            filters: &filters,
            links: &links,
            sources: &sources,
            all: Span::all(),
            rows_max: self.settings.list_rows_max,
            rows: &self.rows,
        };
        let source = search.source(tx).await?;
        if query.count {
            page.total = Some(search.count::<T>(tx, &source).await?);
        }
        let (rows, next) = search
            .page::<T>(tx, &source, asked.after.clone(), asked.limit)
            .await?;
        let ended_early = next.is_some() && rows.len() < asked.limit;
        page.is_cut = ended_early || page.total.is_some_and(|total| !total.exact);
        page.rows = rows;
        page.next = next.map(|position| cursor::write(query, tx.tenant(), &position));
        Ok(Some(page))
    }
}

/// What a list is asked for.
struct Asked<'q> {
    query: &'q ListQuery,
    after: Option<Position>,
    limit: usize,
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
