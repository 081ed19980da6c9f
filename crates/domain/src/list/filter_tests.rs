//! Comparisons by type, and that the index finds all that passes.

use super::*;
use crate::list::{Lead, ListKind, ListQuery, Sources};
use crate::{Organization, OrganizationId};
use proptest::prelude::*;

const TYPES: [FieldType; 10] = FieldType::ALL;

/// One field of each type, called as its type.
fn definitions() -> Definitions {
    let definition = |(at, field_type): (i64, FieldType)| Definition {
        id: FieldId(at),
        name: field_type.name().into(),
        key: text::key(field_type.name()),
        field_type,
        options: match field_type.has_options() {
            true => ["AU", "EU", "Straße"].map(str::to_owned).to_vec(),
            false => Vec::new(),
        },
        position: at,
    };
    Definitions::new((1..).zip(TYPES).map(definition).collect())
}

fn id_of(field_type: FieldType) -> FieldId {
    definitions().find(field_type.name()).unwrap().id
}

fn filters(pairs: &[(&str, &str)]) -> Result<Filters, String> {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| (format!("detail.{name}"), (*value).to_owned()))
        .collect();
    let query = ListQuery::parse(ListKind::Organizations, &pairs).map_err(|e| e.to_string())?;
    query
        .filters(&definitions(), PhoneFormat::Lenient)
        .map_err(|e| e.to_string())
}

fn row(field_type: FieldType, values: &[&str]) -> Organization {
    let mut details = Values::default();
    details.set(
        id_of(field_type),
        values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>(),
    );
    Organization {
        id: OrganizationId(1),
        name: "Acme Inc".into(),
        name_key: "acme inc".into(),
        details,
    }
}

