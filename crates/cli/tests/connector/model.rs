//! The model of one key: its operations as they were sent, and whether what was answered and what is there in
//! the end can come from doing them one after the other, each sender's in its order.

use std::collections::HashSet;

use guildhall_domain::connector::{
    DeleteOutcome, EqualSequence, Incoming, Outcome, Stored, decide, decide_delete,
};

/// One thing that a sender does to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Writes a version: its number, and a name that tells it from others of the same number.
    Write { sequence: i64, name: String },
    /// Deletes, up to a number or whatever is there; and whether an object was deleted, once answered.
    Delete {
        sequence: Option<i64>,
        found: Option<bool>,
    },
}

/// Senders of a history.
const SENDERS_MAX: usize = 4;

/// What is there in the end: number and name of the object.
pub type End = Option<(i64, String)>;

/// What the model keeps for the key: number, name, and whether this is a tombstone. There are very many of
/// them, so that they are small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct State<'o> {
    kept: Option<(i64, &'o str, bool)>,
}

impl<'o> State<'o> {
    fn stored(&self) -> Option<Stored<'o>> {
        self.kept.map(|(sequence, name, deleted)| Stored {
            sequence,
            deleted,
            digest: name,
        })
    }

    /// After the operation; nothing where it was answered otherwise than it would have been here.
    fn after(self, operation: &'o Operation, equal: EqualSequence) -> Option<Self> {
        match operation {
            Operation::Write { sequence, name } => {
                let incoming = Incoming {
                    sequence: *sequence,
                    digest: name,
                };
                Some(match decide(self.stored(), incoming, equal) {
                    Outcome::Kept(_) => self,
                    Outcome::Created | Outcome::Replaced => Self {
                        kept: Some((*sequence, name, false)),
                    },
                })
            }
            Operation::Delete { sequence, found } => {
                let (next, would_find) = match decide_delete(self.stored(), *sequence) {
                    DeleteOutcome::NotFound => (self, false),
                    DeleteOutcome::Removed { tombstone } => {
                        let kept = Some((tombstone, "", true));
                        (Self { kept }, true)
                    }
                };
                (*found == Some(would_find)).then_some(next)
            }
        }
    }

    fn end(self) -> End {
        self.kept
            .filter(|(_, _, deleted)| !deleted)
            .map(|(sequence, name, _)| (sequence, name.to_owned()))
    }
}

/// Whether some order of these operations, each sender's in its own order, gives all answers and this end.
pub fn can_be(senders: &[Vec<Operation>], end: &End, equal: EqualSequence) -> bool {
    let mut seen = HashSet::new();
    // How far each sender is, and what is kept then.
    let mut waiting = vec![([0_u8; SENDERS_MAX], State::default())];
    assert!(
        senders.len() <= SENDERS_MAX,
        "there are {} senders",
        senders.len()
    );
    while let Some((places, state)) = waiting.pop() {
        let mut is_last = true;
        for (sender, operations) in senders.iter().enumerate() {
            let Some(operation) = operations.get(usize::from(places[sender])) else {
                continue;
            };
            is_last = false;
            if let Some(next) = state.after(operation, equal) {
                let mut places = places;
                places[sender] += 1;
                if seen.insert((places, next)) {
                    waiting.push((places, next));
                }
            }
        }
        if is_last && state.end() == *end {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(sequence: i64, name: &str) -> Operation {
        let name = name.to_owned();
        Operation::Write { sequence, name }
    }

    fn deleted(found: bool) -> Operation {
        Operation::Delete {
            sequence: None,
            found: Some(found),
        }
    }

    /// The model says no, too.
    #[test]
    fn the_model_tells_right_from_wrong() {
        let end = |sequence, name: &str| Some((sequence, name.to_owned()));
        let (a, b) = (write(1, "a"), write(1, "b"));
        for (senders, wanted, equal, expected) in [
            (
                vec![vec![a.clone(), b.clone()]],
                end(1, "a"),
                EqualSequence::Keep,
                true,
            ),
            (
                vec![vec![a.clone(), b.clone()]],
                end(1, "b"),
                EqualSequence::Keep,
                false,
            ),
            (
                vec![vec![a.clone(), b.clone()]],
                end(1, "b"),
                EqualSequence::Replace,
                true,
            ),
            (
                vec![vec![a.clone()], vec![b.clone()]],
                end(1, "b"),
                EqualSequence::Keep,
                true,
            ),
            (
                vec![vec![write(2, "c")], vec![a.clone()]],
                end(1, "a"),
                EqualSequence::Keep,
                false,
            ),
            (
                vec![vec![a.clone(), deleted(true)]],
                None,
                EqualSequence::Keep,
                true,
            ),
            (
                vec![vec![a.clone(), deleted(false)]],
                end(1, "a"),
                EqualSequence::Keep,
                false,
            ),
            (
                vec![vec![a.clone()], vec![deleted(false)]],
                end(1, "a"),
                EqualSequence::Keep,
                true,
            ),
            (
                vec![vec![write(2, "c"), deleted(true), a]],
                end(1, "a"),
                EqualSequence::Keep,
                false,
            ),
            (vec![vec![]], None, EqualSequence::Keep, true),
        ] {
            assert_eq!(
                can_be(&senders, &wanted, equal),
                expected,
                "{senders:?} {wanted:?}"
            );
        }
    }
}
