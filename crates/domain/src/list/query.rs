//! What is asked of a list: the parameters of the query, read and checked as far as their form goes.

use super::filter::{DetailFilter, Filters, Operator};
use super::{ListKind, Sort, SortBy};
use crate::field::{Definitions, PhoneFormat};
use crate::{Excerpt, Rejection, limits, text};

/// What begins the name of a parameter that compares a detail field: `detail.FIELD.OPERATOR`.
const DETAIL: &str = "detail.";
/// Parameters that every list takes.
const EVERYWHERE: [&str; 4] = ["sort", "limit", "cursor", "count"];

/// What rows must be linked to, by public id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkFilter {
    /// The organization with this id.
    Organization(String),
    /// The customer with this id.
    Customer(String),
    /// The product with this id.
    Product(String),
}

/// A comparison of a detail field as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Comparison {
    parameter: String,
    field: String,
    operator: Operator,
    value: String,
}

/// What is asked of a list, but for the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// What is listed.
    pub kind: ListKind,
    /// In which order.
    pub sort: Sort,
    /// What rows must be linked to, all of it.
    pub links: Vec<LinkFilter>,
    /// Whether to count.
    pub count: bool,
    name_prefix: Option<String>,
    email_prefix: Option<String>,
    comparisons: Vec<Comparison>,
}

impl ListQuery {
    /// Whether more rows may have to be looked at than are listed.
    pub fn looks_at_many(&self) -> bool {
        self.count || !self.links.is_empty() || !self.comparisons.is_empty()
    }

    /// Reads the parameters of a query; `limit` and `cursor` are the page's.
    ///
    /// # Errors
    ///
    /// `Invalid` at the parameter: unknown, given twice, or with a bad value.
    pub fn parse(kind: ListKind, pairs: &[(String, String)]) -> Result<Self, Rejection> {
        let takes_details = kind.fields().is_some();
        let mut known: Vec<&str> = EVERYWHERE.to_vec();
        known.extend(kind.links());
        for (order, name) in [(SortBy::Name, "namePrefix"), (SortBy::Email, "emailPrefix")] {
            known.extend(kind.orders().contains(&order).then_some(name));
        }
        let comparisons = match takes_details {
            true => comparisons(pairs)?,
            false => Vec::new(),
        };
        let others: Vec<_> = pairs
            .iter()
            .filter(|(name, _)| !(takes_details && is_detail(name)))
            .collect();
        refuse_unknown(
            others.iter().map(|(name, _)| name.as_str()),
            &known,
            takes_details,
        )?;
        let given = |wanted: &str| {
            let pair = others.iter().find(|(name, _)| name == wanted);
            pair.map(|(_, value)| value.as_str())
        };
        let name_prefix = given("namePrefix")
            .map(|text| prefix("namePrefix", text))
            .transpose()?;
        let email_prefix = given("emailPrefix")
            .map(|text| prefix("emailPrefix", text))
            .transpose()?;
        let links = kind.links().iter().filter_map(|name| {
            let id = given(name)?.to_owned();
            Some(match *name {
                "organization" => LinkFilter::Organization(id),
                "customer" => LinkFilter::Customer(id),
                _ => LinkFilter::Product(id),
            })
        });
        let by_prefix = match (&name_prefix, &email_prefix) {
            (Some(_), _) => SortBy::Name,
            (None, Some(_)) => SortBy::Email,
            (None, None) => SortBy::Id,
        };
        Ok(Self {
            kind,
            sort: match given("sort") {
                Some(sort) => read_sort(kind, sort)?,
                None => Sort {
                    by: by_prefix,
                    descending: false,
                },
            },
            links: links.collect(),
            count: given("count").map_or(Ok(false), |value| parse_flag("count", value))?,
            name_prefix,
            email_prefix,
            comparisons,
        })
    }

    /// The filters with what the fields' definitions say of them.
    ///
    /// # Errors
    ///
    /// `Invalid` at the parameter: an unknown field, an operator that does not fit its type, a bad value.
    pub fn filters(&self, definitions: &Definitions, phone: PhoneFormat) -> Result<Filters, Rejection> {
        let details = self.comparisons.iter().map(|comparison| {
            let asked = (
                comparison.field.as_str(),
                comparison.operator,
                comparison.value.as_str(),
            );
            DetailFilter::check(definitions, &comparison.parameter, asked, phone)
        });
        Ok(Filters {
            name_prefix: self.name_prefix.clone(),
            email_prefix: self.email_prefix.clone(),
            details: details.collect::<Result<_, _>>()?,
        })
    }

