//! Values against a definition: what each type takes (docs/api.md, "Values"), and the
//! key by which a stored value is searched.

use super::number::Decimal;
use super::{Definition, FieldTexts, FieldType, PhoneFormat, options};
use crate::limits::{
    ACCOUNT_ID_CHARS_MAX, EMAIL_CHARS_MAX, NUMBER_CHARS_MAX, TEXT_CHARS_MAX, URL_CHARS_MAX,
    VALUE_KEY_CHARS_MAX,
};
use crate::{Excerpt, Rejection, text};
use std::collections::HashSet;

/// Up to so many values of a MULTISELECT are looked for one by one.
const FEW_CHOICES: usize = 8;

impl Definition {
    /// The values as they are stored; none clear the field. Only MULTISELECT takes more than one,
    /// and collapses repeated ones.
    ///
    /// # Errors
    ///
    /// `Invalid` at `values`, or at `values[1]` of a MULTISELECT.
    pub fn check(&self, values: &[String], phone: PhoneFormat) -> Result<FieldTexts, Rejection> {
        self.check_hinting(values, phone, true)
    }

    /// The same; with `hint` a refusal names the closest option, which costs a walk through them all.
    ///
    /// # Errors
    ///
    /// As [`Self::check`].
    pub fn check_hinting(
        &self,
        values: &[String],
        phone: PhoneFormat,
        hint: bool,
    ) -> Result<FieldTexts, Rejection> {
        match values {
            [] => Ok(FieldTexts::new()),
            values if self.field_type == FieldType::MultiSelect => self.check_choices(values, hint),
            [value] => self
                .check_one(value, phone, hint)
                .map(|stored| FieldTexts::from_buf([stored]))
                .map_err(|problem| Rejection::invalid("values", self.complaint(value, &problem))),
            many => Err(Rejection::invalid(
                "values",
                format!(
                    "Invalid detail field value for {:?}: a {} field takes one value, and {} are given",
                    Excerpt(&self.name),
                    self.field_type.name(),
                    many.len()
                ),
            )),
        }
    }

    /// Begins with the vendor's words.
    fn complaint(&self, value: &str, problem: &str) -> String {
        format!(
            "Invalid detail field value {:?} for {:?}: {problem}",
            Excerpt(value),
            Excerpt(&self.name)
        )
    }

    fn check_choices(&self, values: &[String], hint: bool) -> Result<FieldTexts, Rejection> {
        // A few are looked for one by one: a set of all options takes longer.
        let all = || self.options.iter().map(String::as_str).collect();
        let known: Option<HashSet<&str>> = (values.len() > FEW_CHOICES).then(all);
        let find = |choice: &str| match &known {
            Some(known) => known.get(choice).copied(),
            None => self
                .options
                .iter()
                .map(String::as_str)
                .find(|option| *option == choice),
        };
        let mut chosen = HashSet::new();
        let mut stored = FieldTexts::with_capacity(values.len().min(self.options.len()));
        for (index, value) in values.iter().enumerate() {
            let choice = text::nfc(text::trimmed(value));
            let Some(choice) = find(&choice) else {
                let problem = self.complaint(value, &self.no_option(&choice, hint));
                return Err(Rejection::invalid(format!("values[{index}]"), problem));
            };
            let is_new = match values.len() > FEW_CHOICES {
                true => chosen.insert(choice),
                false => !stored.iter().any(|known| known == choice),
            };
            if is_new {
                stored.push(choice.to_owned());
            }
        }
        Ok(stored)
    }

    /// The value as it is stored, or the problem.
    fn check_one(&self, raw: &str, phone: PhoneFormat, hint: bool) -> Result<String, String> {
        if self.field_type == FieldType::Text {
            return text::free_text(raw, TEXT_CHARS_MAX).map(|()| raw.to_owned());
        }
        let value = text::trimmed(raw);
        if value.is_empty() {
            return Err(format!(
                "a {} field takes no blank value; send an empty list of values to clear it",
                self.field_type.name()
            ));
        }
        match self.field_type {
            // Only SELECT comes here; the other two are decided above.
            FieldType::Text | FieldType::Select | FieldType::MultiSelect => {
                let choice = text::nfc(value);
                let known = self.options.iter().find(|option| **option == choice);
                return known.cloned().ok_or_else(|| self.no_option(&choice, hint));
            }
            FieldType::Number => check_number(value)?,
            FieldType::Boolean => {
                return boolean(value)
                    .map(str::to_owned)
                    .ok_or_else(|| "send \"true\" or \"false\"".to_owned());
            }
            FieldType::Date => check_date(value)?,
            FieldType::Email => check_email(value)?,
            FieldType::Phone => check_phone(value, phone)?,
            FieldType::Url => check_url(value)?,
            FieldType::User => text::name(value, ACCOUNT_ID_CHARS_MAX).map(drop)?,
        }
        Ok(value.to_owned())
    }

