//! Packed answers in memory, one behind the other.
//!
//! A million of them are half a gigabyte, so what each costs beside its bytes counts, and nothing of it is in a cache of the processor when
//! it is asked for. A small table says where an answer begins, and there it stands with all that is known of it: some 80 bytes beside the packed
//! ones, where a table of all that with an allocation for each took 300.
//!
//! They stand in blocks, as in a log: a new one behind the last. When there is no more room the oldest block goes, and what was asked
//! for since it was written is written anew, once; so is all that is still good while much of the log is not.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::quality::RandomState;
use guildhall_domain::{OrganizationId, TenantId};
use lz4_flex::block::decompress_into_with_dict;

use crate::kept::{Key, Shown};

/// Parts with a lock each, so that cores seldom meet.
const PARTS: usize = 32;
/// A block is no larger, and no more than an eighth of its part.
const BLOCK_BYTES_MAX: usize = 256 * 1024;
const BLOCKS_MIN: usize = 8;
/// The first allocation of a part.
const BLOCK_BYTES_FIRST: usize = 4 * 1024;
/// What there is a place for in the table costs: the table is filled to seven eighths at most.
const PLACE_BYTES: usize = 20;
/// So many blocks are gone through for what may stay, each time that there is no more room: it takes a millisecond or so. Of one more nothing
/// stays, and if that is not enough, the next time goes on.
const BLOCKS_SIFTED: usize = 4;

/// An answer that others are packed with. It is counted, once, as long as anybody holds it.
#[derive(Clone)]
pub(crate) struct Example {
    /// No other one has it.
    number: u64,
    held: Arc<Held>,
}

struct Held {
    bytes: Box<[u8]>,
    /// What all hold.
    all: Arc<AtomicUsize>,
}

/// What an example costs beside its bytes, in all parts together.
const EXAMPLE_BYTES: usize = 1_024;

impl Example {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.held.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes.len() + EXAMPLE_BYTES, Relaxed);
    }
}

/// Packed answers.
pub(crate) struct PackedAnswers {
    hasher: RandomState,
    parts: Box<[Mutex<Part>]>,
    /// All that there is room for.
    bytes_max: usize,
    /// What examples hold of it.
    of_examples: Arc<AtomicUsize>,
    /// How many examples there have been.
    examples: AtomicU64,
}

struct Part {
    /// Where the last answer begins that was kept under a key with this hash.
    places: HashMap<u64, Place, RandomState>,
    blocks: VecDeque<Vec<u8>>,
    /// The number of the first block. After the greatest number comes 0.
    first: u32,
    block_bytes_max: usize,
    /// What the blocks hold and may come to hold.
    room: usize,
    /// What they hold.
    used: usize,
    /// What is good of it.
    good: usize,
    /// By their numbers, with how many answers in the blocks are packed with them.
    examples: HashMap<u64, (Example, usize), RandomState>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    block: u32,
    at: u32,
}

/// What stands before a packed answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    key: Key,
    version: u64,
    example: u64,
    /// The length of the answer.
    len: u32,
    packed: u32,
    /// Whether it was asked for.
    is_wanted: bool,
}

impl Header {
    const BYTES: usize = 42;
    /// Where `is_wanted` stands.
    const WANTED_AT: usize = 41;

    fn write(&self, out: &mut Vec<u8>) {
        let (TenantId(tenant), OrganizationId(organization), shown) = self.key;
        out.extend_from_slice(&tenant.to_le_bytes());
        out.extend_from_slice(&organization.to_le_bytes());
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&self.example.to_le_bytes());
        out.extend_from_slice(&self.len.to_le_bytes());
        out.extend_from_slice(&self.packed.to_le_bytes());
        out.push(match shown {
            Shown::Organization => 0,
            Shown::OrganizationProfile => 1,
        });
        out.push(u8::from(self.is_wanted));
    }

    /// The header that the bytes begin with, and the packed answer behind it.
    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (tenant, rest) = bytes.split_first_chunk()?;
        let (organization, rest) = rest.split_first_chunk()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (example, rest) = rest.split_first_chunk()?;
        let (len, rest) = rest.split_first_chunk()?;
        let (packed, rest) = rest.split_first_chunk()?;
        let (&[shown, is_wanted], rest) = rest.split_first_chunk()?;
        let shown = match shown {
            0 => Shown::Organization,
            _ => Shown::OrganizationProfile,
        };
        let tenant = TenantId(i64::from_le_bytes(*tenant));
        let header = Self {
            key: (tenant, OrganizationId(i64::from_le_bytes(*organization)), shown),
            version: u64::from_le_bytes(*version),
            example: u64::from_le_bytes(*example),
            len: u32::from_le_bytes(*len),
            packed: u32::from_le_bytes(*packed),
            is_wanted: is_wanted != 0,
        };
        Some((header, rest.get(..header.packed as usize)?))
    }

    /// What it takes with its answer.
    fn bytes(&self) -> usize {
        Self::BYTES + self.packed as usize
    }
}

