//! Letters whose key is seen at once: most names of most languages are made of them alone, and the general way is to
//! normalize, fold and normalize again.

/// Plain too, and the only one that folds to two.
const SHARP_S: char = 'ß';

/// The key of a text, if all of it is plain.
pub(super) fn key(text: &str) -> Option<String> {
    let mut key = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            SHARP_S => key.push_str("ss"),
            other => key.push(folded(other)?),
        }
    }
    Some(key)
}

/// Whether a text is in normalization form C for being of plain characters alone.
pub(super) fn is_composed(text: &str) -> bool {
    text.chars()
        .all(|character| character == SHARP_S || folded(character).is_some())
}

/// The one character that a plain one folds to. Plain is what stands in form C as it is, changes places and composes with no plain
/// one before it, and folds to one that is plain. Of what is not here nothing is known.
fn folded(character: char) -> Option<char> {
    let code = u32::from(character);
    let up = |by: u32| char::from_u32(code + by);
    // Where upper and lower case take turns.
    let of_pair = |upper: u32| char::from_u32(code + u32::from(code % 2 == upper));
    match code {
        0..=0x7f => Some(character.to_ascii_lowercase()),
        // Latin-1; the micro sign and the sharp s fold to others.
        0xb5 | 0xdf => None,
        0xc0..=0xd6 | 0xd8..=0xde => up(0x20),
        0xa0..=0xff => Some(character),
        // Latin Extended-A, but for those that fold to two, and the long s.
        0x130 | 0x149 | 0x17f => None,
        0x131 | 0x138 => Some(character),
        0x178 => Some('\u{ff}'),
        0x100..=0x137 | 0x14a..=0x177 => of_pair(0),
        0x139..=0x148 | 0x179..=0x17e => of_pair(1),
        // Of Latin Extended-B what Romanian and its neighbours have; Vietnamese.
        0x200..=0x21f | 0x222..=0x233 | 0x1e00..=0x1e95 | 0x1ea0..=0x1eff => of_pair(0),
        // Greek, but for what has two accents.
        0x386 => up(0x26),
        0x388..=0x38a => up(0x25),
        0x38c => up(0x40),
        0x38e | 0x38f => up(0x3f),
        0x391..=0x3a1 | 0x3a3..=0x3ab => up(0x20),
        0x3c2 => Some('σ'),
        0x3ac..=0x3af | 0x3b1..=0x3c1 | 0x3c3..=0x3ce => Some(character),
        // Cyrillic.
        0x400..=0x40f => up(0x50),
        0x410..=0x42f => up(0x20),
        0x430..=0x45f => Some(character),
        0x48a..=0x4bf | 0x4d0..=0x4ff => of_pair(0),
        // Hebrew and Arabic letters.
        0x5d0..=0x5ea | 0x5f3 | 0x5f4 | 0x621..=0x63a | 0x641..=0x64a => Some(character),
        // Devanagari without the dot below, Thai without its marks.
        0x901..=0x939 | 0x93d..=0x94d | 0xe01..=0xe37 | 0xe40..=0xe47 => Some(character),
        // Dashes, quotation marks, bullets.
        0x2010..=0x2027 => Some(character),
        // Kana without the marks that compose, ideographs and their punctuation, Hangul syllables.
        0x3000..=0x3003 | 0x3041..=0x3096 | 0x30a1..=0x30fe | 0x4e00..=0x9fff | 0xac00..=0xd7a3 => {
            Some(character)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use icu_normalizer::properties::{CanonicalCombiningClassMap, CanonicalDecomposition, Decomposed};
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn plain() -> impl Iterator<Item = char> {
        ('\0'..=char::MAX).filter(|character| folded(*character).is_some())
    }

    /// Each by itself has the key that it has by the general way, and its key is plain, and its own.
    #[test]
    fn each_plain_character_has_its_key() {
        assert_eq!(key("Straße").unwrap(), super::super::general_key("Straße"));
        let mut count = 0;
        for character in plain() {
            let text = character.to_string();
            assert_eq!(super::super::composed(&text), text, "{character:?}");
            let key = folded(character).unwrap();
            assert_eq!(key.to_string(), super::super::general_key(&text), "{character:?}");
            assert_eq!(folded(key), Some(key), "{character:?}");
            count += 1;
        }
        assert!(count > 30_000, "{count}");
    }

    /// So no order of them changes by normalizing, and no two of them become one.
    #[test]
    fn no_plain_character_combines_with_what_stands_before_it() {
        let (classes, decomposition) = (CanonicalCombiningClassMap::new(), CanonicalDecomposition::new());
        let second: HashSet<char> = ('\0'..=char::MAX)
            .filter_map(|character| match decomposition.decompose(character) {
                Decomposed::Expansion(_, second) => Some(second),
                Decomposed::Default | Decomposed::Singleton(_) => None,
            })
            .collect();
        assert!(second.contains(&'\u{301}') && second.contains(&'\u{11a8}'));
        // Marks change places where their classes differ: those that are plain are all of one.
        let marks: HashSet<u8> = plain()
            .map(|character| classes.get_u8(character))
            .filter(|class| *class > 0)
            .collect();
        assert!(marks.len() <= 1, "{marks:?}");
        for character in plain() {
            assert!(!second.contains(&character), "{character:?}");
        }
    }

    proptest! {
        #[test]
        fn texts_have_the_key_of_the_general_way(text in "[ -~À-žȀ-ȳΆ-ωЀ-ӿא-״ء-يँ-्ก-๎Ḁ-ỿァ-ヾ一-丯가-갯‘-”–]{0,12}") {
            let key = key(&text);
            prop_assert!(key.is_none_or(|key| key == super::super::general_key(&text)));
            prop_assert!(!is_composed(&text) || super::super::composed(&text) == text);
        }
    }
}
