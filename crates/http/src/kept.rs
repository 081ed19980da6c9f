//! Answers that were made earlier, kept under the version of what they tell of, as bytes.
//!
//! Most are kept *packed*, compressed with another answer of the same kind as the dictionary: names of fields,
//! types and members are the same in all of them, so a packed profile takes a third of its bytes, and three times
//! as many are kept ([`PackedAnswers`]). Unpacking costs a microsecond or two, making an answer anew twenty times that. Those that were made
//! last and those that are asked for again and again are kept as they are, too.
//!
//! Pages of lists are kept as they are, as long as nothing of their tenant changes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use guildhall_domain::digest::sha256;
use guildhall_domain::list::ListKind;
use guildhall_domain::{OrganizationId, TenantId};
use guildhall_service::{Kept, Version};
use lz4_flex::block::compress_with_dict;

use crate::packed::{Example, PackedAnswers};

/// What answers as they are may hold together, with what they cost beside their bytes.
const LOOSE_BYTES_MAX: usize = 20 * 1024 * 1024;
/// Of answers that had to be unpacked, one in so many is kept as it is from then on: of those that are asked for again and
/// again all are soon, and where everything is asked for alike, so that none would be found again, little is done in vain. A prime,
/// so that who asks in turns does not meet the same ones each time.
const LOOSENED_OF: u32 = 7;
/// What pages of lists may hold together, likewise.
const PAGES_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A larger page is not kept.
const PAGE_BYTES_MAX: usize = 128 * 1024;
/// A larger answer is not kept.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// What of an example serves as a dictionary.
const EXAMPLE_BYTES_MAX: usize = 4 * 1024;
/// An example serves so many answers; by then it may be out of date, since fields come and go.
const EXAMPLE_SERVES: u32 = 16_384;
/// Examples that are ready to serve; each is of a tenant and a kind of answer.
const EXAMPLES_MAX: usize = 1_024;

/// Which answer about an organization is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shown {
    /// `GET /organization/{organizationId}`
    Organization,
    /// `GET /organization/profile/{organizationId}`
    OrganizationProfile,
}

/// Whose answer it is, and which.
pub type Key = (TenantId, OrganizationId, Shown);

/// Whose page of a list it is, of what, and the digest of what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PageKey(TenantId, ListKind, [u8; 32]);

impl PageKey {
    /// That of a query's decoded parameters, in their order.
    pub fn new(tenant: TenantId, kind: ListKind, query: &[(String, String)]) -> Self {
        let mut asked = Vec::with_capacity(128);
        for text in query.iter().flat_map(|(name, value)| [name, value]) {
            // With its length, so that no two queries are the same text.
            asked.extend_from_slice(&text.len().to_le_bytes());
            asked.extend_from_slice(text.as_bytes());
        }
        Self(tenant, kind, sha256(&[&asked]))
    }
}

/// Answers that were made earlier.
pub struct KeptAnswers<V = Version> {
    pages: Kept<PageKey, Bytes, V>,
    loose: Kept<Key, Bytes, V>,
    packed: PackedAnswers,
    unpacked: AtomicU32,
    examples: Mutex<HashMap<(TenantId, Shown), Served>>,
}

/// An answer that others are packed with, and how many it served.
struct Served {
    example: Example,
    served: u32,
}

impl<V: Copy + Eq + Into<u64>> KeptAnswers<V> {
    /// So many bytes of packed answers at most, and no more of answers as they are, nor of pages.
    pub fn holding(packed: usize) -> Self {
        Self::with(LOOSE_BYTES_MAX.min(packed), packed)
    }

    fn with(loose: usize, packed: usize) -> Self {
        Self {
            pages: Kept::holding(PAGES_BYTES_MAX.min(packed)),
            loose: Kept::holding(loose),
            packed: PackedAnswers::holding(packed),
            unpacked: AtomicU32::new(0),
            examples: Mutex::default(),
        }
    }

    /// The answer, if it was made under this version.
    pub fn find(&self, key: Key, version: V) -> Option<Bytes> {
        if let Some(body) = self.loose.find(key, version) {
            return Some(body);
        }
        let mut body = Vec::new();
        let make_room = |len, body: &mut Vec<u8>| body.reserve_exact(len);
        self.packed.open(key, version.into(), &mut body, make_room)?;
        self.note_unpacked(key, version, &body);
        Some(body.into())
    }

    /// Writes the answer, if it was made under this version, with what `head` writes of its length before it. Else nothing is
    /// written.
    pub fn write(
        &self,
        key: Key,
        version: V,
        out: &mut Vec<u8>,
        head: impl FnOnce(usize, &mut Vec<u8>),
    ) -> bool {
        if let Some(body) = self.loose.find(key, version) {
            head(body.len(), out);
            out.extend_from_slice(&body);
            return true;
        }
        let before = out.len();
        match self.packed.open(key, version.into(), out, head) {
            Some(start) => self.note_unpacked(key, version, &out[start..]),
            None => out.truncate(before),
        }
        out.len() > before
    }

