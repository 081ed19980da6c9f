//! Names, keys and free text: what a text may hold, when two names are the same, and which known
//! name a mistyped one was meant to be.

mod plain;

use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizer;
use std::borrow::Cow;

/// The name as it is stored: without Unicode white space around it, in NFC, 1 to `max_chars`
/// Unicode scalar values, no control characters (docs/api.md, "Data rules").
///
/// # Errors
///
/// The problem in words that follow the place or the name of the member.
pub fn name(raw: &str, max_chars: usize) -> Result<String, String> {
    let name = nfc(trimmed(raw));
    if name.is_empty() {
        return Err(format!("must not be blank; send 1 to {max_chars} characters"));
    }
    let chars = name.chars().count();
    if chars > max_chars {
        return Err(format!(
            "must have at most {max_chars} characters, and this has {chars}"
        ));
    }
    refuse_control(&name, |_| false)?;
    Ok(name.into_owned())
}

/// Without Unicode white space around it. Most texts begin and end with a character that is easily seen to be none.
pub fn trimmed(raw: &str) -> &str {
    let is_graphic = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_graphic);
    match is_graphic(raw.as_bytes().first()) && is_graphic(raw.as_bytes().last()) {
        true => raw,
        false => raw.trim(),
    }
}

/// Two names are the same when their keys are equal: trimmed, NFC, full Unicode case folding,
/// NFC again (docs/api.md, "Data rules"). Takes any text; a text that can be no name has a key too.
pub fn key(raw: &str) -> String {
    let trimmed = trimmed(raw);
    if trimmed.is_ascii() {
        return trimmed.to_ascii_lowercase();
    }
    if trimmed.len() > NORMALIZED_BYTES_MAX {
        // Equal to nothing that is stored, whatever becomes of its case.
        return trimmed.to_owned();
    }
    plain::key(trimmed).unwrap_or_else(|| general_key(trimmed))
}

/// The key of a text that may be of any characters.
fn general_key(trimmed: &str) -> String {
    let composed = composed(trimmed);
    let folded = const { CaseMapper::new() }.fold_string(&composed);
    // Folding takes some characters apart, such as U+01F0; composed they compare with typed ones. Keys are stored, so what has come to
    // be too long by folding stays as it ever was.
    match folded.len() > NORMALIZED_BYTES_MAX {
        true => folded.into_owned(),
        false => self::composed(&folded).into_owned(),
    }
}

/// The beginning that the keys of all names have that begin with `raw`: as [`key`], but white space at
/// the end counts.
pub fn prefix_key(raw: &str) -> String {
    // A full stop neither folds nor composes with what stands before it.
    let mut key = key(&format!("{}.", raw.trim_start()));
    key.pop();
    key
}

/// Whether `raw` may be stored as free text: at most `max_chars` Unicode scalar values, and no
/// control characters but tabs and line breaks (docs/api.md, "Data rules"). Kept as it is typed.
///
/// # Errors
///
/// The problem in words that follow the place or the name of the member.
pub fn free_text(raw: &str, max_chars: usize) -> Result<(), String> {
    // Nearly always there is nothing to look for.
    if raw.len() <= max_chars && is_free_of_control(raw) {
        return Ok(());
    }
    let chars = raw.chars().count();
    if chars > max_chars {
        return Err(format!(
            "must have at most {max_chars} characters, and this has {chars}"
        ));
    }
    refuse_control(raw, |character| matches!(character, '\t' | '\n' | '\r'))
}

/// Bytes beyond which a text is not normalized: no name and no value that is compared is so long, and
/// normalizing megabytes of combining marks takes seconds.
const NORMALIZED_BYTES_MAX: usize = 32 * 1024;

/// The text in Unicode normalization form C; a text too long to be any name or value is left as it is.
pub(crate) fn nfc(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || text.len() > NORMALIZED_BYTES_MAX || plain::is_composed(text) {
        return Cow::Borrowed(text);
    }
    composed(text)
}

