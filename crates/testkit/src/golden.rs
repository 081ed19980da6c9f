//! Golden files: committed JSON documents that an answer must equal, member by member.
//!
//! Values that differ from run to run are redacted in the file, and a redaction checks the form of what it hides:
//!
//! | redaction | hides |
//! | --- | --- |
//! | `{{uuid}}` | a UUID in lower case |
//! | `{{digits}}` | a string of decimal digits |
//! | `{{time}}` | RFC 3339 in UTC, with `Z` |
//! | `{{customerId}}` | `qm:<uuid>:<uuid>` |
//! | `{{token}}` | an access token |
//! | `{{any}}` | any JSON value, but it must be there |
//!
//! A label makes it a variable: `{{uuid:a}}` is the same value wherever it stands in one document.
//! Redactions may stand inside longer strings too: `/organization/{{digits:org}}`.
//!
//! `GUILDHALL_BLESS=1` writes what came into the file, keeping the redactions that still match. With `CI`
//! in the environment it refuses: there, nobody reads what it blesses.

use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fmt, fs};

use serde_json::{Map, Value};

/// The comparison with golden files.
#[derive(Clone, Copy, Debug)]
pub struct Golden;

impl Golden {
    /// Compares `actual` with the file at `path`. Panics with the JSON path of each difference.
    pub fn check(path: impl AsRef<Path>, actual: &Value) {
        let path = path.as_ref();
        let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
        check(path, actual, set("GUILDHALL_BLESS"), set("CI")).unwrap_or_else(|problem| panic!("{problem}"));
    }
}

fn check(path: &Path, actual: &Value, bless: bool, ci: bool) -> Result<(), String> {
    let shown = path.display();
    if bless && ci {
        return Err(
            "GUILDHALL_BLESS is refused where CI is set: bless at your desk and read the diff".to_owned(),
        );
    }
    let golden = match fs::read(path) {
        Ok(bytes) => {
            Some(serde_json::from_slice(&bytes).map_err(|error| format!("{shown} is no JSON: {error}"))?)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(format!("{shown} cannot be read: {error}")),
    };
    let differences = golden.as_ref().map(|golden| compare(golden, actual));
    if differences.as_ref().is_some_and(Vec::is_empty) {
        return Ok(());
    }
    if bless {
        let new = golden.map_or_else(|| actual.clone(), |golden| blessed(&golden, actual));
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(path, format!("{new:#}\n")))
            .map_err(|error| format!("{shown} cannot be written: {error}"))?;
        // Two labels that no longer agree, for example: better now than at the next run.
        return check(path, actual, false, ci);
    }
    let list = match differences {
        None => "  there is no such file\n".to_owned(),
        Some(differences) => differences.iter().map(|d| format!("  {d}\n")).collect(),
    };
    Err(format!(
        "the answer is not that of {shown}\n{list}\nthe whole answer:\n{actual:#}\n\n\
         If the answer is right, run the test with GUILDHALL_BLESS=1 and read the change of the file."
    ))
}

#[derive(Debug, PartialEq)]
struct Difference {
    at: String,
    what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

/// What the labelled redactions stand for, and where each was first seen.
type Bindings = BTreeMap<String, (Value, String)>;

fn compare(golden: &Value, actual: &Value) -> Vec<Difference> {
    let mut comparison = Comparison {
        bindings: Bindings::new(),
        differences: Vec::new(),
    };
    comparison.value("$", golden, actual);
    comparison.differences
}

struct Comparison {
    bindings: Bindings,
    differences: Vec<Difference>,
}

impl Comparison {
    fn differs(&mut self, at: &str, what: String) {
        self.differences.push(Difference {
            at: at.to_owned(),
            what,
        });
    }