    /// An answer had to be unpacked.
    fn note_unpacked(&self, key: Key, version: V, body: &[u8]) {
        let count = self.unpacked.fetch_add(1, Ordering::Relaxed);
        if count.is_multiple_of(LOOSENED_OF) {
            self.loose
                .keep(key, version, Bytes::copy_from_slice(body), body.len());
        }
    }

    /// Keeps an answer that was made under this version.
    pub fn keep(&self, key: Key, version: V, body: &[u8]) {
        if body.len() > ANSWER_BYTES_MAX {
            return;
        }
        let example = self.example(key, body);
        let packed = compress_with_dict(body, example.bytes());
        self.packed
            .keep(key, version.into(), &packed, body.len(), &example);
        // A copy is as long as it must be; the original may have room to spare at its end.
        self.loose
            .keep(key, version, Bytes::copy_from_slice(body), body.len());
    }

    /// The page of a list, if it was made under this version.
    pub fn find_page(&self, key: PageKey, version: V) -> Option<Bytes> {
        self.pages.find(key, version)
    }

    /// Keeps a page of a list that was made under this version.
    pub fn keep_page(&self, key: PageKey, version: V, body: &[u8]) {
        if body.len() <= PAGE_BYTES_MAX {
            let page = Bytes::copy_from_slice(body);
            self.pages.keep(key, version, page, body.len());
        }
    }

