//! One page of a list: the index that leads is asked for numbers, the rows of these are loaded in blocks,
//! and those that pass all filters are kept. A page is the next rows after a position in the order asked
//! for, whichever index finds them: that is why a row that stands still is seen once, and why a page may
//! end early with the position that it came to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use guildhall_domain::Entity;
use guildhall_domain::list::{
    Choice, Filters, Lead, LinkTo, ListKind, ListQuery, Place, Position, SortBy, Sources, Span,
};
use guildhall_storage::{Gather, Linked, ReadTx, StoreError, Walk};

use crate::lists::{KeptRows, ListRow, Load, Total};

/// Rows that one statement loads at most: each may have a quarter of a megabyte of values.
const BLOCK_ROWS_MAX: usize = 250;

/// Where rows come from.
pub(crate) enum Source {
    /// From all of the lead's rows: their numbers, each once, the least first.
    Numbers(Vec<i64>),
    /// From a walk: through the index of this lead, or else of the order asked for.
    Walk(Option<usize>),
}

/// A list that is being made.
pub(crate) struct Search<'q> {
    /// What is asked.
    pub(crate) query: &'q ListQuery,
    /// What is asked of each row alone.
    pub(crate) filters: &'q Filters,
    /// What each row must be linked to, in the order of the query.
    pub(crate) links: &'q [LinkTo],
    /// The leads.
    pub(crate) sources: &'q Sources,
    /// All of an index of texts.
    pub(crate) all: Span,
    /// Rows that a page looks at, and a count counts.
    pub(crate) rows_max: usize,
    /// Rows that lists had before.
    pub(crate) rows: &'q KeptRows,
}

/// The next rows, and where the page ends if there may be more.
type Found<T> = (Vec<Arc<ListRow<T>>>, Option<Position>);