impl PackedAnswers {
    /// Room for so many bytes, with all that they cost.
    pub(crate) fn holding(bytes_max: usize) -> Self {
        let part_bytes_max = bytes_max / PARTS;
        let part = || Part {
            places: HashMap::default(),
            blocks: VecDeque::new(),
            first: 0,
            block_bytes_max: BLOCK_BYTES_MAX.min(part_bytes_max / BLOCKS_MIN),
            room: 0,
            used: 0,
            good: 0,
            examples: HashMap::default(),
        };
        Self {
            hasher: RandomState::default(),
            parts: (0..PARTS).map(|_| Mutex::new(part())).collect(),
            bytes_max,
            of_examples: Arc::default(),
            examples: AtomicU64::new(0),
        }
    }

    /// An answer that others are packed with from now on.
    pub(crate) fn example(&self, bytes: &[u8]) -> Example {
        self.of_examples.fetch_add(bytes.len() + EXAMPLE_BYTES, Relaxed);
        Example {
            number: self.examples.fetch_add(1, Relaxed),
            held: Arc::new(Held {
                bytes: bytes.into(),
                all: Arc::clone(&self.of_examples),
            }),
        }
    }

    /// What all parts and examples hold.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        let parts = self.parts.iter().map(|part| part.lock().unwrap().bytes());
        parts.sum::<usize>() + self.of_examples.load(Relaxed)
    }

    /// What one part may hold now.
    fn part_bytes_max(&self) -> usize {
        self.bytes_max.saturating_sub(self.of_examples.load(Relaxed)) / PARTS
    }

    fn part(&self, hash: u64) -> &Mutex<Part> {
        &self.parts[(hash >> 32) as usize % PARTS]
    }

    /// Writes the answer, if it was packed under this version, with what `head` writes of its length before it; the place where it
    /// begins. What is written where there is none, or where it cannot be unpacked, is nobody's.
    pub(crate) fn open(
        &self,
        key: Key,
        version: u64,
        out: &mut Vec<u8>,
        head: impl FnOnce(usize, &mut Vec<u8>),
    ) -> Option<usize> {
        let hash = self.hasher.hash_one(key);
        let mut part = self.part(hash).lock().unwrap_or_else(PoisonError::into_inner);
        part.open(hash, (key, version), out, head)
    }

    /// Keeps an answer of this length that was packed with an example, under a version.
    pub(crate) fn keep(&self, key: Key, version: u64, packed: &[u8], len: usize, example: &Example) {
        let (Ok(len), Ok(packed_len)) = (u32::try_from(len), u32::try_from(packed.len())) else {
            return;
        };
        let header = Header {
            key,
            version,
            example: example.number,
            len,
            packed: packed_len,
            is_wanted: false,
        };
        let hash = self.hasher.hash_one(key);
        let mut part = self.part(hash).lock().unwrap_or_else(PoisonError::into_inner);
        if header.bytes() > part.block_bytes_max {
            part.forget(hash);
            return;
        }
        part.keep(hash, header, packed, example);
        part.make_room(self.part_bytes_max(), |key| self.hasher.hash_one(key));
    }
}

