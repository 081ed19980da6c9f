//! Which index leads. The rule is fixed, and stands in docs/api.md, "How a list is found":
//!
//! 1. Without a filter that an index knows, the order asked for leads.
//! 2. One such filter alone whose index has the order asked for leads, and is walked.
//! 3. Else the rows of each filter are numbered, up to 10,000; the filter with the fewest leads, and all of
//!    its rows are looked at. Where each has more, the first whose index has the order asked for is walked,
//!    or else the order itself.

use super::{DetailFilter, Filters, ListKind, ListQuery, SortBy};
use crate::{FieldId, OrganizationId, limits};

/// Longer and greater than any key: keys have at most three characters for each of a name's 255.
const CEILING_CHARS: usize = 1_024;

/// A part of an index of texts, and of numbers among equal texts: after `after`, before `before`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// What stands before the first.
    pub after: (String, i64),
    /// A text that stands behind the last.
    pub before: String,
}

impl Span {
    /// All of it.
    pub fn all() -> Self {
        Self {
            after: (String::new(), i64::MIN),
            before: char::MAX.to_string().repeat(CEILING_CHARS),
        }
    }

    /// The part of this text.
    pub fn of(key: &str) -> Self {
        Self::all().from(key).up_to(key)
    }

    /// The part of texts that begin so.
    pub fn of_prefix(prefix: &str) -> Self {
        let mut span = Self::all().from(prefix);
        if let Some(before) = successor(prefix) {
            span.before = before;
        }
        span
    }

    pub(super) fn from(self, key: &str) -> Self {
        Self {
            after: (key.to_owned(), i64::MIN),
            ..self
        }
    }

    pub(super) fn above(self, key: &str) -> Self {
        Self {
            after: (key.to_owned(), i64::MAX),
            ..self
        }
    }

    pub(super) fn below(self, key: &str) -> Self {
        Self {
            before: key.to_owned(),
            ..self
        }
    }

    /// No text that is stored holds U+0000, so nothing stands between a text and the same with U+0001.
    pub(super) fn up_to(self, key: &str) -> Self {
        self.below(&format!("{key}\u{1}"))
    }

    /// What stands in both.
    fn and(self, other: Self) -> Self {
        Self {
            after: self.after.max(other.after),
            before: self.before.min(other.before),
        }
    }
}

/// The first text behind all that begin with `prefix`; `None` where there is none.
fn successor(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        // A range of characters steps over the gap of the surrogates.
        if let Some(next) = (last..=char::MAX).nth(1) {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

/// What a row must be linked to, found by its public id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkTo {
    /// The organization.
    Organization(OrganizationId),
    /// The customer with this internal number.
    Customer(i64),
    /// The product with this internal number.
    Product(i64),
}

/// A filter that an index knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lead {
    /// Rows with one of these keys of a field.
    Keys(FieldId, Vec<String>),
    /// Rows in a part of a field's keys.
    Values(FieldId, Span),
    /// Rows with such names.
    Names(Span),
    /// Rows with such emails.
    Emails(Span),
    /// Rows with this link.
    Link(LinkTo),
}

impl Lead {
    /// Whether its index has its rows in this order.
    fn has_order(&self, kind: ListKind, by: SortBy) -> bool {
        match (self, by) {
            (Self::Keys(_, keys), SortBy::Id) => keys.len() == 1,
            (Self::Names(_), SortBy::Name) | (Self::Emails(_), SortBy::Email) => true,
            (Self::Link(LinkTo::Product(_)), SortBy::Id) => kind == ListKind::Entitlements,
            _ => false,
        }
    }
}

/// The leads that a query could have, in the order in which they are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    leads: Vec<Lead>,
    kind: ListKind,
    by: SortBy,
}

/// What leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// This lead: all of its rows are looked at.
    Gather(usize),
    /// This lead: its index has the order asked for, and is walked.
    Walk(usize),
    /// The order asked for.
    Order,
}

impl Sources {
    /// Links first, then details, then names and emails.
    pub fn new(query: &ListQuery, filters: &Filters, links: &[LinkTo]) -> Self {
        let mut leads: Vec<Lead> = links.iter().copied().map(Lead::Link).collect();
        leads.extend(details(&filters.details));
        leads.extend(
            filters
                .name_prefix
                .as_deref()
                .map(Span::of_prefix)
                .map(Lead::Names),
        );
        leads.extend(
            filters
                .email_prefix
                .as_deref()
                .map(Span::of_prefix)
                .map(Lead::Emails),
        );
        Self {
            leads,
            kind: query.kind,
            by: query.sort.by,
        }
    }

    /// The leads, in the order in which they are looked at.
    pub fn leads(&self) -> &[Lead] {
        &self.leads
    }

    /// The choice where it needs no numbers of rows.
    pub fn obvious(&self) -> Option<Choice> {
        match self.leads.as_slice() {
            [] => Some(Choice::Order),
            [only] if only.has_order(self.kind, self.by) => Some(Choice::Walk(0)),
            _ => None,
        }
    }

    /// Whether the only thing that is asked for is an index's to say, and it has the order asked for: then no
    /// more rows are looked at than are listed.
    pub fn are_exact(&self, filters: &Filters) -> bool {
        let questions = filters.details.len()
            + usize::from(filters.name_prefix.is_some())
            + usize::from(filters.email_prefix.is_some());
        match (self.leads.as_slice(), self.obvious()) {
            ([Lead::Keys(_, keys)], Some(Choice::Walk(_))) => {
                questions == 1 && keys.iter().all(|key| is_whole(key))
            }
            ([Lead::Names(_) | Lead::Emails(_)], Some(Choice::Walk(_))) => questions == 1,
            ([], Some(Choice::Order)) => questions == 0,
            _ => false,
        }
    }

    /// The choice; `fewest` is the lead with the fewest rows, of those that have few enough.
    pub fn choose(&self, fewest: Option<usize>) -> Choice {
        let ordered = |lead: &Lead| lead.has_order(self.kind, self.by);
        match (fewest, self.leads.iter().position(ordered)) {
            (Some(fewest), _) => Choice::Gather(fewest),
            (None, Some(ordered)) => Choice::Walk(ordered),
            (None, None) => Choice::Order,
        }
    }
}

/// Whether a key has all of its value, which the index may have the beginning of only.
fn is_whole(key: &str) -> bool {
    key.chars().count() < limits::VALUE_KEY_CHARS_MAX
}

/// The leads of comparisons. A value has one place in the index, so several spans of a field are one.
fn details(filters: &[DetailFilter]) -> Vec<Lead> {
    let mut leads: Vec<Lead> = Vec::new();
    for filter in filters {
        if let Some(keys) = filter.keys() {
            leads.push(Lead::Keys(filter.field, keys));
            continue;
        }
        let Some(span) = filter.span() else { continue };
        let known = leads.iter_mut().find_map(|lead| match lead {
            Lead::Values(field, known) if *field == filter.field => Some(known),
            _ => None,
        });
        match known {
            // A MULTISELECT has no span but that of all its values.
            Some(known) => *known = known.clone().and(span),
            None => leads.push(Lead::Values(filter.field, span)),
        }
    }
    leads
}

#[cfg(test)]
#[path = "lead_tests.rs"]
mod tests;