    fn value(&mut self, at: &str, golden: &Value, actual: &Value) {
        match (golden, actual) {
            (Value::Object(golden), Value::Object(actual)) => self.object(at, golden, actual),
            (Value::Array(golden), Value::Array(actual)) => {
                for (i, (golden, actual)) in golden.iter().zip(actual).enumerate() {
                    self.value(&format!("{at}[{i}]"), golden, actual);
                }
                for (i, missing) in golden.iter().enumerate().skip(actual.len()) {
                    self.differs(&format!("{at}[{i}]"), format!("missing, expected {missing}"));
                }
                for (i, extra) in actual.iter().enumerate().skip(golden.len()) {
                    self.differs(&format!("{at}[{i}]"), format!("not expected, got {extra}"));
                }
            }
            (Value::String(pattern), actual) if pattern.contains("{{") => self.redacted(at, pattern, actual),
            _ if golden == actual => {}
            _ => self.differs(at, format!("expected {golden}, got {actual}")),
        }
    }

    fn object(&mut self, at: &str, golden: &Map<String, Value>, actual: &Map<String, Value>) {
        for (name, expected) in golden {
            let at = member(at, name);
            match actual.get(name) {
                Some(actual) => self.value(&at, expected, actual),
                None => self.differs(&at, format!("missing, expected {expected}")),
            }
        }
        for (name, extra) in actual.iter().filter(|(name, _)| !golden.contains_key(*name)) {
            self.differs(&member(at, name), format!("not expected, got {extra}"));
        }
    }

    fn redacted(&mut self, at: &str, pattern: &str, actual: &Value) {
        let parts = match parse(pattern) {
            Ok(parts) => parts,
            Err(what) => return self.differs(at, what),
        };
        let mut found = Vec::new();
        let matches = match (parts.as_slice(), actual) {
            ([Part::Hidden { form: Form::Any, key }], actual) => {
                found.extend(key.map(|key| (key, actual.clone())));
                true
            }
            (parts, Value::String(text)) => fits(parts, text, &mut found),
            _ => false,
        };
        if !matches {
            return self.differs(at, format!("expected {pattern:?}, got {actual}"));
        }
        for (key, value) in found {
            match self.bindings.get(key) {
                Some((first, place)) if *first != value => {
                    let what = format!("{{{{{key}}}}} was {first} at {place}, here it is {value}");
                    self.differs(at, what);
                }
                Some(_) => {}
                None => drop(self.bindings.insert(key.to_owned(), (value, at.to_owned()))),
            }
        }
    }
}

fn member(at: &str, name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    if plain {
        format!("{at}.{name}")
    } else {
        format!("{at}[{name:?}]")
    }
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Uuid,
    Digits,
    Time,
    CustomerId,
    Token,
    Any,
}

impl Form {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "uuid" => Self::Uuid,
            "digits" => Self::Digits,
            "time" => Self::Time,
            "customerId" => Self::CustomerId,
            "token" => Self::Token,
            "any" => Self::Any,
            _ => return None,
        })
    }

    fn holds(self, text: &str) -> bool {
        match self {
            Self::Uuid => is_uuid(text),
            Self::Digits => !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()),
            Self::Time => is_time(text),
            Self::CustomerId => text
                .strip_prefix("qm:")
                .and_then(|t| t.split_once(':'))
                .is_some_and(|(a, b)| is_uuid(a) && is_uuid(b)),
            Self::Token => text
                .strip_prefix("guild_")
                .is_some_and(|t| t.len() == 49 && t.bytes().all(|b| b.is_ascii_alphanumeric())),
            Self::Any => true,
        }
    }
}

fn is_uuid(text: &str) -> bool {
    let shape = |(i, b): (usize, u8)| match i {
        8 | 13 | 18 | 23 => b == b'-',
        _ => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
    };
    text.len() == 36 && text.bytes().enumerate().all(shape)
}

fn is_time(text: &str) -> bool {
    let Some(text) = text.strip_suffix('Z') else {
        return false;
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let shape = whole.len() == 19
        && whole
            .bytes()
            .zip(b"dddd-dd-ddTdd:dd:dd")
            .all(|(b, s)| if *s == b'd' { b.is_ascii_digit() } else { b == *s });
    let number = |from: usize| whole[from..from + 2].parse::<u32>().unwrap_or(u32::MAX);
    let in_range = || {
        (1..=12).contains(&number(5))
            && (1..=31).contains(&number(8))
            && number(11) <= 23
            && number(14) <= 59
            && number(17) <= 60
    };
    shape && in_range() && (1..=9).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit())
}

