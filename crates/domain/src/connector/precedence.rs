//! Which of two versions of an object stays: the greater sequence number. Storage does this in one
//! statement; here it is said once more as a table, to explain outcomes and to test against.

/// What an equal sequence number does to an object that is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EqualSequence {
    /// The stored object stays, as the vendor's text has it: only a greater number is more recent.
    #[default]
    Keep,
    /// The stored object is replaced: for connectors that send everything with one constant number.
    Replace,
}

/// What is known of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored<'a> {
    /// The sequence number of the object, or of the tombstone.
    pub sequence: i64,
    /// Whether this is a tombstone.
    pub deleted: bool,
    /// The digest of the object; of no matter for a tombstone.
    pub digest: &'a str,
}

/// An object that is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incoming<'a> {
    /// Its sequence number.
    pub sequence: i64,
    /// Its digest.
    pub digest: &'a str,
}

/// What a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There was no object, or only a tombstone that is no newer.
    Created,
    /// The object and its tags are replaced as a whole.
    Replaced,
    /// Nothing changes.
    Kept(Reason),
}

/// Why a write changes nothing. To the caller it is accepted all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The stored object has a greater sequence number.
    Lower,
    /// The same number, and the same content.
    EqualSame,
    /// The same number with another content: the sender forgot to raise it.
    EqualDifferent,
    /// The object was deleted at a greater number.
    TombstoneNewer,
}

/// What writing `incoming` does where `stored` is what the key holds.
pub fn decide(stored: Option<Stored<'_>>, incoming: Incoming<'_>, equal: EqualSequence) -> Outcome {
    let Some(stored) = stored else {
        return Outcome::Created;
    };
    if stored.deleted {
        return if incoming.sequence >= stored.sequence {
            Outcome::Created
        } else {
            Outcome::Kept(Reason::TombstoneNewer)
        };
    }
    match (incoming.sequence.cmp(&stored.sequence), equal) {
        (std::cmp::Ordering::Greater, _) | (std::cmp::Ordering::Equal, EqualSequence::Replace) => {
            Outcome::Replaced
        }
        (std::cmp::Ordering::Less, _) => Outcome::Kept(Reason::Lower),
        (std::cmp::Ordering::Equal, EqualSequence::Keep) if incoming.digest == stored.digest => {
            Outcome::Kept(Reason::EqualSame)
        }
        (std::cmp::Ordering::Equal, EqualSequence::Keep) => Outcome::Kept(Reason::EqualDifferent),
    }
}

/// What a delete does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteOutcome {
    /// The object goes; a tombstone with this number stays.
    Removed {
        /// The number of the tombstone.
        tombstone: i64,
    },
    /// There is no object, or its number is greater than the delete's. Nothing changes.
    NotFound,
}

/// What a delete does, with a sequence number of its own or without one.
pub fn decide_delete(stored: Option<Stored<'_>>, sequence: Option<i64>) -> DeleteOutcome {
    match stored {
        Some(stored) if !stored.deleted && sequence.is_none_or(|sequence| stored.sequence <= sequence) => {
            DeleteOutcome::Removed {
                tombstone: sequence.unwrap_or(stored.sequence),
            }
        }
        _ => DeleteOutcome::NotFound,
    }
}
