//! Which index leads.

use super::*;
use crate::field::{Definition, Definitions, FieldType, PhoneFormat};
use crate::text;

fn sources(kind: ListKind, pairs: &[(&str, &str)], links: &[LinkTo]) -> Sources {
    asked(kind, pairs, links).0
}

fn asked(kind: ListKind, pairs: &[(&str, &str)], links: &[LinkTo]) -> (Sources, Filters) {
    let definition = |(id, name, field_type): (i64, &str, FieldType)| Definition {
        id: FieldId(id),
        name: name.into(),
        key: text::key(name),
        field_type,
        options: vec!["EU".into(), "US".into()],
        position: id,
    };
    let definitions = Definitions::new(
        [
            (1, "Region", FieldType::Select),
            (2, "Size", FieldType::Number),
            (3, "Note", FieldType::Text),
        ]
        .map(definition)
        .to_vec(),
    );
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let query = ListQuery::parse(kind, &pairs).unwrap();
    let filters = query.filters(&definitions, PhoneFormat::Lenient).unwrap();
    (Sources::new(&query, &filters, links), filters)
}

#[test]
fn the_rule() {
    use ListKind::{Entitlements, Organizations};
    let region = ("detail.Region.eq", "EU");
    let size = ("detail.Size.gt", "5");
    let name = ("namePrefix", "a");
    for (kind, pairs, links, wanted) in [
        (Organizations, &[][..], &[][..], Some(Choice::Order)),
        (
            Organizations,
            &[("detail.Region.ne", "EU")],
            &[],
            Some(Choice::Order),
        ),
        (Organizations, &[region], &[], Some(Choice::Walk(0))),
        (
            Organizations,
            &[region, ("sort", "-id")],
            &[],
            Some(Choice::Walk(0)),
        ),
        (Organizations, &[region, ("sort", "name")], &[], None),
        (
            Organizations,
            &[("detail.Region.in", "[\"EU\"]")],
            &[],
            Some(Choice::Walk(0)),
        ),
        (
            Organizations,
            &[("detail.Region.in", "[\"EU\",\"US\"]")],
            &[],
            None,
        ),
        (Organizations, &[name], &[], Some(Choice::Walk(0))),
        (Organizations, &[name, ("sort", "id")], &[], None),
        (Organizations, &[size], &[], None),
        (Organizations, &[region, size], &[], None),
        (Organizations, &[], &[LinkTo::Product(1)], None),
        (Entitlements, &[], &[LinkTo::Product(1)], Some(Choice::Walk(0))),
        (Entitlements, &[], &[LinkTo::Customer(1)], None),
    ] {
        assert_eq!(
            sources(kind, pairs, links).obvious(),
            wanted,
            "{pairs:?} {links:?}"
        );
    }
    let both = sources(Organizations, &[size, region], &[LinkTo::Customer(3)]);
    assert_eq!(both.leads()[0], Lead::Link(LinkTo::Customer(3)));
    assert_eq!(both.choose(Some(1)), Choice::Gather(1));
    assert_eq!(both.choose(None), Choice::Walk(2));
    let by_name = sources(Organizations, &[size, region, ("sort", "name")], &[]);
    assert_eq!(by_name.choose(None), Choice::Order);
}

#[test]
fn a_list_is_exact_when_one_index_says_it_all() {
    use ListKind::Organizations;
    let region = ("detail.Region.eq", "EU");
    let long = "n".repeat(limits::VALUE_KEY_CHARS_MAX + 1);
    for (pairs, links, wanted) in [
        (&[][..], &[][..], true),
        (&[region], &[], true),
        (&[region, ("sort", "name")], &[], false),
        (&[("namePrefix", "a")], &[], true),
        (&[("namePrefix", "a"), ("sort", "id")], &[], false),
        (&[("detail.Region.in", "[\"EU\",\"US\"]")], &[], false),
        // What no index says has to be asked of each row.
        (&[("detail.Region.ne", "EU")], &[], false),
        (&[region, ("detail.Size.set", "false")], &[], false),
        (&[region], &[LinkTo::Product(1)], false),
        // The index has the beginning of such a key only.
        (&[("detail.Note.eq", long.as_str())], &[], false),
        (&[("detail.Note.eq", &long[2..])], &[], true),
    ] {
        let (sources, filters) = asked(Organizations, pairs, links);
        assert_eq!(sources.are_exact(&filters), wanted, "{pairs:?} {links:?}");
    }
}

#[test]
fn two_ends_of_a_field_are_one_span() {
    let sources = sources(
        ListKind::Organizations,
        &[
            ("detail.Size.gte", "1"),
            ("detail.Size.lt", "10"),
            ("detail.Size.lte", "20"),
        ],
        &[],
    );
    let key = |text: &str| crate::value_key(FieldType::Number, text);
    let span = Span {
        after: (key("1"), i64::MIN),
        before: key("10"),
    };
    assert_eq!(sources.leads(), [Lead::Values(FieldId(2), span)]);
}

#[test]
fn spans() {
    let holds = |span: &Span, text: &str| (text.to_owned(), 0) > span.after && text < span.before.as_str();
    let last = char::MAX.to_string();
    for (prefix, inside, outside) in [
        (
            "a",
            &["a", "ab", "a\u{10ffff}\u{10ffff}b"][..],
            &["b", "A", "", "b\u{1}"][..],
        ),
        ("\u{d7ff}", &["\u{d7ff}", "\u{d7ff}x"], &["\u{e000}", "\u{d7fe}"]),
        (
            last.as_str(),
            &[last.as_str(), "\u{10ffff}x"],
            &["a", "\u{10fffe}"],
        ),
    ] {
        let span = Span::of_prefix(prefix);
        assert!(inside.iter().all(|text| holds(&span, text)), "{prefix:?}");
        assert!(!outside.iter().any(|text| holds(&span, text)), "{prefix:?}");
    }
    let one = Span::of("ab");
    assert!(holds(&one, "ab") && !holds(&one, "abc") && !holds(&one, "aa") && !holds(&one, "ab "));
    let longest = char::MAX.to_string().repeat(255 * 3);
    assert!(holds(&Span::all(), &longest) && holds(&Span::all(), ""));
}