impl Search<'_> {
    /// What leads, and what it has.
    pub(crate) async fn source(&self, tx: &mut ReadTx<'_>) -> Result<Source, StoreError> {
        let mut fewest: Option<(usize, Vec<i64>)> = None;
        let choice = match self.sources.obvious() {
            Some(choice) => choice,
            None => {
                for (at, lead) in self.sources.leads().iter().enumerate() {
                    // One that has as many as the best before is no better.
                    let max = match &fewest {
                        Some((_, best)) => best.len().saturating_sub(1),
                        None => self.rows_max,
                    };
                    if let Some(numbers) = self.gather(tx, lead, max).await? {
                        fewest = Some((at, numbers));
                    }
                }
                self.sources.choose(fewest.as_ref().map(|(at, _)| *at))
            }
        };
        Ok(match (choice, fewest) {
            (Choice::Gather(_), Some((_, mut numbers))) => {
                numbers.sort_unstable();
                numbers.dedup();
                Source::Numbers(numbers)
            }
            (Choice::Walk(lead), _) => Source::Walk(Some(lead)),
            (Choice::Gather(_) | Choice::Order, _) => Source::Walk(None),
        })
    }

    /// All numbers of a lead, unless it has more than `max` rows.
    async fn gather(
        &self,
        tx: &mut ReadTx<'_>,
        lead: &Lead,
        max: usize,
    ) -> Result<Option<Vec<i64>>, StoreError> {
        let kind = self.query.kind;
        let limit = i64::try_from(max).unwrap_or(i64::MAX).saturating_add(1);
        let walk = match lead {
            Lead::Keys(field, keys) => {
                let mut all = Vec::new();
                for key in keys {
                    let span = Span::of(key);
                    let gather = Gather::Values(*field, &span);
                    match tx.list_gather(gather, max - all.len()).await? {
                        Some(numbers) => all.extend(numbers),
                        None => return Ok(None),
                    }
                }
                return Ok(Some(all));
            }
            Lead::Values(field, span) => {
                return tx.list_gather(Gather::Values(*field, span), max).await;
            }
            Lead::Link(link) => match linked_numbers(kind, *link) {
                Some(gather) => return tx.list_gather(gather, max).await,
                None => self.walk_of(lead),
            },
            Lead::Names(_) | Lead::Emails(_) => self.walk_of(lead),
        };
        let found = tx.list_walk(walk, None, false, limit).await?;
        let numbers = || found.iter().map(|position| position.number).collect();
        Ok((found.len() <= max).then(numbers))
    }

    /// The walk through a lead's index.
    fn walk_of<'l>(&'l self, lead: &'l Lead) -> Walk<'l> {
        let kind = self.query.kind;
        match lead {
            Lead::Keys(field, keys) => {
                let key = keys.first().map_or("", String::as_str);
                Walk::Key(*field, key)
            }
            Lead::Names(span) => Walk::Names(kind, span),
            Lead::Emails(span) => Walk::Emails(span),
            Lead::Link(LinkTo::Product(product)) => Walk::EntitlementsTo(*product),
            Lead::Values(..) | Lead::Link(_) => Walk::Numbers(kind),
        }
    }

    /// The next positions of a source after `after`.
    async fn positions(
        &self,
        tx: &mut ReadTx<'_>,
        source: &Source,
        after: Option<&Position>,
        wanted: usize,
    ) -> Result<Vec<Position>, StoreError> {
        let kind = self.query.kind;
        let descending = self.query.sort.descending;
        let walk = match source {
            Source::Numbers(numbers) => return Ok(numbers_after(numbers, after, descending, wanted)),
            Source::Walk(Some(lead)) => self.walk_of(&self.sources.leads()[*lead]),
            Source::Walk(None) => match self.query.sort.by {
                SortBy::Id => Walk::Numbers(kind),
                SortBy::Name => Walk::Names(kind, &self.all),
                SortBy::Email => Walk::Emails(&self.all),
                SortBy::UpdatedAt => Walk::Updates(kind),
            },
        };
        let limit = i64::try_from(wanted).unwrap_or(i64::MAX);
        tx.list_walk(walk, after, descending, limit).await
    }

    /// The next rows after a position, and where the page ends if there may be more.
    pub(crate) async fn page<T: Load>(
        &self,
        tx: &mut ReadTx<'_>,
        source: &Source,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Found<T>, StoreError> {
        if let (Source::Numbers(numbers), false) = (source, self.query.sort.by == SortBy::Id) {
            return self.first::<T>(tx, numbers, after.as_ref(), limit).await;
        }
        let (mut rows, mut last, mut looked_at) = (Vec::new(), after, 0);
        // As many as fill a page where all pass, and more each time where they do not.
        let mut wanted = limit + 1;
        loop {
            wanted = wanted.min(BLOCK_ROWS_MAX).min(self.rows_max - looked_at);
            if wanted == 0 {
                return Ok((rows, last));
            }
            let positions = self.positions(tx, source, last.as_ref(), wanted).await?;
            let is_end = positions.len() < wanted;
            looked_at += positions.len();
            let numbers: Vec<i64> = positions.iter().map(|position| position.number).collect();
            let mut found = self.passing::<T>(tx, &numbers).await?;
            for position in positions {
                if let Some(row) = found.remove(&position.number) {
                    if rows.len() == limit {
                        return Ok((rows, last));
                    }
                    rows.push(row);
                }
                last = Some(position);
            }
            if is_end {
                return Ok((rows, None));
            }
            wanted *= 2;
        }
    }

    /// The first rows of these after a position, in another order than that of their numbers.
    async fn first<T: Load>(
        &self,
        tx: &mut ReadTx<'_>,
        numbers: &[i64],
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Found<T>, StoreError> {
        let sort = self.query.sort;
        let mut first: BTreeMap<Position, Arc<ListRow<T>>> = BTreeMap::new();
        for block in numbers.chunks(BLOCK_ROWS_MAX) {
            for row in self.passing::<T>(tx, block).await?.into_values() {
                let position = row.position(sort.by);
                if after.is_none_or(|after| position.is_after(after, sort.descending)) {
                    first.insert(position, row);
                }
                if first.len() > limit + 1 {
                    let _beyond = match sort.descending {
                        false => first.pop_last(),
                        true => first.pop_first(),
                    };
                }
            }
        }
        let mut first: Vec<_> = first.into_iter().collect();
        if sort.descending {
            first.reverse();
        }
        let more = first.len() > limit;
        first.truncate(limit);
        let next = first
            .last()
            .filter(|_| more)
            .map(|(position, _)| position.clone());
        Ok((first.into_iter().map(|(_, row)| row).collect(), next))
    }

    /// Those of these numbers that exist and pass all filters.
    async fn passing<T: Load>(
        &self,
        tx: &mut ReadTx<'_>,
        numbers: &[i64],
    ) -> Result<BTreeMap<i64, Arc<ListRow<T>>>, StoreError> {
        if numbers.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut rows = T::rows(tx, self.rows, numbers).await?;
        rows.retain(|row| self.filters.pass(&row.thing));
        for (link, id) in self.links.iter().zip(&self.query.links) {
            let asked: Vec<i64> = rows
                .iter()
                .filter(|row| row.thing.says(*link, id).is_none())
                .map(|row| row.thing.number())
                .collect();
            let linked = match has_link(T::KIND, *link) {
                Some(question) => tx.list_linked(question, &asked).await?,
                None => BTreeSet::new(),
            };
            rows.retain(|row| {
                let said = row.thing.says(*link, id);
                said.unwrap_or_else(|| linked.contains(&row.thing.number()))
            });
        }
        Ok(rows.into_iter().map(|row| (row.thing.number(), row)).collect())
    }

    /// How many rows there are: exact unless too many would have to be looked at.
    pub(crate) async fn count<T: Load>(
        &self,
        tx: &mut ReadTx<'_>,
        source: &Source,
    ) -> Result<Total, StoreError> {
        // An entitlement may be hidden: only its row tells.
        let none_is_checked =
            self.filters.is_empty() && self.links.is_empty() && T::KIND != ListKind::Entitlements;
        let (mut count, mut looked_at, mut last) = (0, 0, None);
        // A walk's last position has the order asked for; numbers are taken in their own.
        loop {
            let positions = match source {
                Source::Numbers(numbers) => {
                    let rest = numbers.iter().skip(looked_at).take(BLOCK_ROWS_MAX);
                    rest.map(|number| by_number(*number)).collect()
                }
                Source::Walk(_) => {
                    let wanted = BLOCK_ROWS_MAX.min(self.rows_max + 1 - looked_at);
                    self.positions(tx, source, last.as_ref(), wanted).await?
                }
            };
            let is_end = positions.is_empty();
            looked_at += positions.len();
            count += match none_is_checked {
                true => positions.len(),
                false => {
                    let numbers: Vec<i64> = positions.iter().map(|position| position.number).collect();
                    self.passing::<T>(tx, &numbers).await?.len()
                }
            };
            last = positions.into_iter().next_back();
            if is_end || looked_at > self.rows_max {
                let count = count.min(self.rows_max);
                return Ok(Total {
                    count: i64::try_from(count).unwrap_or(i64::MAX),
                    exact: is_end,
                });
            }
        }
    }
}

fn by_number(number: i64) -> Position {
    Position {
        place: Place::Number,
        number,
    }
}

/// A part of numbers that stand in their order.
fn numbers_after(
    numbers: &[i64],
    after: Option<&Position>,
    descending: bool,
    wanted: usize,
) -> Vec<Position> {
    let of = |number: &i64| by_number(*number);
    match (after, descending) {
        (None, false) => numbers.iter().take(wanted).map(of).collect(),
        (None, true) => numbers.iter().rev().take(wanted).map(of).collect(),
        (Some(after), false) => {
            let start = numbers.partition_point(|number| *number <= after.number);
            numbers[start..].iter().take(wanted).map(of).collect()
        }
        (Some(after), true) => {
            let end = numbers.partition_point(|number| *number < after.number);
            numbers[..end].iter().rev().take(wanted).map(of).collect()
        }
    }
}

/// Where the rows with a link are found; `None` where a walk finds them.
fn linked_numbers(kind: ListKind, link: LinkTo) -> Option<Gather<'static>> {
    let entity = match link {
        LinkTo::Organization(id) => Some(Entity::Organization(id)),
        LinkTo::Customer(number) => Some(Entity::Customer(number)),
        LinkTo::Product(_) => None,
    };
    match (kind, link, entity) {
        (ListKind::Organizations, LinkTo::Customer(number), _) => Some(Gather::OrganizationsOf(number)),
        (ListKind::Customers, LinkTo::Organization(id), _) => Some(Gather::MembersOf(id)),
        (ListKind::Organizations | ListKind::Customers, LinkTo::Product(product), _) => {
            kind.fields().map(|kind| Gather::EntitledTo(kind, product))
        }
        (ListKind::Products, _, Some(entity)) => Some(Gather::ProductsOf(entity)),
        (ListKind::Entitlements, _, Some(entity)) => Some(Gather::EntitlementsOf(entity)),
        _ => None,
    }
}

/// The question whether a row has a link; `None` where the row says so itself.
fn has_link(kind: ListKind, link: LinkTo) -> Option<Linked> {
    match (kind, link) {
        (ListKind::Organizations, LinkTo::Customer(number)) => Some(Linked::ToCustomer(number)),
        (ListKind::Customers, LinkTo::Organization(id)) => Some(Linked::ToOrganization(id)),
        (ListKind::Organizations | ListKind::Customers, LinkTo::Product(product)) => {
            kind.fields().map(|kind| Linked::ToProduct(kind, product))
        }
        (ListKind::Products, LinkTo::Organization(id)) => Some(Linked::ByEntity(Entity::Organization(id))),
        (ListKind::Products, LinkTo::Customer(number)) => Some(Linked::ByEntity(Entity::Customer(number))),
        _ => None,
    }
}
