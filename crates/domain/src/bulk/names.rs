//! Whether a name was said before.

use std::collections::HashSet;

use crate::text;

/// Up to so many names are compared one by one.
const FEW: usize = 16;

/// Names that were seen, compared as names are. A few that are ASCII, as nearly all are, are compared one by one, as they
/// stand: keys of all of them took a seventh of the check of a profile.
pub(super) struct Names<'n> {
    few: Vec<&'n str>,
    /// A bit for each of them, by its form: a name whose bit is not set is a new one.
    forms: u64,
    keys: HashSet<String>,
}

impl<'n> Names<'n> {
    /// Room for so many.
    pub(super) fn of(count: usize) -> Self {
        Self {
            few: Vec::with_capacity(count.min(FEW)),
            forms: 0,
            keys: HashSet::new(),
        }
    }

    /// Whether the name is a new one.
    pub(super) fn insert(&mut self, name: &'n str) -> bool {
        let name = text::trimmed(name);
        if self.keys.is_empty() && name.is_ascii() && self.few.len() < FEW {
            let form = form(name);
            let is_new =
                self.forms & form == 0 || !self.few.iter().any(|known| known.eq_ignore_ascii_case(name));
            self.forms |= form;
            self.few.push(name);
            return is_new;
        }
        self.keys.extend(self.few.drain(..).map(text::key));
        self.keys.insert(text::key(name))
    }
}

/// One of 64 bits, the same for names that differ in the case of ASCII letters only.
fn form(name: &str) -> u64 {
    let lower = |byte: Option<&u8>| usize::from(byte.map_or(0, u8::to_ascii_lowercase));
    let bytes = name.as_bytes();
    1 << ((lower(bytes.first()) ^ (lower(bytes.last()) << 1) ^ (bytes.len() << 2)) % 64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However many there are, and of whatever scripts: two are the same where their keys are.
        #[test]
        fn names_are_new_where_their_keys_are(
            names in prop::collection::vec("[ a-cA-CkK\u{212a}éÉ]{0,2}", 0..40),
        ) {
            let (mut seen, mut keys) = (Names::of(names.len()), HashSet::new());
            for name in &names {
                prop_assert_eq!(seen.insert(name), keys.insert(text::key(name)), "{:?} of {:?}", name, names);
            }
        }
    }
}
