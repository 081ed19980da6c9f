//! Filters: which comparisons fit which type of field, and whether a row passes.

use std::collections::BTreeSet;

use super::{Listable, Span};
use crate::field::{Definition, Definitions, FieldType, PhoneFormat, Values, value_key};
use crate::json::{self, Node};
use crate::{Excerpt, FieldId, Rejection, limits, text};

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Is the same.
    Eq,
    /// Is not the same, or unset.
    Ne,
    /// Is less.
    Lt,
    /// Is less or the same.
    Lte,
    /// Is more.
    Gt,
    /// Is more or the same.
    Gte,
    /// Begins so.
    Prefix,
    /// Is one of several.
    In,
    /// Is among the values.
    Has,
    /// Whether there is a value at all.
    Set,
}

impl Operator {
    const ALL: [Self; 10] = [
        Self::Eq,
        Self::Ne,
        Self::Lt,
        Self::Lte,
        Self::Gt,
        Self::Gte,
        Self::Prefix,
        Self::In,
        Self::Has,
        Self::Set,
    ];

    /// The name in queries.
    pub fn name(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Lt => "lt",
            Self::Lte => "lte",
            Self::Gt => "gt",
            Self::Gte => "gte",
            Self::Prefix => "prefix",
            Self::In => "in",
            Self::Has => "has",
            Self::Set => "set",
        }
    }

    /// The operator of this name, or all there are.
    pub fn parse(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|known| known.name() == name)
            .ok_or_else(|| names(&Self::ALL))
    }

    /// The operators that fit a type.
    fn of(field_type: FieldType) -> &'static [Self] {
        match field_type {
            FieldType::Number | FieldType::Date => &[
                Self::Eq,
                Self::Ne,
                Self::Lt,
                Self::Lte,
                Self::Gt,
                Self::Gte,
                Self::Set,
            ],
            FieldType::Boolean => &[Self::Eq, Self::Ne, Self::Set],
            FieldType::Select => &[Self::Eq, Self::Ne, Self::In, Self::Set],
            FieldType::MultiSelect => &[Self::Has, Self::Set],
            FieldType::Text | FieldType::Email | FieldType::Phone | FieldType::Url | FieldType::User => {
                &[Self::Eq, Self::Ne, Self::Prefix, Self::Set]
            }
        }
    }
}

fn names(operators: &[Operator]) -> String {
    let names: Vec<_> = operators.iter().map(|operator| operator.name()).collect();
    names.join(", ")
}

/// What is asked of the values of a field. Texts are as compared.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    /// One of them is one of these; for `eq`, `in` and `has`.
    Any(BTreeSet<String>),
    Not(String),
    Below {
        key: String,
        or_equal: bool,
    },
    Above {
        key: String,
        or_equal: bool,
    },
    Begins(String),
    Set(bool),
}

/// A comparison of a detail field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetailFilter {
    pub(super) field: FieldId,
    field_type: FieldType,
    test: Test,
}

/// The value as compared, however long: the index has its beginning only.
fn full_key(field_type: FieldType, value: &str) -> String {
    match field_type {
        FieldType::Number | FieldType::Boolean | FieldType::Date => value_key(field_type, value),
        _ => text::key(value),
    }
}

impl DetailFilter {
    /// The comparison of a field with a value, checked. `parameter` is what the query calls it.
    ///
    /// # Errors
    ///
    /// `Invalid` at the parameter: an unknown field, an operator that does not fit, a bad value.
    pub(super) fn check(
        definitions: &Definitions,
        parameter: &str,
        (field, operator, value): (&str, Operator, &str),
        phone: PhoneFormat,
    ) -> Result<Self, Rejection> {
        let refused = |problem: String| Rejection::invalid(parameter, problem);
        let definition = definitions
            .require(field)
            .map_err(|missing| refused(missing.to_string()))?;
        let field_type = definition.field_type;
        let fitting = Operator::of(field_type);
        if !fitting.contains(&operator) {
            return Err(refused(format!(
                "{:?} does not fit {:?}, a {} field; it takes {}",
                operator.name(),
                Excerpt(&definition.name),
                field_type.name(),
                names(fitting)
            )));
        }
        let key = |value: &str| -> Result<String, Rejection> {
            let checked = check_value(definition, value, phone).map_err(&refused)?;
            Ok(full_key(field_type, &checked))
        };
        let test = match operator {
            Operator::Eq | Operator::Has => Test::Any(BTreeSet::from([key(value)?])),
            Operator::In => {
                let values = strings(value).map_err(refused)?;
                Test::Any(values.iter().map(|value| key(value)).collect::<Result<_, _>>()?)
            }
            Operator::Ne => Test::Not(key(value)?),
            Operator::Lt | Operator::Lte => Test::Below {
                key: key(value)?,
                or_equal: operator == Operator::Lte,
            },
            Operator::Gt | Operator::Gte => Test::Above {
                key: key(value)?,
                or_equal: operator == Operator::Gte,
            },
            Operator::Prefix => {
                text::name(value, limits::VALUE_KEY_CHARS_MAX)
                    .map_err(|problem| refused(format!("{:?} {problem}", Excerpt(value))))?;
                Test::Begins(text::prefix_key(value))
            }
            Operator::Set => Test::Set(super::parse_flag(parameter, value)?),
        };
        Ok(Self {
            field: definition.id,
            field_type,
            test,
        })
    }

