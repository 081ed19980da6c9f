//! Whether a name was said before.

use std::collections::HashSet;

use crate::text;

/// Up to so many names are compared one by one.
const FEW: usize = 16;

/// Names that were seen, compared as names are. A few that are ASCII, as nearly all are, are compared one by one, as they
/// stand: keys of all of them took a seventh of the check of a profile.
pub(super) struct Names<'n> {
    few: Vec<&'n str>,
    keys: HashSet<String>,
}

impl<'n> Names<'n> {
    /// Room for so many.
    pub(super) fn of(count: usize) -> Self {
        Self {
            few: Vec::with_capacity(count.min(FEW)),
            keys: HashSet::new(),
        }
    }

    /// Whether the name is a new one.
    pub(super) fn insert(&mut self, name: &'n str) -> bool {
        let name = name.trim();
        if self.keys.is_empty() && name.is_ascii() && self.few.len() < FEW {
            let is_new = !self.few.iter().any(|known| known.eq_ignore_ascii_case(name));
            self.few.push(name);
            return is_new;
        }
        self.keys.extend(self.few.drain(..).map(text::key));
        self.keys.insert(text::key(name))
    }
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
