//! The way through containers: by example, and against a second evaluation that shares nothing with the
//! first.

use super::permissions::{some_reader, some_readers};
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn key(id: usize) -> Key {
    Key {
        object_type: ObjectType::CustomerOrg.name().to_owned(),
        entity_id: Some(id.to_string()),
    }
}

/// One object of a small world: its access controls and its container.
type Shelf = BTreeMap<Key, (Readers, Option<Key>)>;

/// The evaluation under test, as storage runs it.
fn may_see(shelf: &Shelf, start: &Key, reader: &Reader) -> bool {
    let mut containers = Containers::of(start.clone());
    let Some((readers, container)) = shelf.get(start) else {
        return false;
    };
    let (mut readers, mut container) = (readers, container.as_ref());
    loop {
        match readers.verdict(reader) {
            Verdict::Admitted => return true,
            Verdict::Refused => return false,
            Verdict::AsContainer => {
                let Some((next_readers, next)) = containers.next(container).and_then(|key| shelf.get(key))
                else {
                    return false;
                };
                (readers, container) = (next_readers, next.as_ref());
            }
        }
    }
}

/// The algorithm of the sheet, word by word: recursive, every access control by itself.
fn second_opinion(shelf: &Shelf, object: &Key, reader: &Reader, path: &[Key]) -> bool {
    let Some((readers, container)) = shelf.get(object) else {
        return false;
    };
    let satisfied = |principal: &Principal| match principal {
        Principal::Everyone => true,
        Principal::Workspace => reader.member_of_workspace,
        Principal::User(id) => reader.users.iter().any(|user| user == id),
        Principal::Group(id) => reader.groups.iter().any(|group| group == id),
        Principal::Container => match container {
            Some(next) if !path.contains(next) && path.len() <= 32 => {
                let path: Vec<_> = path.iter().chain([next]).cloned().collect();
                second_opinion(shelf, next, reader, &path)
            }
            _ => false,
        },
    };
    !readers.access_controls.is_empty()
        && readers
            .access_controls
            .iter()
            .all(|principals| principals.iter().any(&satisfied))
}

fn of_container(object: usize, container: Option<usize>) -> (Key, (Readers, Option<Key>)) {
    let access_controls = vec![vec![Principal::Container]];
    (key(object), (Readers { access_controls }, container.map(key)))
}

#[test]
fn chains_of_containers() {
    let everyone = Readers {
        access_controls: vec![vec![Principal::Everyone]],
    };
    let chain = |length: usize| -> Shelf {
        let mut shelf: Shelf = (0..length)
            .map(|step| of_container(step, Some(step + 1)))
            .collect();
        shelf.insert(key(length), (everyone.clone(), None));
        shelf
    };
    let reader = Reader::default();
    for length in 0..=32 {
        assert!(may_see(&chain(length), &key(0), &reader), "{length}");
    }
    for length in [33, 34, 1_000] {
        assert!(!may_see(&chain(length), &key(0), &reader), "{length}");
    }
    for shelf in [
        Shelf::from([of_container(0, None)]),
        Shelf::from([of_container(0, Some(0))]),
        Shelf::from([of_container(0, Some(1)), of_container(1, Some(0))]),
        Shelf::from([of_container(0, Some(7))]),
    ] {
        assert!(!may_see(&shelf, &key(0), &reader));
    }
    // A key of a type that is not kept here names nothing.
    let mut shelf = chain(1);
    let nameless = Key {
        object_type: "atlassian:commit".to_owned(),
        entity_id: None,
    };
    shelf.insert(key(0), (of_container(0, None).1.0, Some(nameless)));
    assert!(!may_see(&shelf, &key(0), &reader));
}

/// Up to 40 objects, each with a container that may be missing, itself, or part of a circle.
fn shelves() -> impl Strategy<Value = Shelf> {
    let object = (some_readers(), prop::option::weighted(0.9, 0_usize..42));
    let lonely = (
        Just(Readers {
            access_controls: vec![vec![Principal::Container]],
        }),
        (0_usize..42).prop_map(Some),
    );
    let object = prop_oneof![object, lonely];
    prop::collection::vec(object, 1..40).prop_map(|objects| {
        let objects = objects.into_iter().enumerate();
        objects
            .map(|(id, (readers, container))| (key(id), (readers, container.map(key))))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn two_evaluations_agree(shelf in shelves(), reader in some_reader()) {
        for object in shelf.keys() {
            let expected = second_opinion(&shelf, object, &reader, std::slice::from_ref(object));
            prop_assert_eq!(may_see(&shelf, object, &reader), expected, "{:?}", object);
        }
    }
}
