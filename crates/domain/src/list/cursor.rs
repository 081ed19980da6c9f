//! Cursors: where a page ended, bound to the query that it belongs to. The text is the query's digest,
//! a checksum, and the position: `i` and the number, `t`, the number and a text in hexadecimal, or `u`,
//! the number and an instant.
//!
//! A cursor is no secret and gives no right: the tenant is always the caller's own.

use super::{ListQuery, Place, Position, SortBy};
use crate::digest::{hex, sha256, unhex};
use crate::{Excerpt, Rejection, TenantId};

/// Letters of the digest and of the checksum.
const DIGEST: usize = 16;

/// The cursor of this position.
pub fn write(query: &ListQuery, tenant: TenantId, position: &Position) -> String {
    let number = position.number;
    let body = match &position.place {
        Place::Number => format!("i{number}"),
        Place::Text(text) => format!("t{number}.{}", hex(text.as_bytes())),
        Place::Instant(at) => format!("u{number}.{at}"),
    };
    let digest = digest(query, tenant);
    format!("{digest}{}{body}", checksum(&digest, &body))
}

/// The position of a cursor.
///
/// # Errors
///
/// `Invalid` at `cursor`: it is none, was changed, or belongs to another query.
pub fn read(query: &ListQuery, tenant: TenantId, cursor: &str) -> Result<Position, Rejection> {
    let refused = |problem: &str| {
        let problem = format!(
            "{:?} {problem}; use the nextCursor of the page before, with the same filters and sort",
            Excerpt(cursor)
        );
        Rejection::invalid("cursor", problem)
    };
    let no_cursor = || refused("is no cursor");
    let (digest_of, rest) = cursor.split_at_checked(DIGEST).ok_or_else(no_cursor)?;
    let (sum, body) = rest.split_at_checked(DIGEST).ok_or_else(no_cursor)?;
    if checksum(digest_of, body) != sum {
        return Err(no_cursor());
    }
    if digest_of != digest(query, tenant) {
        return Err(refused("is the cursor of another query"));
    }
    parse(body, query.sort.by).ok_or_else(no_cursor)
}

fn parse(body: &str, by: SortBy) -> Option<Position> {
    let (kind, rest) = body.split_at_checked(1)?;
    let (place, number) = match (kind, by) {
        ("i", SortBy::Id) => (Place::Number, rest),
        ("t", SortBy::Name | SortBy::Email) => {
            let (number, text) = rest.split_once('.')?;
            (Place::Text(String::from_utf8(unhex(text)?).ok()?), number)
        }
        ("u", SortBy::UpdatedAt) => {
            let (number, at) = rest.split_once('.')?;
            (Place::Instant(at.parse().ok()?), number)
        }
        _ => return None,
    };
    Some(Position {
        place,
        number: number.parse().ok()?,
    })
}

/// What tells queries apart: all but the size of the page and whether to count.
fn digest(query: &ListQuery, tenant: TenantId) -> String {
    let canonical = format!("{}\n{}", tenant.0, query.canonical());
    short(&[b"query\n", canonical.as_bytes()])
}

fn checksum(digest: &str, body: &str) -> String {
    short(&[b"cursor\n", digest.as_bytes(), b"\n", body.as_bytes()])
}

fn short(parts: &[&[u8]]) -> String {
    let mut text = hex(&sha256(parts));
    text.truncate(DIGEST);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::ListKind;
    use proptest::prelude::*;

    fn query(pairs: &[(&str, &str)]) -> ListQuery {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        ListQuery::parse(ListKind::Customers, &pairs).unwrap()
    }

    const TENANT: TenantId = TenantId(3);

    fn position(place: Place) -> Position {
        Position { place, number: 7 }
    }

    #[test]
    fn a_cursor_belongs_to_its_query() {
        let (sort, filter) = (("sort", "name"), ("detail.Region.eq", "EU"));
        let other_filter = ("detail.Tier.eq", "Gold");
        let one = query(&[sort, filter, other_filter]);
        let cursor = write(&one, TENANT, &position(Place::Text("acme".into())));
        let same = query(&[other_filter, ("count", "true"), ("limit", "5"), filter, sort]);
        assert_eq!(
            read(&same, TENANT, &cursor),
            Ok(position(Place::Text("acme".into())))
        );
        for other in [
            query(&[sort]),
            query(&[("sort", "-name"), filter, other_filter]),
            query(&[("sort", "email"), filter, other_filter]),
            query(&[sort, ("detail.Region.eq", "US"), other_filter]),
            query(&[sort, ("detail.Region.ne", "EU"), other_filter]),
            query(&[sort, filter, other_filter, ("product", "x")]),
            query(&[sort, filter, other_filter, ("namePrefix", "a")]),
            query(&[sort, filter, other_filter, ("emailPrefix", "a")]),
        ] {
            let words = read(&other, TENANT, &cursor).unwrap_err().to_string();
            assert!(words.contains("is the cursor of another query"), "{words}");
        }
        assert!(read(&one, TenantId(4), &cursor).is_err(), "another tenant's");
    }

    #[test]
    fn a_changed_cursor_is_none() {
        let query = query(&[("sort", "updatedAt")]);
        let cursor = write(&query, TENANT, &position(Place::Instant(-5)));
        assert_eq!(read(&query, TENANT, &cursor), Ok(position(Place::Instant(-5))));
        for at in 0..cursor.len() {
            let mut changed = cursor.clone().into_bytes();
            changed[at] = if changed[at] == b'1' { b'2' } else { b'1' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(read(&query, TENANT, &changed).is_err(), "{changed}");
            assert!(read(&query, TENANT, &cursor[..at]).is_err(), "{at}");
        }
        assert!(read(&query, TENANT, &format!("{cursor}0")).is_err());
    }

    proptest! {
        #[test]
        fn cursors_come_back(text in any::<String>(), number in any::<i64>(), at in any::<i64>()) {
            for (sort, place) in [
                ("-name", Place::Text(text.clone())),
                ("id", Place::Number),
                ("-updatedAt", Place::Instant(at)),
            ] {
                let (query, position) = (query(&[("sort", sort)]), Position { place, number });
                let cursor = write(&query, TENANT, &position);
                prop_assert_eq!(read(&query, TENANT, &cursor), Ok(position));
            }
        }

        #[test]
        fn no_text_breaks_it(text in any::<String>()) {
            prop_assert!(read(&query(&[]), TENANT, &text).is_err());
        }
    }
}
