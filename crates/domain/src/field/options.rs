//! The options of SELECT and MULTISELECT fields: a list that people choose from, so no two may
//! look the same (docs/api.md, "Field definitions").

use crate::limits::{NAME_CHARS_MAX, OPTIONS_MAX};
use crate::{Excerpt, Rejection, text};
use std::collections::HashMap;

/// The options as they are stored: trimmed, NFC, at most 2,000 of 1 to 255 characters, unique
/// after case folding, in the order given. May be empty: whether that is right depends on the type
/// of the field. `at` is the path of the list.
pub(super) fn check(options: &[String], at: &str) -> Result<Vec<String>, Rejection> {
    if options.len() > OPTIONS_MAX {
        let problem = format!(
            "a field has at most {OPTIONS_MAX} options, and this lists {}",
            options.len()
        );
        return Err(Rejection::invalid(at, problem));
    }
    let mut checked = Vec::with_capacity(options.len());
    let mut known: HashMap<String, usize> = HashMap::with_capacity(options.len());
    for (index, raw) in options.iter().enumerate() {
        let refused = |problem: String| Rejection::invalid(format!("{at}[{index}]"), problem);
        let option = text::name(raw, NAME_CHARS_MAX)
            .map_err(|problem| refused(format!("the option {:?} {problem}", Excerpt(raw))))?;
        if let Some(first) = known.insert(text::key(&option), index) {
            return Err(refused(format!(
                "the option {:?} is the same as {:?} at [{first}]; options must differ in more than letter case",
                Excerpt(raw),
                Excerpt(&options[first]),
            )));
        }
        checked.push(option);
    }
    Ok(checked)
}

/// How a message lists the options: all of a few, the number of many.
pub(super) fn list(options: &[String]) -> String {
    const LISTED_MAX: usize = 8;
    if options.len() > LISTED_MAX {
        return format!("it has {} options", options.len());
    }
    let quoted: Vec<String> = options
        .iter()
        .map(|option| format!("{:?}", Excerpt(option)))
        .collect();
    format!("its options are {}", quoted.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(options: &[&str]) -> Vec<String> {
        options.iter().map(|option| (*option).to_owned()).collect()
    }

    #[test]
    fn options_are_stored_trimmed_and_composed() {
        let checked = check(&texts(&[" EU ", "Cafe\u{301}"]), "options").unwrap();
        assert_eq!(checked, ["EU", "Café"]);
        assert_eq!(check(&[], "options"), Ok(vec![]));
    }

    #[test]
    fn options_differ_in_more_than_case() {
        let refusal = check(&texts(&["AU", "Straße", "us", "STRASSE "]), "type.options").unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "type.options[3]: the option \"STRASSE \" is the same as \"Straße\" at [1]; options must differ in more than letter case"
        );
    }

    #[test]
    fn options_are_names() {
        let long = "x".repeat(256);
        for (bad, words) in [
            (
                " ",
                "the option \" \" must not be blank; send 1 to 255 characters",
            ),
            (
                "a\nb",
                "the option \"a\\nb\" must not hold control characters, and character 2 is U+000A",
            ),
            (
                long.as_str(),
                "must have at most 255 characters, and this has 256",
            ),
        ] {
            let refusal = check(&texts(&["ok", bad]), "options").unwrap_err().to_string();
            assert!(
                refusal.starts_with("options[1]: the option ") && refusal.ends_with(words),
                "{refusal}"
            );
        }
    }

    #[test]
    fn two_thousand_options_and_no_more() {
        let mut many: Vec<String> = (0..OPTIONS_MAX).map(|number| number.to_string()).collect();
        assert_eq!(check(&many, "options").as_ref(), Ok(&many));
        many.push("one more".into());
        let refusal = check(&many, "options").unwrap_err().to_string();
        assert_eq!(
            refusal,
            "options: a field has at most 2000 options, and this lists 2001"
        );
    }
}