    fn passes(&self, values: &[String]) -> bool {
        let mut keys = values.iter().map(|value| full_key(self.field_type, value));
        match &self.test {
            Test::Any(wanted) => keys.any(|key| wanted.contains(&key)),
            Test::Not(unwanted) => keys.all(|key| key != *unwanted),
            Test::Below { key, or_equal } => keys.any(|found| found < *key || (*or_equal && found == *key)),
            Test::Above { key, or_equal } => keys.any(|found| found > *key || (*or_equal && found == *key)),
            Test::Begins(prefix) => keys.any(|key| key.starts_with(prefix)),
            Test::Set(wanted) => values.is_empty() != *wanted,
        }
    }

    /// The keys of which each row that passes has one, where the index can find them so.
    pub(super) fn keys(&self) -> Option<Vec<String>> {
        match &self.test {
            Test::Any(keys) => Some(keys.iter().map(|key| indexed(key).to_owned()).collect()),
            _ => None,
        }
    }

    /// The part of the index that each row that passes stands in.
    pub(super) fn span(&self) -> Option<Span> {
        Some(match &self.test {
            Test::Below { key, or_equal: false } => Span::all().below(key),
            Test::Below { key, or_equal: true } => Span::all().up_to(key),
            Test::Above { key, or_equal: false } => Span::all().above(key),
            Test::Above { key, or_equal: true } => Span::all().from(key),
            Test::Begins(prefix) => Span::of_prefix(indexed(prefix)),
            Test::Set(true) => Span::all(),
            Test::Any(_) | Test::Not(_) | Test::Set(false) => return None,
        })
    }
}

/// The part of a key that the index has.
fn indexed(key: &str) -> &str {
    match key.char_indices().nth(limits::VALUE_KEY_CHARS_MAX) {
        Some((end, _)) => &key[..end],
        None => key,
    }
}

/// A value that the field takes, or the problem.
fn check_value(definition: &Definition, value: &str, phone: PhoneFormat) -> Result<String, String> {
    let checked = definition.check(&[value.to_owned()], phone);
    match checked {
        Ok(values) => Ok(values.into_iter().next().unwrap_or_default()),
        Err(Rejection::Invalid { problem, .. }) => Err(problem),
        Err(other) => Err(other.to_string()),
    }
}

/// A JSON array of strings, at least one.
fn strings(value: &str) -> Result<Vec<String>, String> {
    let wrong = || {
        format!(
            "{:?} must be a JSON array of strings, such as [\"EU\", \"US\"]",
            Excerpt(value)
        )
    };
    let Ok(Node::Array(items)) = json::parse(value.as_bytes()) else {
        return Err(wrong());
    };
    let texts: Option<Vec<String>> = items
        .iter()
        .map(|item| match item {
            Node::Text(text) => Some(text.to_string()),
            _ => None,
        })
        .collect();
    texts.filter(|texts| !texts.is_empty()).ok_or_else(wrong)
}

/// What can be asked of a row alone. Links are asked of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// The beginning of the name as compared.
    pub name_prefix: Option<String>,
    /// The beginning of the email as compared.
    pub email_prefix: Option<String>,
    /// Comparisons of detail fields.
    pub details: Vec<DetailFilter>,
}

impl Filters {
    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a row passes them all.
    pub fn pass(&self, row: &impl Listable) -> bool {
        let begins = |prefix: &Option<String>, text: &dyn Fn() -> String| match prefix {
            Some(prefix) => text().starts_with(prefix),
            None => true,
        };
        let none = Values::default();
        let values = row.details().unwrap_or(&none);
        begins(&self.name_prefix, &|| row.name_key())
            && begins(&self.email_prefix, &|| row.email_key().to_owned())
            && self
                .details
                .iter()
                .all(|filter| filter.passes(values.get(filter.field)))
    }
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