/// A piece of a golden string.
#[derive(Clone, Copy, Debug)]
enum Part<'a> {
    Plain(&'a str),
    /// With the whole inside, `uuid:a`, as key when it has a label.
    Hidden {
        form: Form,
        key: Option<&'a str>,
    },
}

fn parse(mut pattern: &str) -> Result<Vec<Part<'_>>, String> {
    let mut parts = Vec::new();
    while let Some((plain, rest)) = pattern.split_once("{{") {
        let (inside, rest) = rest
            .split_once("}}")
            .ok_or_else(|| format!("{pattern:?} has no end of its redaction"))?;
        let (name, label) = inside
            .split_once(':')
            .map_or((inside, None), |(name, label)| (name, Some(label)));
        let form = Form::named(name)
            .ok_or_else(|| format!("the golden file has an unknown redaction {{{{{inside}}}}}"))?;
        if !plain.is_empty() {
            parts.push(Part::Plain(plain));
        }
        parts.push(Part::Hidden {
            form,
            key: label.map(|_| inside),
        });
        pattern = rest;
    }
    if !pattern.is_empty() {
        parts.push(Part::Plain(pattern));
    }
    Ok(parts)
}

/// Whether the whole text fits the parts; what the labelled ones hid is added to `found`.
fn fits<'a>(parts: &[Part<'a>], text: &str, found: &mut Vec<(&'a str, Value)>) -> bool {
    let Some((first, rest)) = parts.split_first() else {
        return text.is_empty();
    };
    match first {
        Part::Plain(plain) => text
            .strip_prefix(plain)
            .is_some_and(|text| fits(rest, text, found)),
        Part::Hidden { form, key } => {
            let ends = text.char_indices().map(|(i, _)| i).chain([text.len()]);
            // The longest first, so that digits are taken whole.
            for end in ends.collect::<Vec<_>>().into_iter().rev() {
                let before = found.len();
                if !form.holds(&text[..end]) {
                    continue;
                }
                found.extend(key.map(|key| (key, Value::from(&text[..end]))));
                if fits(rest, &text[end..], found) {
                    return true;
                }
                found.truncate(before);
            }
            false
        }
    }
}

