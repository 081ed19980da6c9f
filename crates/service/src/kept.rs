//! What was made earlier, kept under the version of what it was made of
//! ([`Version`]): most reads of a busy server ask for what was just asked for, and making it is the dearest
//! part of a read.
//!
//! Bounded: things are kept in two generations. When the young one is full it becomes the old one, and the
//! old one goes; what is asked for again becomes young again.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, PoisonError};

use guildhall_storage::Version;

/// What a thing costs beside its bytes, about: its place in the map, and its allocation.
const OVERHEAD_BYTES: usize = 160;
/// Parts with a lock each, so that cores seldom meet.
const PARTS: usize = 32;

/// Things that are kept, by their key.
pub struct Kept<K, T, V = Version> {
    hasher: RandomState,
    parts: Box<[Mutex<Part<K, T, V>>]>,
    /// What one generation of one part may hold.
    generation_bytes_max: usize,
}

/// A thing, its version, and how large it is.
type Generation<K, T, V> = HashMap<K, (V, T, usize)>;

struct Part<K, T, V> {
    young: Generation<K, T, V>,
    young_bytes: usize,
    old: Generation<K, T, V>,
}

impl<K: Copy + Eq + Hash, T: Clone, V: Copy + Eq> Kept<K, T, V> {
    /// Room for so much, with what things cost beside their bytes.
    pub fn holding(bytes_max: usize) -> Self {
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

    /// The thing, if it was made under this version.
    pub fn find(&self, key: K, version: V) -> Option<T> {
        let mut part = self.part(&key).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((kept, thing, _)) = part.young.get(&key) {
            return (*kept == version).then(|| thing.clone());
        }
        let (kept, thing, bytes) = part.old.remove(&key)?;
        if kept != version {
            return None;
        }
        part.add(key, version, thing.clone(), bytes, self.generation_bytes_max);
        Some(thing)
    }

    /// Keeps a thing of so many bytes that was made under this version.
    pub fn keep(&self, key: K, version: V, thing: T, bytes: usize) {
        let mut part = self.part(&key).lock().unwrap_or_else(PoisonError::into_inner);
        part.add(
            key,
            version,
            thing,
            bytes + OVERHEAD_BYTES,
            self.generation_bytes_max,
        );
    }

    fn part(&self, key: &K) -> &Mutex<Part<K, T, V>> {
        &self.parts[self.hasher.hash_one(key) as usize % PARTS]
    }
}

impl<K: Eq + Hash, T, V> Part<K, T, V> {
    fn add(&mut self, key: K, version: V, thing: T, bytes: usize, bytes_max: usize) {
        self.young_bytes += bytes;
        if let Some((_, _, before)) = self.young.insert(key, (version, thing, bytes)) {
            self.young_bytes -= before;
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

    #[test]
    fn a_thing_is_found_under_its_key_and_version_only() {
        let kept = Kept::<(i64, i64), &str, u64>::holding(1024 * 1024);
        kept.keep((1, 1), 5, "five", 4);
        assert_eq!(kept.find((1, 1), 5), Some("five"));
        for (key, version) in [((1, 1), 6), ((1, 1), 4), ((1, 2), 5), ((2, 1), 5)] {
            assert_eq!(kept.find(key, version), None, "{key:?} {version}");
        }
        kept.keep((1, 1), 6, "six", 3);
        assert_eq!(kept.find((1, 1), 6), Some("six"));
        assert_eq!(kept.find((1, 1), 5), None);
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_asked_for_stays() {
        let (bytes_max, bytes) = (1024 * 1024, 1000);
        let kept = Kept::<i64, i64, u64>::holding(bytes_max);
        for id in 0..10_000 {
            kept.keep(id, 1, id, bytes);
            assert_eq!(kept.find(0, 1), Some(0), "asked for all the time, at {id}");
        }
        let held: usize = kept
            .parts
            .iter()
            .map(|part| {
                let part = part.lock().unwrap();
                (part.young.len() + part.old.len()) * (bytes + OVERHEAD_BYTES)
            })
            .sum();
        assert!(held <= bytes_max + PARTS * (bytes + OVERHEAD_BYTES), "{held}");
        assert!(held >= bytes_max / 4, "{held}");
    }
}