impl Part {
    fn open(
        &mut self,
        hash: u64,
        what: (Key, u64),
        out: &mut Vec<u8>,
        head: impl FnOnce(usize, &mut Vec<u8>),
    ) -> Option<usize> {
        let place = self.places.get(&hash)?;
        let block = self
            .blocks
            .get_mut(place.block.wrapping_sub(self.first) as usize)?;
        let at = place.at as usize;
        let (header, packed) = Header::read(block.get(at..)?)?;
        if (header.key, header.version) != what {
            return None;
        }
        let (example, _) = self.examples.get(&header.example)?;
        let len = header.len as usize;
        head(len, out);
        let start = out.len();
        out.resize(start + len, 0);
        let written = decompress_into_with_dict(packed, &mut out[start..], example.bytes());
        if !header.is_wanted {
            block[at + Header::WANTED_AT] = 1;
        }
        (written.ok() == Some(len)).then_some(start)
    }

    fn keep(&mut self, hash: u64, header: Header, packed: &[u8], example: &Example) {
        let new = || (example.clone(), 0);
        let (_, users) = self.examples.entry(header.example).or_insert_with(new);
        *users += 1;
        self.add(hash, header, packed);
    }

    /// Writes one behind the last.
    fn add(&mut self, hash: u64, header: Header, packed: &[u8]) {
        let needed = header.bytes();
        match self.blocks.back_mut() {
            Some(last) if last.len() + needed <= self.block_bytes_max => {
                let before = last.capacity();
                if before - last.len() < needed {
                    let grown = (2 * before).max(last.len() + needed).min(self.block_bytes_max);
                    last.reserve_exact(grown - last.len());
                }
                self.room += last.capacity() - before;
            }
            full => {
                let least = if full.is_some() {
                    self.block_bytes_max
                } else {
                    BLOCK_BYTES_FIRST
                };
                let block = Vec::with_capacity(least.clamp(needed, self.block_bytes_max));
                self.room += block.capacity();
                self.blocks.push_back(block);
            }
        }
        let block = self.first.wrapping_add(self.blocks.len() as u32).wrapping_sub(1);
        let Some(last) = self.blocks.back_mut() else {
            return;
        };
        let place = Place {
            block,
            // No block is as long as that.
            at: u32::try_from(last.len()).unwrap_or(u32::MAX),
        };
        header.write(last);
        last.extend_from_slice(packed);
        self.used += needed;
        self.forget(hash);
        self.good += needed;
        self.places.insert(hash, place);
    }

    /// What stands there is of no use any more.
    fn forget(&mut self, hash: u64) {
        if let Some(place) = self.places.remove(&hash) {
            let bytes = self.header(place).map_or(0, |header| header.bytes());
            self.good -= bytes;
        }
    }

    fn header(&self, place: Place) -> Option<Header> {
        let block = self.blocks.get(place.block.wrapping_sub(self.first) as usize)?;
        Some(Header::read(block.get(place.at as usize..)?)?.0)
    }

    fn bytes(&self) -> usize {
        self.room + self.places.capacity() * PLACE_BYTES
    }

    /// Lets the oldest blocks go, as long as there is more than there may be. Where there is not, and too much of the log is of no use, the
    /// oldest is written anew: one each time, so that a log does not grow with what is changed again and again.
    fn make_room(&mut self, bytes_max: usize, hash: impl Fn(Key) -> u64) {
        let mut gone = 0;
        while self.bytes() > bytes_max && gone <= BLOCKS_SIFTED {
            if self.blocks.is_empty() {
                self.places.shrink_to_fit();
                return;
            }
            // The last one too: what is packed in it may hold examples that are larger than all of it.
            self.let_go(gone < BLOCKS_SIFTED, &hash);
            gone += 1;
        }
        if gone == 0 && self.used > self.good / 2 * 3 + self.block_bytes_max {
            self.let_go(true, &hash);
        }
    }

    /// Lets the oldest block go. Where it is sifted, what may stay is written anew.
    fn let_go(&mut self, is_sifted: bool, hash: impl Fn(Key) -> u64) {
        let Some(block) = self.blocks.pop_front() else {
            return;
        };
        let number = self.first;
        self.first = number.wrapping_add(1);
        self.room -= block.capacity();
        // More than a quarter of the log is of no use.
        let is_worn = self.good < self.used / 4 * 3;
        self.used -= block.len();
        let mut at = 0;
        while let Some((header, packed)) = block.get(at..).and_then(Header::read) {
            let hash = hash(header.key);
            let place = Place {
                block: number,
                at: u32::try_from(at).unwrap_or(u32::MAX),
            };
            at += header.bytes();
            if self.places.get(&hash) != Some(&place) {
                self.leave(header.example);
                continue;
            }
            self.places.remove(&hash);
            self.good -= header.bytes();
            if is_sifted && (header.is_wanted || is_worn) {
                let header = Header {
                    is_wanted: false,
                    ..header
                };
                self.add(hash, header, packed);
            } else {
                self.leave(header.example);
            }
        }
    }