    fn no_option(&self, value: &str, hint: bool) -> String {
        let known = self.options.iter().map(String::as_str).filter(|_| hint);
        match text::closest(value, known) {
            Some(near) => format!("not one of its options. Did you mean {:?}?", Excerpt(near)),
            None => format!("not one of its options; {}", options::list(&self.options)),
        }
    }
}

fn at_most(value: &str, max_chars: usize) -> Result<(), String> {
    // A character has a byte at least.
    if value.len() <= max_chars {
        return Ok(());
    }
    match value.chars().count() {
        chars if chars > max_chars => Err(format!(
            "must have at most {max_chars} characters, and this has {chars}"
        )),
        _ => Ok(()),
    }
}

fn check_number(value: &str) -> Result<(), String> {
    at_most(value, NUMBER_CHARS_MAX)?;
    match Decimal::parse(value) {
        Some(_) => Ok(()),
        None => {
            Err("not a number; send digits with an optional sign and decimal point, such as \"-12.5\"".into())
        }
    }
}

fn boolean(value: &str) -> Option<&'static str> {
    let is = |word: &str| value.eq_ignore_ascii_case(word);
    match value {
        _ if is("true") || is("yes") => Some("true"),
        _ if is("false") || is("no") => Some("false"),
        _ => None,
    }
}

fn check_date(value: &str) -> Result<(), String> {
    let Some((year, month, day)) = date_parts(value) else {
        return Err("not a date; send it as YYYY-MM-DD, such as \"2026-03-01\"".into());
    };
    match jiff::civil::Date::new(year, month, day) {
        Ok(_) => Ok(()),
        Err(_) => Err("there is no such day in the calendar; send it as YYYY-MM-DD".into()),
    }
}

/// Four, two and two digits with `-` between. jiff alone would take other ISO 8601 forms too.
fn date_parts(value: &str) -> Option<(i16, i8, i8)> {
    let form = |(index, byte): (usize, u8)| {
        if matches!(index, 4 | 7) {
            byte == b'-'
        } else {
            byte.is_ascii_digit()
        }
    };
    if value.len() != 10 || !value.bytes().enumerate().all(form) {
        return None;
    }
    Some((
        value[..4].parse().ok()?,
        value[5..7].parse().ok()?,
        value[8..].parse().ok()?,
    ))
}

/// Whether this is an address that no rule has anything against, in ASCII: nearly all are, and are read in one pass.
fn is_plain_email(value: &str) -> bool {
    let Some(at) = value.bytes().position(|byte| byte == b'@') else {
        return false;
    };
    let (local, domain) = (&value.as_bytes()[..at], &value.as_bytes()[at + 1..]);
    let (mut before, mut has_dot) = (b'.', false);
    for &byte in domain {
        match (byte, before) {
            (b'-', b'.') | (b'.', b'.' | b'-') => return false,
            (b'.', _) => has_dot = true,
            (b'-', _) => {}
            _ if byte.is_ascii_alphanumeric() => {}
            _ => return false,
        }
        before = byte;
    }
    has_dot
        && !matches!(before, b'.' | b'-')
        && !local.is_empty()
        && all(local, |byte| byte.is_ascii_graphic())
}

/// Whether this is one email address; the `Err` says why not and what would be right.
pub fn check_email(value: &str) -> Result<(), String> {
    at_most(value, EMAIL_CHARS_MAX)?;
    match is_plain_email(value) {
        true => Ok(()),
        false => check_email_in_full(value),
    }
}

fn check_email_in_full(value: &str) -> Result<(), String> {
    let example = "such as \"ann@example.com\"";
    if holds_spaces(value) {
        return Err(format!(
            "an email address holds no spaces or control characters; send one address, {example}"
        ));
    }
    let (local, domain) = match value.split_once('@') {
        Some((local, domain)) if !domain.contains('@') => (local, domain),
        _ => return Err(format!("an email address has exactly one '@', {example}")),
    };
    if local.is_empty() {
        return Err(format!("an email address has a name before the '@', {example}"));
    }
    // Other scripts are let through: their domains are for the mail server to judge.
    let is_label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || !byte.is_ascii();
        !label.is_empty() && label.bytes().all(plain) && !label.starts_with('-') && !label.ends_with('-')
    };
    if domain.contains('.') && domain.split('.').all(is_label) {
        Ok(())
    } else {
        Err(format!(
            "an email address ends with a domain of words between dots, {example}"
        ))
    }
}

fn check_phone(value: &str, format: PhoneFormat) -> Result<(), String> {
    let number = value.strip_prefix('+');
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    match format {
        PhoneFormat::Lenient => {
            let allowed = |byte: u8| byte.is_ascii_digit() || matches!(byte, b' ' | b'-' | b'.' | b'(' | b')');
            // The cap on the whole keeps someone from storing pages of brackets.
            let fits = (3..=20).contains(&digits) && value.len() <= 3 * 20;
            if fits && number.unwrap_or(value).bytes().all(allowed) { Ok(()) } else {
                Err("a phone number has 3 to 20 digits, an optional leading '+', and only spaces, '-', '.', '(' and ')' between, such as \"+61 422 333 111\"".into())
            }
        }
        PhoneFormat::E164 => match number {
            Some(number) if number.len() == digits && (3..=15).contains(&digits) && !number.starts_with('0') => Ok(()),
            _ => Err("this server takes phone numbers as E.164 says: '+', the country code and the number, 3 to 15 digits and nothing else, such as \"+61422333111\"".into()),
        },
    }
}