#[test]
fn comparisons() {
    use FieldType::{Boolean, Date, MultiSelect, Number, Select, Text};
    let long = "x".repeat(400);
    for (field_type, values, asked, wanted) in [
        (Text, &["Hello World"][..], ("eq", " hello world"), true),
        (Text, &["Hello World"], ("eq", "hello"), false),
        (Text, &["Hello World"], ("ne", "hello"), true),
        (Text, &["Hello World"], ("ne", "HELLO WORLD"), false),
        (Text, &[], ("ne", "hello"), true),
        (Text, &["Straße 1"], ("prefix", "STRASS"), true),
        (Text, &["Hello World"], ("prefix", "hello "), true),
        (Text, &["Helloworld"], ("prefix", "hello "), false),
        (Text, &[long.as_str()], ("eq", &long[1..]), false),
        (Text, &[long.as_str()], ("eq", long.as_str()), true),
        (Text, &[""], ("set", "true"), true),
        (Text, &[], ("set", "true"), false),
        (Text, &[], ("set", "false"), true),
        (Number, &["9"], ("lt", "10"), true),
        (Number, &["-10"], ("lt", "-9"), true),
        (Number, &["10.0"], ("eq", "+010"), true),
        (Number, &["10.0"], ("lte", "10"), true),
        (Number, &["10.0"], ("gt", "10"), false),
        (Number, &["10.0"], ("gte", "10"), true),
        (
            Number,
            &["123456789012345678901234567890"],
            ("gt", "123456789012345678901234567889.9"),
            true,
        ),
        (Number, &[], ("gt", "0"), false),
        (Number, &[], ("lt", "0"), false),
        (Date, &["2026-03-01"], ("lt", "2026-03-02"), true),
        (Date, &["2026-03-01"], ("gt", "2025-12-31"), true),
        (Boolean, &["true"], ("eq", "yes"), true),
        (Boolean, &["true"], ("ne", "true"), false),
        (Select, &["EU"], ("eq", "EU"), true),
        (Select, &["EU"], ("in", "[\"AU\", \"EU\"]"), true),
        (Select, &["Straße"], ("in", "[\"AU\", \"EU\"]"), false),
        (Select, &["gone"], ("ne", "EU"), true),
        (MultiSelect, &["AU", "EU"], ("has", "EU"), true),
        (MultiSelect, &["AU"], ("has", "EU"), false),
    ] {
        let (operator, value) = asked;
        let filters = filters(&[(&format!("{}.{operator}", field_type.name()), value)]).unwrap();
        assert_eq!(
            filters.pass(&row(field_type, values)),
            wanted,
            "{values:?} {operator} {value:?}"
        );
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    for (name, value, words) in [
        (
            "Numbr.eq",
            "1",
            "detail.Numbr.eq: There is no detail field \"Numbr\". Did you mean \"NUMBER\"?",
        ),
        (
            "TEXT.lt",
            "1",
            "detail.TEXT.lt: \"lt\" does not fit \"TEXT\", a TEXT field; it takes eq, ne, prefix, set",
        ),
        ("MULTISELECT.eq", "EU", "it takes has, set"),
        ("BOOLEAN.gt", "true", "it takes eq, ne, set"),
        (
            "NUMBER.eq",
            "ten",
            "detail.NUMBER.eq: Invalid detail field value \"ten\" for \"NUMBER\": not a number",
        ),
        ("DATE.gte", "2026-02-30", "there is no such day"),
        ("BOOLEAN.eq", "1", "send \"true\" or \"false\""),
        ("SELECT.eq", "eu", "not one of its options. Did you mean \"EU\"?"),
        (
            "SELECT.in",
            "EU",
            "detail.SELECT.in: \"EU\" must be a JSON array of strings",
        ),
        ("SELECT.in", "[]", "must be a JSON array"),
        ("SELECT.in", "[1]", "must be a JSON array"),
        ("SELECT.in", "[\"EU\",\"US\"]", "not one of its options"),
        ("TEXT.set", "yes", "detail.TEXT.set: must be true or false"),
        ("TEXT.prefix", "", "detail.TEXT.prefix: \"\" must not be blank"),
        ("TEXT.eq", "a\0b", "control characters"),
        ("EMAIL.eq", "x", "exactly one '@'"),
    ] {
        let refusal = filters(&[(name, value)]).unwrap_err();
        assert!(refusal.contains(words), "{name}={value}: {refusal}");
    }
}

fn value_of(field_type: FieldType) -> BoxedStrategy<String> {
    match field_type {
        FieldType::Number => "-?[0-9]{1,3}(\\.[0-9]{1,2})?".boxed(),
        FieldType::Date => "20[0-9]{2}-0[1-9]-[12][0-8]".boxed(),
        FieldType::Boolean => prop::sample::select(vec!["true", "false"])
            .prop_map(str::to_owned)
            .boxed(),
        FieldType::Select | FieldType::MultiSelect => prop::sample::select(vec!["AU", "EU", "Straße"])
            .prop_map(str::to_owned)
            .boxed(),
        FieldType::Email => "[ab]{1,2}@[ab]\\.ex".boxed(),
        FieldType::Phone => "[12]{3,4}".boxed(),
        FieldType::Url => "https://[ab]{1,2}".boxed(),
        FieldType::User => "[abß]{1,3}".boxed(),
        FieldType::Text => "[abß]{1,3}|[aß]{250,260}".boxed(),
    }
}

fn case() -> impl Strategy<Value = (FieldType, Operator, String, String)> {
    prop::sample::select(TYPES.to_vec()).prop_flat_map(|field_type| {
        let operators = Operator::of(field_type).to_vec();
        (
            Just(field_type),
            prop::sample::select(operators),
            value_of(field_type),
            value_of(field_type),
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// The lead of a comparison has every row that passes.
    #[test]
    fn the_index_finds_all_that_passes((field_type, operator, stored, asked) in case(), flag in any::<bool>()) {
        let asked = match operator {
            Operator::In => format!("[{asked:?}]"),
            Operator::Set => flag.to_string(),
            Operator::Prefix => asked.chars().take(255).collect(),
            _ => asked,
        };
        let name = format!("{}.{}", field_type.name(), operator.name());
        let filters = filters(&[(&name, &asked)]).unwrap();
        let query = ListQuery::parse(ListKind::Organizations, &[]).unwrap();
        let sources = Sources::new(&query, &filters, &[]);
        let key = value_key(field_type, &stored);
        let is_found = sources.leads().iter().all(|lead| match lead {
            Lead::Keys(_, keys) => keys.contains(&key),
            Lead::Values(_, span) => (key.clone(), 7) > span.after && key < span.before,
            _ => false,
        });
        if filters.pass(&row(field_type, &[&stored])) {
            prop_assert!(is_found, "{stored:?} {name} {asked:?}");
        } else if stored.chars().count() < 200 {
            prop_assert!(!is_found || sources.leads().is_empty(), "{stored:?} {name} {asked:?}");
        }
        let never_leads = operator == Operator::Ne || (operator == Operator::Set && !flag);
        prop_assert_eq!(sources.leads().is_empty(), never_leads);
    }
}