/// The text in form C, whatever it is of.
fn composed(text: &str) -> Cow<'_, str> {
    const { ComposingNormalizer::new_nfc() }.normalize(text)
}

/// Whether no character can be a control character, by the bytes alone. Those of U+0080 to U+009F begin with 0xC2, as other
/// characters of Latin-1 do, which are not told apart here.
fn is_free_of_control(text: &str) -> bool {
    let is_free = |byte: u8| (byte >= b' ') & (byte != 0x7f) & (byte != 0xc2);
    // All of it is looked at, many bytes at once, instead of one after the other up to the first that is not.
    text.bytes().fold(true, |free, byte| free & is_free(byte))
}

fn refuse_control(text: &str, allowed: impl Fn(char) -> bool) -> Result<(), String> {
    if is_free_of_control(text) {
        return Ok(());
    }
    let found = text
        .chars()
        .enumerate()
        .find(|(_, character)| character.is_control() && !allowed(*character));
    match found {
        None => Ok(()),
        Some((index, character)) => Err(format!(
            "must not hold control characters, and character {} is U+{:04X}",
            index + 1,
            u32::from(character)
        )),
    }
}

/// Longer texts are compared with nothing: nobody mistypes them by a letter or two.
const COMPARED_CHARS_MAX: usize = 64;
/// Cells of the distance tables that one call may fill. A thousand bad values against 2,000
/// look-alike options, one request, would else cost tens of seconds.
const CELLS_MAX: usize = 100_000;