    /// What to pack an answer with: another one of its kind, or itself.
    fn example(&self, (tenant, _, shown): Key, body: &[u8]) -> Example {
        let mut examples = self.examples.lock().unwrap_or_else(PoisonError::into_inner);
        if examples.len() >= EXAMPLES_MAX {
            examples.retain(|of, _| *of == (tenant, shown));
        }
        let new = || Served {
            example: self.packed.example(&body[..body.len().min(EXAMPLE_BYTES_MAX)]),
            served: 0,
        };
        let served = examples.entry((tenant, shown)).or_insert_with(new);
        if served.served >= EXAMPLE_SERVES {
            *served = new();
        }
        served.served += 1;
        served.example.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Answers = KeptAnswers<u64>;

    fn key(tenant: i64, id: i64, shown: Shown) -> Key {
        (TenantId(tenant), OrganizationId(id), shown)
    }

    fn body(number: i64) -> Vec<u8> {
        let value = r#"{"name":"Region","value":{"type":"SELECT","text":["Antarctica"]}}"#;
        format!(r#"{{"id":"{number}","name":"Company {number}","details":[{value}]}}"#).into_bytes()
    }

    const PROFILE: Shown = Shown::OrganizationProfile;

    #[test]
    fn an_answer_is_found_as_it_was_under_its_key_and_version_only() {
        let kept = Answers::holding(64 * 1024 * 1024);
        kept.keep(key(1, 1, PROFILE), 5, &body(1));
        kept.keep(key(1, 2, PROFILE), 5, b"");
        assert_eq!(kept.find(key(1, 1, PROFILE), 5).unwrap(), body(1));
        assert_eq!(kept.find(key(1, 2, PROFILE), 5).unwrap(), "");
        for (key, version) in [
            (key(1, 1, PROFILE), 6),
            (key(1, 1, Shown::Organization), 5),
            (key(2, 1, PROFILE), 5),
            (key(1, 3, PROFILE), 5),
        ] {
            assert_eq!(kept.find(key, version), None, "{key:?} {version}");
        }
        kept.keep(key(1, 1, PROFILE), 6, &body(7));
        assert_eq!(kept.find(key(1, 1, PROFILE), 6).unwrap(), body(7));
        assert_eq!(kept.find(key(1, 1, PROFILE), 5), None);
    }

    #[test]
    fn what_is_asked_for_again_and_again_is_kept_as_it_is_and_what_is_asked_for_once_is_not() {
        // Room for some thousand as they are, of ten times as many.
        let kept = Answers::with(320 * 1024, 64 * 1024 * 1024);
        for id in 0..10_000 {
            kept.keep(key(1, id, PROFILE), 1, &body(id));
        }
        let loose = |id| kept.loose.find(key(1, id, PROFILE), 1).is_some();
        let gone: Vec<i64> = (0..10_000).filter(|id| !loose(*id)).take(700).collect();
        let ask = |id| assert_eq!(kept.find(key(1, id, PROFILE), 1).unwrap(), body(id));
        for id in &gone {
            ask(*id);
        }
        assert_eq!(gone.iter().filter(|id| loose(**id)).count(), 100);
        for _ in 0..LOOSENED_OF {
            ask(gone[1]);
        }
        assert!(loose(gone[1]));
    }

    #[test]
    fn an_answer_is_written_behind_its_head_or_nothing_is() {
        for loose in [0, 1024 * 1024] {
            let kept = Answers::with(loose, 1024 * 1024);
            kept.keep(key(1, 1, PROFILE), 5, &body(1));
            let mut out = b"before ".to_vec();
            let head = |len: usize, out: &mut Vec<u8>| out.extend_from_slice(format!("{len} ").as_bytes());
            assert!(!kept.write(key(1, 1, PROFILE), 6, &mut out, head));
            assert_eq!(out, b"before ");
            assert!(kept.write(key(1, 1, PROFILE), 5, &mut out, head));
            let body = body(1);
            let expected = [format!("before {} ", body.len()).as_bytes(), &body].concat();
            assert_eq!(out, expected);
        }
    }

    /// Examples come and go; what was packed with one is found as it was.
    #[test]
    fn packed_answers_outlive_their_examples() {
        // Nothing but the last few is kept as it is.
        let kept = Answers::with(0, 64 * 1024 * 1024);
        let count = i64::from(EXAMPLE_SERVES) * 2 + 10;
        for id in 0..count {
            kept.keep(key(1, id, PROFILE), 1, &body(id));
            kept.keep(key(id, 1, Shown::Organization), 1, &body(id));
        }
        for id in 0..count {
            assert_eq!(kept.find(key(1, id, PROFILE), 1).unwrap(), body(id));
            assert_eq!(kept.find(key(id, 1, Shown::Organization), 1).unwrap(), body(id));
        }
        assert!(kept.examples.lock().unwrap().len() <= EXAMPLES_MAX);
    }

    /// Of many tenants each has an example of its own, which takes more room than what is packed with it.
    #[test]
    fn what_examples_hold_is_bounded_too() {
        let bytes_max = 16 * 1024 * 1024;
        let kept = Answers::with(0, bytes_max);
        let body = vec![b'x'; 4_000];
        for round in 0..3 {
            for tenant in 0..3_000 {
                kept.keep(key(tenant, round, PROFILE), 1, &body);
                let held = kept.packed.held();
                assert!(held < bytes_max / 4 * 5, "{held}");
            }
        }
        assert!(kept.find(key(2_999, 2, PROFILE), 1).is_some());
    }

    /// Three times as many are kept as would be as they are, with all that they cost.
    #[test]
    fn like_answers_take_a_fraction_of_their_bytes() {
        let padded = |number: i64| {
            let details: Vec<String> = (0..10)
                .map(|field| {
                    format!(
                        r#"{{"name":"Field number {field} of the organization","value":{{"type":"TEXT","values":["{}"]}}}}"#,
                        number * field
                    )
                })
                .collect();
            format!(
                r#"{{"id":"{number}","name":"Company {number}","details":[{}]}}"#,
                details.join(",")
            )
            .into_bytes()
        };
        let room = 4 * 1024 * 1024;
        let kept = Answers::with(0, room);
        let count = 4 * room as i64 / padded(1).len() as i64;
        for id in 0..count {
            kept.keep(key(1, id, PROFILE), 1, &padded(id));
        }
        let found = (0..count).filter(|id| kept.find(key(1, *id, PROFILE), 1).is_some());
        let (found, whole) = (found.count(), room / padded(1).len());
        assert!(found >= 3 * whole, "{found} where {whole} would be");
        // One unlike all others is whole, too.
        let noise: Vec<u8> = (0..3_000_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        kept.keep(key(1, 0, PROFILE), 2, &noise);
        assert_eq!(kept.find(key(1, 0, PROFILE), 2).unwrap(), noise);
    }

    #[test]
    fn a_page_is_found_by_who_asks_the_same_of_the_same() {
        let kept = Answers::holding(64 * 1024 * 1024);
        let query = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            pairs.iter().map(owned).collect()
        };
        let key = |tenant, kind, pairs: &[(&str, &str)]| PageKey::new(TenantId(tenant), kind, &query(pairs));
        let asked = key(1, ListKind::Organizations, &[("sort", "name"), ("limit", "5")]);
        kept.keep_page(asked, 5, b"[]");
        assert_eq!(kept.find_page(asked, 5).unwrap(), "[]");
        assert_eq!(kept.find_page(asked, 6), None);
        let all = ListKind::Organizations;
        for other in [
            key(2, all, &[("sort", "name"), ("limit", "5")]),
            key(1, ListKind::Customers, &[("sort", "name"), ("limit", "5")]),
            key(1, all, &[]),
            key(1, all, &[("sort", "name")]),
            key(1, all, &[("sort", "name"), ("limit", "6")]),
            key(1, all, &[("sort", "namelimit"), ("", "5")]),
            key(1, all, &[("sort", "name"), ("limit5", "")]),
        ] {
            assert_eq!(kept.find_page(other, 5), None, "{other:?}");
        }
        kept.keep_page(asked, 6, &[b'x'; PAGE_BYTES_MAX + 1]);
        assert_eq!(kept.find_page(asked, 6), None);
        let none = Answers::holding(0);
        none.keep_page(asked, 5, b"[]");
        assert_eq!(none.find_page(asked, 5), None);
    }

    #[test]
    fn a_large_answer_is_not_kept() {
        let kept = Answers::holding(64 * 1024 * 1024);
        let large = vec![b'x'; ANSWER_BYTES_MAX + 1];
        kept.keep(key(1, 1, PROFILE), 1, &large);
        assert_eq!(kept.find(key(1, 1, PROFILE), 1), None);
        kept.keep(key(1, 1, PROFILE), 1, &large[1..]);
        assert_eq!(kept.find(key(1, 1, PROFILE), 1).unwrap(), large[1..]);
    }
}
