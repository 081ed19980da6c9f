//! Answers that were made earlier, kept under the version of what they are made of
//! ([`guildhall_storage`'s versions](guildhall_service::Version)): most reads of a busy server ask for
//! what was just asked for, and the bytes are the dearest part of a read.
//!
//! Bounded: answers are kept in two generations. When the young one is full it becomes the old one, and
//! the old one goes; what is asked for again becomes young again.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use guildhall_domain::{OrganizationId, TenantId};
use guildhall_service::Version;

/// What all answers may hold together, with what they cost beside their bytes.
const BYTES_MAX: usize = 48 * 1024 * 1024;
/// A larger answer is not kept.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// What an answer costs beside its bytes, about: its place in the map, and its allocation.
const OVERHEAD_BYTES: usize = 160;
/// Parts with a lock each, so that cores seldom meet.
const PARTS: usize = 32;

/// Which answer about an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kept {
    /// `GET /organization/{organizationId}`
    Organization,
    /// `GET /organization/profile/{organizationId}`
    OrganizationProfile,
}

type Key = (TenantId, OrganizationId, Kept);
type Generation<V> = HashMap<Key, (V, Bytes)>;

/// The answers that are kept.
pub struct KeptAnswers<V = Version> {
    hasher: RandomState,
    parts: Box<[Mutex<Part<V>>]>,
    /// What one generation of one part may hold.
    generation_bytes_max: usize,
}

struct Part<V> {
    young: Generation<V>,
    young_bytes: usize,
    old: Generation<V>,
}

impl<V: Copy + Eq> Default for KeptAnswers<V> {
    fn default() -> Self {
        Self::holding(BYTES_MAX)
    }
}

impl<V: Copy + Eq> KeptAnswers<V> {
    fn holding(bytes_max: usize) -> Self {
        let part = || Part {
            young: HashMap::new(),
            young_bytes: 0,
            old: HashMap::new(),
        };
        Self {
            hasher: RandomState::new(),
            parts: (0..PARTS).map(|_| Mutex::new(part())).collect(),
            generation_bytes_max: bytes_max / PARTS / 2,
        }
    }

    /// The answer, if it was made under this version.
    pub fn find(&self, key: Key, version: V) -> Option<Bytes> {
        let mut part = self.part(&key).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((kept, body)) = part.young.get(&key) {
            return (*kept == version).then(|| body.clone());
        }
        let (kept, body) = part.old.remove(&key)?;
        if kept != version {
            return None;
        }
        part.add(key, version, body.clone(), self.generation_bytes_max);
        Some(body)
    }

    /// Keeps an answer that was made under this version.
    pub fn keep(&self, key: Key, version: V, body: &Bytes) {
        if body.len() <= ANSWER_BYTES_MAX {
            // A copy is as long as it must be; the original has room to spare at its end.
            let body = Bytes::copy_from_slice(body);
            let mut part = self.part(&key).lock().unwrap_or_else(PoisonError::into_inner);
            part.add(key, version, body, self.generation_bytes_max);
        }
    }

    fn part(&self, key: &Key) -> &Mutex<Part<V>> {
        &self.parts[self.hasher.hash_one(key) as usize % PARTS]
    }
}

impl<V> Part<V> {
    fn add(&mut self, key: Key, version: V, body: Bytes, bytes_max: usize) {
        self.young_bytes += body.len() + OVERHEAD_BYTES;
        if let Some((_, before)) = self.young.insert(key, (version, body)) {
            self.young_bytes -= before.len() + OVERHEAD_BYTES;
        }
        if self.young_bytes > bytes_max {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: i64) -> Key {
        (TenantId(1), OrganizationId(id), Kept::Organization)
    }

    #[test]
    fn an_answer_is_found_under_its_version_only() {
        let kept = KeptAnswers::<u64>::default();
        kept.keep(key(1), 5, &Bytes::from_static(b"five"));
        assert_eq!(kept.find(key(1), 5).as_deref(), Some(&b"five"[..]));
        assert_eq!(kept.find(key(1), 6), None);
        assert_eq!(kept.find(key(1), 4), None);
        assert_eq!(kept.find(key(2), 5), None);
        let profile = (TenantId(1), OrganizationId(1), Kept::OrganizationProfile);
        assert_eq!(kept.find(profile, 5), None);
        assert_eq!(
            kept.find((TenantId(2), OrganizationId(1), Kept::Organization), 5),
            None
        );
        kept.keep(key(1), 6, &Bytes::from_static(b"six"));
        assert_eq!(kept.find(key(1), 6).as_deref(), Some(&b"six"[..]));
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_asked_for_stays() {
        let bytes_max = 1024 * 1024;
        let kept = KeptAnswers::<u64>::holding(bytes_max);
        let body = Bytes::from(vec![b'x'; 1000]);
        for id in 0..10_000 {
            kept.keep(key(id), 1, &body);
            assert_eq!(
                kept.find(key(0), 1).as_ref(),
                Some(&body),
                "asked for all the time, at {id}"
            );
        }
        let held: usize = kept
            .parts
            .iter()
            .map(|part| {
                let part = part.lock().unwrap();
                (part.young.len() + part.old.len()) * (body.len() + OVERHEAD_BYTES)
            })
            .sum();
        assert!(
            held <= bytes_max + PARTS * (body.len() + OVERHEAD_BYTES),
            "{held}"
        );
        assert!(held >= bytes_max / 4, "{held}");
    }

    #[test]
    fn a_huge_answer_is_not_kept() {
        let kept = KeptAnswers::<u64>::default();
        kept.keep(key(1), 1, &Bytes::from(vec![b'x'; ANSWER_BYTES_MAX + 1]));
        assert_eq!(kept.find(key(1), 1), None);
    }
}