    /// The same text for the same query, whatever the order of its parameters.
    pub(super) fn canonical(&self) -> String {
        let mut comparisons: Vec<String> = self
            .comparisons
            .iter()
            .map(|asked| {
                let field = text::key(&asked.field);
                format!("{field:?} {} {:?}", asked.operator.name(), asked.value)
            })
            .collect();
        comparisons.sort_unstable();
        format!(
            "{} {} {} {:?} {:?} {:?} {comparisons:?}",
            self.kind.name(),
            self.sort.by.name(),
            self.sort.descending,
            self.links,
            self.name_prefix,
            self.email_prefix
        )
    }
}

/// A misspelt filter must not widen a list, nor a misspelt `dryRun` delete: our own operations refuse
/// parameters that they do not know, and those that are given twice.
///
/// # Errors
///
/// `Invalid` at the parameter.
pub fn refuse_unknown<'a>(
    names: impl IntoIterator<Item = &'a str>,
    known: &[&str],
    takes_details: bool,
) -> Result<(), Rejection> {
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        if !known.contains(&name) {
            let details = match takes_details {
                true => ", and detail.FIELD.OPERATOR for detail fields",
                false => "",
            };
            let hint = match text::closest(name, known.iter().copied()) {
                Some(near) => format!(". Did you mean {near:?}?"),
                None => format!("; it takes {}{details}", known.join(", ")),
            };
            let problem = format!("there is no parameter {:?}{hint}", Excerpt(name));
            return Err(Rejection::invalid("", problem));
        }
        if seen.contains(&name) {
            return Err(Rejection::invalid(name, "is given twice in the query"));
        }
        seen.push(name);
    }
    Ok(())
}

/// `true` or `false`.
///
/// # Errors
///
/// `Invalid` at the parameter.
pub fn parse_flag(parameter: &str, value: &str) -> Result<bool, Rejection> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        other => {
            let problem = format!("must be true or false, not {:?}", Excerpt(other));
            Err(Rejection::invalid(parameter, problem))
        }
    }
}

fn is_detail(name: &str) -> bool {
    name.starts_with(DETAIL)
}

/// The field stands between the first and the last full stop, so its own name may hold any.
fn comparisons(pairs: &[(String, String)]) -> Result<Vec<Comparison>, Rejection> {
    let mut found: Vec<Comparison> = Vec::new();
    for (parameter, value) in pairs.iter().filter(|(name, _)| is_detail(name)) {
        let shown = format!("{:?}", Excerpt(parameter));
        let refused = |problem: String| Rejection::invalid("", problem);
        let rest = &parameter[DETAIL.len()..];
        let (field, operator) = rest.rsplit_once('.').ok_or_else(|| {
            refused(format!(
                "{shown} names no operator; write detail.FIELD.OPERATOR, such as detail.{}.eq=VALUE",
                if rest.is_empty() { "Region" } else { rest }
            ))
        })?;
        let operator = Operator::parse(operator).map_err(|all| {
            refused(format!(
                "{shown}: there is no operator {:?}; there are {all}. Write detail.FIELD.OPERATOR",
                Excerpt(operator)
            ))
        })?;
        found.push(Comparison {
            parameter: parameter.clone(),
            field: field.to_owned(),
            operator,
            value: value.clone(),
        });
    }
    if found.len() > limits::LIST_DETAIL_FILTERS_MAX {
        let problem = format!(
            "{} comparisons of detail fields are given; a list takes at most {}",
            found.len(),
            limits::LIST_DETAIL_FILTERS_MAX
        );
        return Err(Rejection::invalid("detail", problem));
    }
    Ok(found)
}

fn prefix(parameter: &str, raw: &str) -> Result<String, Rejection> {
    text::name(raw, limits::NAME_CHARS_MAX)
        .map_err(|problem| Rejection::invalid(parameter, format!("{:?} {problem}", Excerpt(raw))))?;
    Ok(text::prefix_key(raw))
}

fn read_sort(kind: ListKind, raw: &str) -> Result<Sort, Rejection> {
    let (name, descending) = match raw.strip_prefix('-') {
        Some(name) => (name, true),
        None => (raw, false),
    };
    let orders = kind.orders();
    if let Some(by) = orders.iter().find(|by| by.name() == name) {
        return Ok(Sort { by: *by, descending });
    }
    let names: Vec<_> = orders.iter().map(|by| by.name()).collect();
    let mut problem = format!(
        "must be one of {}, with a - before it for the other direction, not {:?}",
        names.join(", "),
        Excerpt(raw)
    );
    if let Some(near) = text::closest(name, names) {
        problem.push_str(&format!(". Did you mean {near:?}?"));
    }
    Err(Rejection::invalid("sort", problem))
}

#[cfg(test)]
#[path = "query_tests.rs"]
mod tests;
