//! Packed answers in memory, one behind the other.
//!
//! A million of them are half a gigabyte, so what each costs beside its bytes counts, and nothing of it is in a cache of the processor when
//! it is asked for. A small table says where an answer begins, and there it stands with all that is known of it: some 80 bytes beside the packed
//! ones, where a table of all that with an allocation for each took 300.
//!
//! They stand in blocks, as in a log: a new one behind the last. When there is no more room the oldest block goes, and what was asked
//! for since it was written is written anew, once; so is all that is still good while much of the log is not. Where a third of it is of no use
//! the oldest block is written anew before there is need, so that memory does not grow with what is changed.

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
mod tests;
