//! The table of writes and deletes, row by row.

use super::*;

/// Every row of the table, for both settings.
#[test]
fn the_table_of_precedence() {
    use EqualSequence::{Keep, Replace};
    let stored = |sequence, deleted| {
        Some(Stored {
            sequence,
            deleted,
            digest: "a",
        })
    };
    let incoming = |sequence, digest| Incoming { sequence, digest };
    for (stored, incoming, keep, replace) in [
        (None, incoming(0, "a"), Outcome::Created, Outcome::Created),
        (
            stored(5, false),
            incoming(6, "a"),
            Outcome::Replaced,
            Outcome::Replaced,
        ),
        (
            stored(5, false),
            incoming(5, "a"),
            Outcome::Kept(Reason::EqualSame),
            Outcome::Replaced,
        ),
        (
            stored(5, false),
            incoming(5, "b"),
            Outcome::Kept(Reason::EqualDifferent),
            Outcome::Replaced,
        ),
        (
            stored(5, false),
            incoming(4, "a"),
            Outcome::Kept(Reason::Lower),
            Outcome::Kept(Reason::Lower),
        ),
        (
            stored(5, true),
            incoming(6, "a"),
            Outcome::Created,
            Outcome::Created,
        ),
        (
            stored(5, true),
            incoming(5, "b"),
            Outcome::Created,
            Outcome::Created,
        ),
        (
            stored(5, true),
            incoming(4, "a"),
            Outcome::Kept(Reason::TombstoneNewer),
            Outcome::Kept(Reason::TombstoneNewer),
        ),
    ] {
        assert_eq!(decide(stored, incoming, Keep), keep, "{stored:?} {incoming:?}");
        assert_eq!(
            decide(stored, incoming, Replace),
            replace,
            "{stored:?} {incoming:?}"
        );
    }
    assert_eq!(EqualSequence::default(), Keep);
    for (stored, sequence, expected) in [
        (None, None, DeleteOutcome::NotFound),
        (None, Some(9), DeleteOutcome::NotFound),
        (stored(5, false), None, DeleteOutcome::Removed { tombstone: 5 }),
        (stored(5, false), Some(5), DeleteOutcome::Removed { tombstone: 5 }),
        (stored(5, false), Some(6), DeleteOutcome::Removed { tombstone: 6 }),
        (stored(5, false), Some(4), DeleteOutcome::NotFound),
        (stored(5, true), None, DeleteOutcome::NotFound),
        (stored(5, true), Some(9), DeleteOutcome::NotFound),
    ] {
        assert_eq!(
            decide_delete(stored, sequence),
            expected,
            "{stored:?} {sequence:?}"
        );
    }
}