/// White space or control characters.
fn holds_spaces(value: &str) -> bool {
    match value.is_ascii() {
        true => value.bytes().any(|byte| !byte.is_ascii_graphic()),
        false => value
            .chars()
            .any(|character| character.is_whitespace() || character.is_control()),
    }
}

/// Whether it is an address that no rule has anything against: nearly all are, and reading them in full takes longer than
/// all else of a value's check. Lower-case, a host of words with letters only in the last one, and a path and a query of
/// plain characters.
fn is_plain_url(value: &str) -> bool {
    let Some(rest) = value
        .strip_prefix("https://")
        .or_else(|| value.strip_prefix("http://"))
    else {
        return false;
    };
    let end = rest.bytes().position(|byte| byte == b'/').unwrap_or(rest.len());
    let (host, path) = rest.as_bytes().split_at(end);
    let is_of_path = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'?' | b'=' | b'&')
    };
    is_plain_host(host) && all(path, is_of_path)
}

/// Words with dots between, in one pass: lower-case letters, digits, and hyphens one at a time within a word (what begins with
/// xn-- is decoded); letters only in the last one.
fn is_plain_host(host: &[u8]) -> bool {
    let (mut before, mut is_of_letters) = (b'.', true);
    for &byte in host {
        match (byte, before) {
            (b'a'..=b'z', _) => {}
            (b'0'..=b'9', _) => is_of_letters = false,
            (b'-', b'.' | b'-') | (b'.', b'.' | b'-') => return false,
            (b'-', _) => is_of_letters = false,
            (b'.', _) => is_of_letters = true,
            _ => return false,
        }
        before = byte;
    }
    is_of_letters && !matches!(before, b'.' | b'-')
}

/// Whether all bytes are such. All are looked at, many at once, instead of one after the other up to the first that is not.
fn all(bytes: &[u8], is_such: impl Fn(u8) -> bool) -> bool {
    bytes.iter().fold(true, |all, byte| all & is_such(*byte))
}

fn check_url(value: &str) -> Result<(), String> {
    at_most(value, URL_CHARS_MAX)?;
    if is_plain_url(value) {
        return Ok(());
    }
    let example = "send an absolute http or https address, such as \"https://example.com/page\"";
    // The parser forgives these, as browsers do; a link that is stored should not need forgiveness.
    if holds_spaces(value) {
        return Err(format!(
            "an address holds no spaces or control characters; {example}"
        ));
    }
    let begins = |scheme: &str| {
        value
            .get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    if !begins("http://") && !begins("https://") {
        return Err(format!("does not begin with http:// or https://; {example}"));
    }
    let authority = value.split_once("://").map_or("", |(_, rest)| rest);
    if authority.starts_with('/') || value.contains(['\\', '"', '<', '>', '`', '{', '}', '|', '^']) {
        return Err(format!("is not written as an address is; {example}"));
    }
    match url::Url::parse(value) {
        Ok(url)
            if url
                .host_str()
                .is_some_and(|host| host.chars().any(char::is_alphanumeric) && !host.contains('*')) =>
        {
            Ok(())
        }
        Ok(_) => Err(format!("has no host; {example}")),
        Err(error) => Err(format!("not an address ({error}); {example}")),
    }
}

/// The key by which a value, stored or asked for, is searched and compared: at most 255
/// characters. Text is folded like names; numbers sort as numbers, by byte order, so that `1`,
/// `1.0` and `+1` are the same; a boolean asked for as `yes` is `true`. Takes any text: what is no
/// value of the type has a key that no stored value has.
pub fn value_key(field_type: FieldType, value: &str) -> String {
    let value = value.trim();
    let exact = match field_type {
        // Number keys begin with a digit, which keeps other texts apart from them.
        FieldType::Number => {
            let number = if value.len() <= NUMBER_CHARS_MAX {
                Decimal::parse(value)
            } else {
                None
            };
            Some(
                number
                    .and_then(|number| number.key())
                    .unwrap_or_else(|| format!("!{}", text::key(value))),
            )
        }
        FieldType::Boolean => boolean(value).map(str::to_owned),
        FieldType::Date => Some(value.to_owned()),
        _ => None,
    };
    let mut key = exact.unwrap_or_else(|| text::key(value));
    // A character has a byte at least.
    if key.len() > VALUE_KEY_CHARS_MAX
        && let Some((end, _)) = key.char_indices().nth(VALUE_KEY_CHARS_MAX)
    {
        key.truncate(end);
    }
    key
}

#[cfg(test)]
#[path = "value_tests.rs"]
mod tests;
