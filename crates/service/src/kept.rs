//! What was made earlier, kept under the version of what it was made of
//! ([`Version`]): most reads of a busy server ask for what was just asked for, and making it is the dearest
//! part of a read.
//!
//! Bounded: what came first goes first, but what was asked for since it was looked at last is passed over once.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash};
use std::sync::{Mutex, PoisonError};

use foldhash::quality::RandomState;
use guildhall_storage::Version;

/// What a thing costs beside its bytes, about: its place in the map, and its allocation.
const OVERHEAD_BYTES: usize = 160;
/// Parts with a lock each, so that cores seldom meet.
const PARTS: usize = 32;

/// Things that are kept, by their key.
pub struct Kept<K, T, V = Version> {
    hasher: RandomState,
    parts: Box<[Mutex<Part<K, T, V>>]>,
    /// What one part may hold.
    part_bytes_max: usize,
}

struct One<T, V> {
    version: V,
    thing: T,
    bytes: usize,
    /// Whether it was asked for since it was looked at last.
    is_wanted: bool,
}

struct Part<K, T, V> {
    things: HashMap<K, One<T, V>, RandomState>,
    /// The keys of all things, in the order in which they are looked at when there is no room.
    line: VecDeque<K>,
    bytes: usize,
}

impl<K: Copy + Eq + Hash, T: Clone, V: Copy + Eq> Kept<K, T, V> {
    /// Room for so much, with what things cost beside their bytes.
    pub fn holding(bytes_max: usize) -> Self {
        let hasher = RandomState::default();
        let part = || Part {
            things: HashMap::with_hasher(hasher.clone()),
            line: VecDeque::new(),
            bytes: 0,
        };
        Self {
            parts: (0..PARTS).map(|_| Mutex::new(part())).collect(),
            hasher,
            part_bytes_max: bytes_max / PARTS,
        }
    }

    /// The thing, if it was made under this version.
    pub fn find(&self, key: K, version: V) -> Option<T> {
        let mut part = self.part(&key).lock().unwrap_or_else(PoisonError::into_inner);
        let one = part.things.get_mut(&key)?;
        (one.version == version).then(|| {
            one.is_wanted = true;
            one.thing.clone()
        })
    }

    /// Keeps a thing of so many bytes that was made under this version.
    pub fn keep(&self, key: K, version: V, thing: T, bytes: usize) {
        let mut part = self.part(&key).lock().unwrap_or_else(PoisonError::into_inner);
        let one = One {
            version,
            thing,
            bytes: bytes + OVERHEAD_BYTES,
            is_wanted: false,
        };
        part.add(key, one, self.part_bytes_max);
    }

    fn part(&self, key: &K) -> &Mutex<Part<K, T, V>> {
        // The map of a part takes its places from the lowest and the highest bits.
        &self.parts[(self.hasher.hash_one(key) >> 32) as usize % PARTS]
    }
}

impl<K: Copy + Eq + Hash, T, V> Part<K, T, V> {
    fn add(&mut self, key: K, one: One<T, V>, bytes_max: usize) {
        self.bytes += one.bytes;
        match self.things.insert(key, one) {
            Some(before) => self.bytes -= before.bytes,
            None => self.line.push_back(key),
        }
        while self.bytes > bytes_max
            && let Some(key) = self.line.pop_front()
        {
            match self.things.get_mut(&key) {
                Some(one) if one.is_wanted => {
                    one.is_wanted = false;
                    self.line.push_back(key);
                }
                Some(_) | None => {
                    let gone = self.things.remove(&key);
                    self.bytes -= gone.map_or(0, |one| one.bytes);
                }
            }
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
        let mut held = 0;
        for part in &kept.parts {
            let part = part.lock().unwrap();
            let bytes: usize = part.things.values().map(|one| one.bytes).sum();
            assert_eq!((part.bytes, part.line.len()), (bytes, part.things.len()));
            held += bytes;
        }
        assert!(held <= bytes_max, "{held}");
        assert!(held > bytes_max - PARTS * 2 * (bytes + OVERHEAD_BYTES), "{held}");
        for id in 9_990..10_000 {
            assert_eq!(kept.find(id, 1), Some(id), "those that came last");
        }
    }

    #[test]
    fn what_is_larger_than_the_room_is_not_kept_and_a_new_version_takes_the_place_of_the_old() {
        let kept = Kept::<i64, &str, u64>::holding(PARTS * 1_000);
        kept.keep(1, 1, "large", 1_000);
        assert_eq!(kept.find(1, 1), None);
        for version in 0..100 {
            kept.keep(1, version, "small", 500);
            assert_eq!(kept.find(1, version), Some("small"));
        }
        let part = kept.part(&1).lock().unwrap();
        assert_eq!((part.bytes, part.line.len()), (500 + OVERHEAD_BYTES, 1));
    }
}