/// The new golden document: `actual`, with those redactions of the old one that still match.
fn blessed(golden: &Value, actual: &Value) -> Value {
    match (golden, actual) {
        (Value::Object(golden), Value::Object(actual)) => {
            let keep = |(name, value): (&String, &Value)| {
                let value = golden
                    .get(name)
                    .map_or_else(|| value.clone(), |golden| blessed(golden, value));
                (name.clone(), value)
            };
            actual.iter().map(keep).collect()
        }
        (Value::Array(golden), Value::Array(actual)) => {
            let keep = |(i, value): (usize, &Value)| {
                golden
                    .get(i)
                    .map_or_else(|| value.clone(), |golden| blessed(golden, value))
            };
            actual.iter().enumerate().map(keep).collect()
        }
        (Value::String(pattern), actual) if pattern.contains("{{") && compare(golden, actual).is_empty() => {
            golden.clone()
        }
        _ => actual.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::TempFolder;

    const UUID: &str = "0190a5b2-7c4e-7d31-9a8f-0123456789ab";
    const OTHER: &str = "0190a5b2-7c4e-7d31-9a8f-0123456789ac";

    fn differences(golden: &Value, actual: &Value) -> Vec<String> {
        compare(golden, actual).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn differences_have_paths() {
        let golden = json!({"a": [1, {"b c": "x"}], "gone": null, "n": 1});
        let actual = json!({"a": [1, {"b c": "y"}, 3], "new": true, "n": 1.0});
        assert_eq!(
            differences(&golden, &actual),
            [
                r#"$.a[1]["b c"]: expected "x", got "y""#,
                "$.a[2]: not expected, got 3",
                "$.gone: missing, expected null",
                "$.n: expected 1, got 1.0",
                "$.new: not expected, got true",
            ]
        );
        assert_eq!(
            differences(&json!([1, 2]), &json!([1])),
            ["$[1]: missing, expected 2"]
        );
    }

    #[test]
    fn a_redaction_checks_the_form() {
        let customer = format!("qm:{UUID}:{OTHER}");
        let token = format!("guild_{}", "aB3".repeat(17).split_at(49).0);
        for (redaction, good, bad) in [
            ("{{uuid}}", json!(UUID), json!(UUID.to_uppercase())),
            ("{{uuid}}", json!(UUID), json!(&UUID[1..])),
            ("{{digits}}", json!("0123"), json!("12a")),
            ("{{digits}}", json!("1"), json!(1)),
            (
                "{{time}}",
                json!("2026-11-22T10:11:12Z"),
                json!("2026-11-22T10:11:12+00:00"),
            ),
            (
                "{{time}}",
                json!("2026-11-22T10:11:12.345Z"),
                json!("2026-13-22T10:11:12Z"),
            ),
            ("{{customerId}}", json!(customer), json!(UUID)),
            ("{{token}}", json!(token), json!(token[1..])),
            ("{{any}}", json!({"x": null}), json!(null)),
            (
                "/task/{{uuid}}/of/{{digits}}",
                json!(format!("/task/{UUID}/of/12")),
                json!("/task/1/of/12"),
            ),
            ("{{digits}}{{digits}}", json!("12"), json!("1")),
        ] {
            assert_eq!(differences(&json!(redaction), &good), [""; 0], "{redaction}");
            if redaction != "{{any}}" {
                assert_eq!(differences(&json!(redaction), &bad).len(), 1, "{redaction} {bad}");
            }
        }
        assert!(differences(&json!({"a": "{{any}}"}), &json!({}))[0].contains("missing"));
        assert!(differences(&json!("{{uid}}"), &json!("x"))[0].contains("unknown redaction {{uid}}"));
    }

    #[test]
    fn a_label_is_one_value_in_a_document() {
        let golden = json!({"id": "{{uuid:a}}", "other": "{{uuid}}", "self": "/x/{{uuid:a}}"});
        let actual = |own: &str| json!({"id": UUID, "other": OTHER, "self": format!("/x/{own}")});
        assert_eq!(differences(&golden, &actual(UUID)), [""; 0]);
        let expected = format!("$.self: {{{{uuid:a}}}} was \"{UUID}\" at $.id, here it is \"{OTHER}\"");
        assert_eq!(differences(&golden, &actual(OTHER)), [expected]);
    }

    #[test]
    fn blessing_keeps_redactions_and_is_refused_in_ci() {
        let folder = TempFolder::new();
        let path = folder.join("golden/case.response.json");
        let actual = json!({"id": UUID, "name": "Acme", "was": "text"});
        assert!(
            check(&path, &actual, false, false)
                .unwrap_err()
                .contains("no such file")
        );
        check(&path, &actual, true, false).unwrap();
        check(&path, &actual, false, false).unwrap();

        fs::write(
            &path,
            r#"{"id": "{{uuid}}", "name": "Old", "was": "{{digits}}", "gone": 1}"#,
        )
        .unwrap();
        assert!(check(&path, &actual, true, true).unwrap_err().contains("refused"));
        let problem = check(&path, &actual, false, true).unwrap_err();
        assert!(
            problem.contains(r#"$.name: expected "Old", got "Acme""#),
            "{problem}"
        );
        check(&path, &actual, true, false).unwrap();
        let written: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(written, json!({"id": "{{uuid}}", "name": "Acme", "was": "text"}));

        let same = json!({"a": "{{uuid:x}}", "b": "{{uuid:x}}"});
        fs::write(&path, same.to_string()).unwrap();
        assert!(check(&path, &json!({"a": UUID, "b": OTHER}), true, false).is_err());
    }
}