/// The candidate that `wanted` was probably meant to be: equal but for case, or else nearest by
/// Damerau-Levenshtein distance when that is at most a third of the length (at least 1) and
/// something of `wanted` is left. The first of equals.
pub fn closest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = short_key(wanted)?;
    let length = wanted.chars().count();
    let limit = (length / 3).max(1).min(length.saturating_sub(1));
    let letters = count_letters(&wanted);
    let mut cells = CELLS_MAX;
    let mut best: Option<(usize, &'a str)> = None;
    for candidate in candidates {
        let Some(key) = short_key(candidate) else { continue };
        if key == wanted {
            return Some(candidate);
        }
        // Only a smaller distance is of use, which lets most candidates go without a table.
        let useful = best.map_or(limit, |(distance, _)| distance - 1);
        let other_length = key.chars().count();
        if length.abs_diff(other_length) > useful || letters_missing(letters, &key) > useful {
            continue;
        }
        let Some(left) = cells.checked_sub(length * other_length) else {
            continue;
        };
        cells = left;
        let distance = strsim::damerau_levenshtein(&wanted, &key);
        if distance <= useful {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The key of a text that is short enough to be compared.
fn short_key(text: &str) -> Option<String> {
    // Four bytes a character at most: spares long texts the walk.
    let short = text.len() <= 4 * COMPARED_CHARS_MAX && text.chars().count() <= COMPARED_CHARS_MAX;
    if !short {
        return None;
    }
    Some(key(text)).filter(|key| !key.is_empty())
}

/// How often each letter occurs, by the low bits of its code. Letters that share a counter make
/// the estimate lower, never wrong.
type Letters = [u8; COMPARED_CHARS_MAX];

fn counter(letter: char) -> usize {
    letter as usize % COMPARED_CHARS_MAX
}

fn count_letters(text: &str) -> Letters {
    let mut letters = [0_u8; COMPARED_CHARS_MAX];
    for letter in text.chars() {
        letters[counter(letter)] = letters[counter(letter)].saturating_add(1);
    }
    letters
}

/// At least how many letters of `other` have no partner among `letters`: each costs an edit.
fn letters_missing(mut letters: Letters, other: &str) -> usize {
    let is_missing = |letter: &char| match letters[counter(*letter)].checked_sub(1) {
        Some(left) => {
            letters[counter(*letter)] = left;
            false
        }
        None => true,
    };
    other.chars().filter(is_missing).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::{Duration, Instant};

    /// Megabytes of combining marks take seconds to normalize, and can be no name.
    #[test]
    fn what_is_too_long_is_not_normalized() {
        let marks = format!("a{}", "\u{323}\u{301}".repeat(1_250_000));
        assert_eq!(key(&marks), marks);
        assert!(name(&marks, 255).is_err());
    }

    /// As it was when the first keys were stored.
    #[test]
    fn what_becomes_too_long_is_folded_and_not_composed() {
        let text = |notes: usize| format!("\u{390}{}", "\u{1d160}".repeat(notes));
        assert!(key(&text(2_700)).starts_with('\u{390}'));
        assert!(key(&text(2_731)).starts_with("\u{3b9}\u{308}\u{301}"));
    }

    #[test]
    fn names_are_trimmed_composed_and_bounded() {
        assert_eq!(name("\u{a0}\u{2003} Cafe\u{301}\n", 5), Ok("Café".to_owned()));
        assert_eq!(name("e\u{301}".repeat(255).as_str(), 255), Ok("é".repeat(255)));
        assert_eq!(name("😀".repeat(255).as_str(), 255), Ok("😀".repeat(255)));
        assert_eq!(
            name("", 255),
            Err("must not be blank; send 1 to 255 characters".into())
        );
        assert_eq!(
            name(" \t\u{3000}", 200),
            Err("must not be blank; send 1 to 200 characters".into())
        );
        assert_eq!(
            name("é".repeat(256).as_str(), 255),
            Err("must have at most 255 characters, and this has 256".into())
        );
        for control in ['\0', '\t', '\n', '\u{7f}', '\u{9c}'] {
            let problem = name(&format!("a{control}b"), 255).unwrap_err();
            let expected = format!(
                "must not hold control characters, and character 2 is U+{:04X}",
                u32::from(control)
            );
            assert_eq!(problem, expected);
        }
    }

    #[test]
    fn keys_compare_as_people_do() {
        for (left, right) in [
            ("Region", " REGION\u{a0}"),
            ("Straße", "STRASSE"),
            ("Café", "CAFE\u{301}"),
            ("ΌΣΟΣ", "όσος"),
            ("\u{1f0}", "J\u{30c}"),
            ("ﬁ", "FI"),
            ("İ", "i\u{307}"),
        ] {
            assert_eq!(key(left), key(right), "{left:?} {right:?}");
        }
        for (left, right) in [
            ("Region", "Regions"),
            ("Cafe", "Café"),
            ("ı", "i"),
            ("a b", "ab"),
            ("", "a"),
        ] {
            assert_ne!(key(left), key(right));
        }
    }

    #[test]
    fn prefixes_keep_white_space_at_their_end() {
        assert_eq!(prefix_key(" Acme "), "acme ");
        assert_eq!(prefix_key("Straß"), "strass");
        assert_eq!(prefix_key("CAFE\u{301}"), "café");
        assert!(!key("Acmeology").starts_with(&prefix_key("Acme ")));
        assert!(key("Acme Inc").starts_with(&prefix_key("acme ")));
    }

    #[test]
    fn free_text_takes_tabs_and_line_breaks() {
        assert_eq!(free_text("a\tb\r\nc", 6), Ok(()));
        assert_eq!(free_text("", 5), Ok(()));
        assert!(
            free_text("abcdef", 5)
                .unwrap_err()
                .contains("at most 5 characters, and this has 6")
        );
        assert!(
            free_text("a\u{b}", 5)
                .unwrap_err()
                .contains("character 2 is U+000B")
        );
        assert!(free_text("\u{85}", 5).unwrap_err().contains("U+0085"));
    }

    #[test]
    fn closest_finds_near_names_only() {
        let regions = ["AU", "EU", "US", "EMEA", "Asia"];
        assert_eq!(closest("Eu", regions), Some("EU"));
        assert_eq!(closest("ASAI", regions), Some("Asia"));
        assert_eq!(closest("EME", regions), Some("EMEA"));
        assert_eq!(closest("Mars", regions), None);
        assert_eq!(closest("", regions), None);
        assert_eq!(closest("x", ["y", "z"]), None);
        assert_eq!(closest("x", ["y", "X"]), Some("X"));
        assert_eq!(
            closest("Phone Nubmer", ["Region", "Phone Number"]),
            Some("Phone Number")
        );
        assert_eq!(
            closest("MULTI_SELECT", ["SELECT", "MULTISELECT"]),
            Some("MULTISELECT")
        );
        let long = "y".repeat(65);
        assert_eq!(closest(&long, [long.as_str()]), None);
        assert_eq!(closest("y", [long.as_str()]), None);
    }

    #[test]
    fn closest_is_bounded_on_look_alikes() {
        let options: Vec<String> = (0..2_000)
            .map(|number| format!("{}{number:04}", "ab".repeat(30)))
            .collect();
        let wanted = format!("{}3", "ba".repeat(31));
        let start = Instant::now();
        for _ in 0..10 {
            closest(&wanted, options.iter().map(String::as_str));
        }
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    }

    proptest! {
        #[test]
        fn trimmed_is_what_unicode_trims(raw in "[ \\t\\n\u{85}\u{a0}\u{2003}a\u{e9}]{0,5}|\\PC{0,5}") {
            prop_assert_eq!(trimmed(&raw), raw.trim());
        }

        #[test]
        fn control_characters_are_found_in_bytes(text in "[a\u{0}-\u{20}\u{7e}-\u{a1}\u{c2}]{0,40}|\\PC{0,40}") {
            let is_of_latin_1 = |character: char| ('\u{80}'..='\u{bf}').contains(&character);
            let expected = !text.chars().any(|character| character.is_control() || is_of_latin_1(character));
            prop_assert_eq!(is_free_of_control(&text), expected);
        }

        #[test]
        fn key_of_a_key_is_itself(text in any::<String>()) {
            prop_assert_eq!(key(&key(&text)), key(&text));
        }

        #[test]
        fn a_stored_name_has_the_key_of_what_was_typed(text in "[ a-zA-ZäÄßéΣσςǰİıŉΐᾴ\u{300}-\u{345}\u{a0}]{0,20}") {
            prop_assert_eq!(key(&key(&text)), key(&text));
            if let Ok(stored) = name(&text, 255) {
                prop_assert_eq!(key(&stored), key(&text));
                prop_assert_eq!(name(&stored, 255), Ok(stored));
            }
        }

        #[test]
        fn a_prefix_finds_what_begins_so(start in "[a-zäöüßéñçσδπж ]{1,9}", rest in "[a-zäöüßéñçσδπж ]{0,9}") {
            let (name, prefix) = (format!("{start}{rest}x"), start.to_uppercase());
            prop_assert!(key(&name).starts_with(&prefix_key(&prefix)));
            prop_assert!(key(&name).starts_with(&prefix_key(&start)));
        }

        #[test]
        fn a_key_ignores_case(text in "[a-zäöüéñçσδπж ]{0,20}") {
            prop_assert_eq!(key(&text), key(&text.to_uppercase()));
        }

        #[test]
        fn closest_is_as_near_as_it_says(wanted in "[a-d]{0,9}", known in prop::collection::vec("[a-d]{0,9}", 0..9)) {
            let limit = (wanted.len() / 3).max(1).min(wanted.len().saturating_sub(1));
            let best = known.iter().filter(|name| !name.is_empty() && !wanted.is_empty())
                .map(|name| strsim::damerau_levenshtein(&wanted, name)).filter(|distance| *distance <= limit).min();
            let found = closest(&wanted, known.iter().map(String::as_str));
            prop_assert_eq!(found.map(|name| strsim::damerau_levenshtein(&wanted, name)), best);
        }
    }
}
