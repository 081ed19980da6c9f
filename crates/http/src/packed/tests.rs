//! The log of packed answers by itself: what is found, what is counted, and what goes when there is no room.

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