    /// One fewer is packed with this example.
    fn leave(&mut self, example: u64) {
        if let Some((_, users)) = self.examples.get_mut(&example) {
            *users -= 1;
            if *users == 0 {
                self.examples.remove(&example);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use lz4_flex::block::compress_with_dict;
    use proptest::prelude::*;

    use super::*;

    fn key(number: i64) -> Key {
        let shown = if number % 2 == 0 {
            Shown::Organization
        } else {
            Shown::OrganizationProfile
        };
        (TenantId(number % 3), OrganizationId(number / 6), shown)
    }

    /// All that are packed, and what with.
    struct Kept {
        packed: PackedAnswers,
        examples: Vec<Example>,
    }

    impl Kept {
        fn holding(bytes_max: usize) -> Self {
            let packed = PackedAnswers::holding(bytes_max);
            let example = |number| packed.example(format!("as example {number} says").as_bytes());
            let examples = (0..5).map(example).collect();
            Self { packed, examples }
        }
    }

    fn body(number: i64, version: u64, len: usize) -> Vec<u8> {
        let text = format!("as example {version} says of {number}: ").repeat(len);
        text.into_bytes()
    }

    fn keep(kept: &Kept, number: i64, version: u64, len: usize) {
        let body = body(number, version, len);
        let example = &kept.examples[version as usize % kept.examples.len()];
        let packed = compress_with_dict(&body, example.bytes());
        kept.packed
            .keep(key(number), version, &packed, body.len(), example);
    }

    fn found(kept: &Kept, number: i64, version: u64) -> Option<Vec<u8>> {
        let mut out = b"before ".to_vec();
        let head = |len: usize, out: &mut Vec<u8>| out.extend_from_slice(format!("{len} ").as_bytes());
        let start = kept.packed.open(key(number), version, &mut out, head)?;
        let body = out.split_off(start);
        assert_eq!(out, format!("before {} ", body.len()).into_bytes());
        Some(body)
    }

    /// What is counted is what there is.
    fn check(kept: &Kept) {
        let kept = &kept.packed;
        for part in &kept.parts {
            let part = part.lock().unwrap();
            let room: usize = part.blocks.iter().map(Vec::capacity).sum();
            assert_eq!(part.room, room);
            assert_eq!(part.used, part.blocks.iter().map(Vec::len).sum::<usize>());
            assert!(part.bytes() <= kept.part_bytes_max() + part.places.capacity() * PLACE_BYTES);
            let (mut good, mut live, mut users) = (0, 0, BTreeMap::new());
            for (index, block) in part.blocks.iter().enumerate() {
                let number = part.first.wrapping_add(index as u32);
                let mut at = 0;
                while let Some((header, _)) = Header::read(&block[at..]) {
                    let hash = kept.hasher.hash_one(header.key);
                    let place = Place {
                        block: number,
                        at: at as u32,
                    };
                    if part.places.get(&hash) == Some(&place) {
                        good += header.bytes();
                        live += 1;
                    }
                    *users.entry(header.example).or_insert(0) += 1;
                    at += header.bytes();
                }
                assert_eq!(at, block.len());
            }
            assert_eq!((part.good, part.places.len()), (good, live));
            let counted: BTreeMap<u64, usize> = part
                .examples
                .iter()
                .map(|(number, (_, users))| (*number, *users))
                .collect();
            assert_eq!(counted, users);
        }
    }

    proptest! {
        /// Whatever is kept and asked for: what is found is what was kept last, under its version.
        #[test]
        fn what_is_found_is_what_was_kept_last(
            room in 1_usize..40,
            steps in prop::collection::vec((0_i64..60, 0_u64..4, 0_usize..40, any::<bool>()), 1..400),
        ) {
            let kept = Kept::holding(8 * 1024 + room * PARTS * 100);
            for part in &kept.packed.parts {
                part.lock().unwrap().first = u32::MAX - 2;
            }
            let mut last = BTreeMap::new();
            for (number, version, len, keeps) in steps {
                if keeps {
                    keep(&kept, number, version, len);
                    last.insert(number, (version, len));
                }
                for asked in [version, version + 1] {
                    let expected = last.get(&number).filter(|(kept, _)| *kept == asked);
                    let found = found(&kept, number, asked);
                    prop_assert!(found.is_none() || found == expected.map(|(_, len)| body(number, asked, *len)));
                }
            }
            check(&kept);
        }
    }

    #[test]
    fn all_is_found_as_long_as_there_is_room() {
        let kept = Kept::holding(64 * 1024 * 1024);
        for version in 0..3 {
            for number in 0..5_000 {
                keep(&kept, number, version, 1 + number as usize % 50);
            }
            for number in 0..5_000 {
                let expected = body(number, version, 1 + number as usize % 50);
                assert_eq!(found(&kept, number, version), Some(expected));
                assert_eq!(found(&kept, number, version + 1), None);
            }
            check(&kept);
        }
    }

    /// Ten times as many as there is room for, and some that are asked for all the time; one of them is changed all the time.
    #[test]
    fn what_is_kept_is_bounded_and_what_is_asked_for_stays() {
        let kept = Kept::holding(1024 * 1024);
        for number in 0..100_000 {
            keep(&kept, number, 0, 3);
            if number >= 64 {
                for wanted in 0..64 {
                    let version = if wanted == 0 { number as u64 - 64 } else { 0 };
                    if wanted != 0 && number % 16 == 0 {
                        assert!(found(&kept, wanted, version).is_some(), "{wanted} at {number}");
                    }
                }
                keep(&kept, 0, number as u64 - 63, 3);
                assert!(found(&kept, 0, number as u64 - 63).is_some());
            }
        }
        check(&kept);
        let held = kept.packed.held();
        assert!(held > 1024 * 1024 / 4 * 3, "{held}");
        assert!(found(&kept, 99_999, 0).is_some());
    }

    /// One that is changed again and again does not drive out those that nobody changes or asks for.
    #[test]
    fn what_is_of_no_use_goes_first() {
        let kept = Kept::holding(1024 * 1024);
        for number in 0..2_000 {
            keep(&kept, number, 1, 3);
        }
        for version in 0..20_000 {
            keep(&kept, version as i64 % 64, version, 3);
        }
        let stay = (64..2_000).filter(|number| found(&kept, *number, 1).is_some());
        assert!(stay.count() > 1_900);
        check(&kept);
    }

    /// However long some are changed, what is of no use takes no more than half of what is good, and a block for each part.
    #[test]
    fn a_log_does_not_grow_with_what_is_changed() {
        let kept = Kept::holding(4 * 1024 * 1024);
        for number in 0..500 {
            keep(&kept, number, 0, 30);
        }
        for version in 1..=60 {
            for number in 0..500 {
                keep(&kept, number, version, 30);
                assert!(found(&kept, number, version).is_some());
            }
            for part in &kept.packed.parts {
                let part = part.lock().unwrap();
                let (used, good) = (part.used, part.good);
                assert!(
                    used <= good / 2 * 3 + 2 * part.block_bytes_max,
                    "{used} for {good}"
                );
            }
        }
        for number in 0..500 {
            assert!(found(&kept, number, 60).is_some());
        }
        check(&kept);
    }

    /// Two keys may have one hash: the later one takes the place.
    #[test]
    fn nobody_gets_the_answer_of_another_with_the_same_hash() {
        let kept = Kept::holding(1024 * 1024);
        let mut part = kept.packed.parts[0].lock().unwrap();
        let example = &kept.examples[1];
        for number in [1, 2] {
            let packed = compress_with_dict(b"an answer", example.bytes());
            let header = Header {
                key: key(number),
                version: 7,
                example: example.number,
                len: 9,
                packed: packed.len() as u32,
                is_wanted: false,
            };
            part.keep(4_711, header, &packed, example);
        }
        let mut open = |number| part.open(4_711, (key(number), 7), &mut Vec::new(), |_, _| {});
        assert_eq!((open(1), open(2)), (None, Some(0)));
        let bytes = part.good;
        part.make_room(0, |_| 4_711);
        assert!(part.good <= bytes);
    }
}
