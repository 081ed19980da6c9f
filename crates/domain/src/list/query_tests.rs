//! Queries, good and bad.

use super::*;
use proptest::prelude::*;

fn parse(kind: ListKind, pairs: &[(&str, &str)]) -> Result<ListQuery, String> {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    ListQuery::parse(kind, &pairs).map_err(|refusal| refusal.to_string())
}

#[test]
fn the_order_follows_the_prefix_unless_it_is_said() {
    let by = |pairs: &[(&str, &str)]| {
        let sort = parse(ListKind::Customers, pairs).unwrap().sort;
        (sort.by, sort.descending)
    };
    assert_eq!(by(&[]), (SortBy::Id, false));
    assert_eq!(by(&[("namePrefix", "a")]), (SortBy::Name, false));
    assert_eq!(by(&[("emailPrefix", "a")]), (SortBy::Email, false));
    assert_eq!(
        by(&[("namePrefix", "a"), ("emailPrefix", "a")]),
        (SortBy::Name, false)
    );
    assert_eq!(
        by(&[("namePrefix", "a"), ("sort", "-updatedAt")]),
        (SortBy::UpdatedAt, true)
    );
    assert_eq!(by(&[("sort", "-email")]), (SortBy::Email, true));
}

#[test]
fn a_field_may_have_any_name() {
    for name in ["Region", "a.b", "x.eq", "", "a=b&c:d", "detail.x.eq", "Ä/ö ?"] {
        let query = parse(ListKind::Organizations, &[(&format!("detail.{name}.eq"), "v")]).unwrap();
        let asked = &query.comparisons[0];
        assert_eq!((asked.field.as_str(), asked.operator), (name, Operator::Eq));
    }
}

#[test]
fn what_is_wrong_is_said() {
    use ListKind::{Customers, Entitlements, Organizations, Products};
    let long = "x".repeat(256);
    type Case<'c> = (ListKind, &'c [(&'c str, &'c str)], &'c str);
    let cases: &[Case<'_>] = &[
        (
            Organizations,
            &[("nameprefix", "a")],
            "there is no parameter \"nameprefix\". Did you mean \"namePrefix\"?",
        ),
        (
            Organizations,
            &[("x", "a")],
            "it takes sort, limit, cursor, count, customer, product, namePrefix, and detail.FIELD.OPERATOR",
        ),
        (
            Organizations,
            &[("emailPrefix", "a")],
            "there is no parameter \"emailPrefix\"",
        ),
        (
            Organizations,
            &[("organization", "1")],
            "there is no parameter \"organization\"",
        ),
        (
            Entitlements,
            &[("namePrefix", "a")],
            "there is no parameter \"namePrefix\"",
        ),
        (
            Products,
            &[("detail.Region.eq", "a")],
            "there is no parameter \"detail.Region.eq\"",
        ),
        (Products, &[("product", "a")], "there is no parameter \"product\""),
        (
            Customers,
            &[("sort", "id"), ("sort", "id")],
            "sort: is given twice",
        ),
        (
            Customers,
            &[("sort", "Name")],
            "sort: must be one of id, name, email, updatedAt, with a - before it for the other direction, not \"Name\". Did you mean \"name\"?",
        ),
        (
            Entitlements,
            &[("sort", "name")],
            "sort: must be one of id, updatedAt",
        ),
        (
            Products,
            &[("sort", "--id")],
            "sort: must be one of id, name, updatedAt",
        ),
        (
            Products,
            &[("count", "1")],
            "count: must be true or false, not \"1\"",
        ),
        (
            Products,
            &[("namePrefix", " ")],
            "namePrefix: \" \" must not be blank",
        ),
        (
            Products,
            &[("namePrefix", "a\0")],
            "namePrefix: \"a\\0\" must not hold control characters",
        ),
        (Products, &[("namePrefix", &long)], "at most 255 characters"),
        (
            Customers,
            &[("detail.Region", "EU")],
            "\"detail.Region\" names no operator; write detail.FIELD.OPERATOR, such as detail.Region.eq=VALUE",
        ),
        (Customers, &[("detail.", "EU")], "such as detail.Region.eq=VALUE"),
        (
            Customers,
            &[("detail.Region.is", "EU")],
            "there is no operator \"is\"; there are eq, ne, lt,",
        ),
    ];
    for (kind, pairs, words) in cases {
        let refusal = parse(*kind, pairs).unwrap_err();
        assert!(refusal.contains(words), "{pairs:?}: {refusal}");
    }
    let many: Vec<_> = (0..21).map(|_| ("detail.Region.eq", "EU")).collect();
    assert!(parse(Customers, &many[..20]).is_ok());
    assert!(
        parse(Customers, &many)
            .unwrap_err()
            .starts_with("detail: 21 comparisons")
    );
}

proptest! {
    #[test]
    fn no_query_breaks_it(pairs in prop::collection::vec(
        ("detail\\.PC{0,9}\\.(eq|in|x)|sort|count|namePrefix|\\PC{0,9}", any::<String>()), 0..5,
    )) {
        for kind in [ListKind::Organizations, ListKind::Customers, ListKind::Products, ListKind::Entitlements] {
            let _either = ListQuery::parse(kind, &pairs);
        }
    }
}
