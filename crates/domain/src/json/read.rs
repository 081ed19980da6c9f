//! Reading a document. One pass over the bytes, recursion bounded by `JSON_DEPTH_MAX`. Strings are
//! in `string.rs`.

use super::{At, Members, Node};
use crate::Excerpt;
use crate::limits::JSON_DEPTH_MAX;
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

/// Up to so many members are compared one by one; more go through a set, so that an object of
/// 100,000 members does not cost the square of that.
const SCANNED_MEMBERS_MAX: usize = 16;

/// Room for so many members and items around a place, to begin with: as many as most documents have, and a kilobyte at most,
/// beyond which allocators take longer.
const AT_ONCE: usize = 16;

/// Why and where a document is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Counted from 1; lines end with a line feed.
    pub line: usize,
    /// Counted from 1, in Unicode scalar values (bytes where the body is not UTF-8).
    pub column: usize,
    /// What is wrong, and what would be right. Short whatever the body holds.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.problem)
    }
}

impl std::error::Error for Fault {}

/// Reads a whole document.
///
/// # Errors
///
/// When the bytes are not one JSON value (RFC 8259), or break one of the rules that the module's
/// header lists.
pub fn parse(bytes: &[u8]) -> Result<Node<'_>, Fault> {
    let text = simdutf8::compat::from_utf8(bytes).map_err(|error| {
        let end = error.valid_up_to();
        let byte = bytes.get(end).copied().unwrap_or_default();
        fault(
            &bytes[..end],
            format!("the body is not valid UTF-8: byte 0x{byte:02X} cannot stand here"),
        )
    })?;
    let mut reader = Reader {
        members: Vec::with_capacity(AT_ONCE),
        items: Vec::with_capacity(AT_ONCE),
        ..Reader::new(text)
    };
    reader
        .document()
        .map_err(|stop| fault(&bytes[..stop.position], stop.problem))
}

/// A fault after `before`, which may end within a character only when it is not all UTF-8.
fn fault(before: &[u8], problem: String) -> Fault {
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
    Fault {
        line,
        column,
        problem,
    }
}

/// A fault before its offset in bytes is turned into a line and a column.
pub(super) struct Stop {
    pub(super) position: usize,
    pub(super) problem: String,
}

pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    /// In bytes, always between two characters.
    pub(super) position: usize,
    /// The members so far of all objects around this place, the innermost last: each object is made at its end,
    /// as large as it is.
    members: Vec<Member<'a>>,
    /// The items so far of all arrays around this place, likewise.
    items: Vec<Node<'a>>,
}

/// A member: its name and its value.
type Member<'a> = (Cow<'a, str>, Node<'a>);

impl<'a> Reader<'a> {
    /// At the beginning of a text.
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            position: 0,
            members: Vec::new(),
            items: Vec::new(),
        }
    }

    fn document(&mut self) -> Result<Node<'a>, Stop> {
        if self.text.starts_with('\u{feff}') {
            return self.stop("the body begins with a byte order mark (U+FEFF); send plain UTF-8 without it");
        }
        self.space();
        if self.peek().is_none() {
            return self.stop("the body is empty; a JSON document is expected");
        }
        let node = self.value(0, At::root())?;
        self.space();
        match self.peek() {
            None => Ok(node),
            Some(_) => self.stop(format!(
                "expected the end of the body after the document, found {}",
                self.found()
            )),
        }
    }

    /// `depth` is the number of arrays and objects around this value.
    fn value(&mut self, depth: usize, at: At<'_>) -> Result<Node<'a>, Stop> {
        match self.peek() {
            Some(b'"') => self.string("a string").map(Node::Text),
            Some(b'{' | b'[') if depth == JSON_DEPTH_MAX => self.stop(format!(
                "arrays and objects are nested more than {JSON_DEPTH_MAX} levels deep"
            )),
            Some(b'{') => self.object(depth + 1, at).map(Node::Object),
            Some(b'[') => self.array(depth + 1, at).map(Node::Array),
            Some(b'-' | b'0'..=b'9') => self.number().map(Node::Number),
            Some(b'a'..=b'z' | b'A'..=b'Z') => self.word(),
            _ => self.no_value(),
        }
    }

    fn object(&mut self, depth: usize, at: At<'_>) -> Result<Members<'a>, Stop> {
        let first = self.members.len();
        let mut names: Option<HashSet<Cow<'a, str>>> = None;
        self.position += 1;
        self.space();
        if self.skip(b'}') {
            return Ok(Members::default());
        }
        loop {
            let start = self.position;
            let name = self.name()?;
            let members = &self.members[first..];
            let is_known = if members.len() < SCANNED_MEMBERS_MAX {
                members.iter().any(|(known, _)| *known == name)
            } else {
                let all = || members.iter().map(|(known, _)| known.clone()).collect();
                !names.get_or_insert_with(all).insert(name.clone())
            };
            if is_known {
                let place = match at.to_string() {
                    at if at.is_empty() => "this object".to_owned(),
                    at => at,
                };
                return Err(Stop {
                    position: start,
                    problem: said_twice(&place, &name),
                });
            }
            self.space();
            if !self.skip(b':') {
                return self.stop(format!(
                    "expected a colon after the member name {:?}, found {}",
                    Excerpt(&name),
                    self.found()
                ));
            }
            self.space();
            let value = self.value(depth, at.member(&name))?;
            self.members.push((name, value));
            self.space();
            if self.skip(b'}') {
                return Ok(Members(self.members.split_off(first)));
            }
            if !self.skip(b',') {
                return self.stop(format!(
                    "expected a comma or '}}' after a member, found {}",
                    self.found()
                ));
            }
            self.space();
        }
    }

    fn name(&mut self) -> Result<Cow<'a, str>, Stop> {
        match self.peek() {
            Some(b'"') => self.string("a member name"),
            Some(b'}') => self.stop("a comma may not stand before '}'; remove it or add a member"),
            _ => self.stop(format!(
                "expected a member name in double quotes, found {}",
                self.found()
            )),
        }
    }

    fn array(&mut self, depth: usize, at: At<'_>) -> Result<Vec<Node<'a>>, Stop> {
        let first = self.items.len();
        self.position += 1;
        self.space();
        if self.skip(b']') {
            return Ok(Vec::new());
        }
        loop {
            if self.peek() == Some(b']') {
                return self.stop("a comma may not stand before ']'; remove it or add an item");
            }
            let item = self.value(depth, at.index(self.items.len() - first))?;
            self.items.push(item);
            self.space();
            if self.skip(b']') {
                return Ok(self.items.split_off(first));
            }
            if !self.skip(b',') {
                return self.stop(format!(
                    "expected a comma or ']' after an item, found {}",
                    self.found()
                ));
            }
            self.space();
        }
    }

    /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`, kept by its text.
    pub(super) fn number(&mut self) -> Result<&'a str, Stop> {
        let start = self.position;
        self.skip(b'-');
        if self.skip(b'0') {
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return self.stop("a number may not begin with 0 and another digit; remove the zero");
            }
        } else {
            self.digits("a number needs a digit after '-'")?;
        }
        if self.skip(b'.') {
            self.digits("a number needs a digit after its point")?;
        }
        if self.skip(b'e') || self.skip(b'E') {
            if !self.skip(b'+') {
                self.skip(b'-');
            }
            self.digits("a number needs a digit in its exponent")?;
        }
        Ok(&self.text[start..self.position])
    }

    /// At least one digit.
    fn digits(&mut self, otherwise: &str) -> Result<(), Stop> {
        let rest = &self.text.as_bytes()[self.position..];
        let length = rest
            .iter()
            .position(|byte| !byte.is_ascii_digit())
            .unwrap_or(rest.len());
        self.position += length;
        if length == 0 {
            self.stop(format!("{otherwise}, found {}", self.found()))
        } else {
            Ok(())
        }
    }

    /// `true`, `false`, `null`.
    fn word(&mut self) -> Result<Node<'a>, Stop> {
        let rest = &self.text[self.position..];
        let length = rest
            .bytes()
            .position(|byte| !byte.is_ascii_alphanumeric())
            .unwrap_or(rest.len());
        let word = &rest[..length];
        let node = match word {
            "true" => Node::Bool(true),
            "false" => Node::Bool(false),
            "null" => Node::Null,
            _ => {
                return self.stop(format!(
                    "expected a value, found {:?}; text stands in double quotes, and the only words without are true, false and null",
                    Excerpt(word)
                ));
            }
        };
        self.position += length;
        Ok(node)
    }

    fn no_value<T>(&self) -> Result<T, Stop> {
        let hint = match self.peek() {
            Some(b'\'') => "; strings stand in double quotes",
            Some(b'+' | b'.') => "; a number begins with a digit or '-'",
            Some(b'/' | b'#') => "; JSON has no comments",
            Some(b',' | b']' | b'}') => "; it may not be left out",
            _ => "",
        };
        self.stop(format!("expected a value, found {}{hint}", self.found()))
    }

    pub(super) fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.position += 1;
        }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    /// Steps over `byte`, when it is next. Only for ASCII.
    pub(super) fn skip(&mut self, byte: u8) -> bool {
        let next = self.peek() == Some(byte);
        self.position += usize::from(next);
        next
    }

    /// What stands here, for messages.
    pub(super) fn found(&self) -> String {
        match self.text[self.position..].chars().next() {
            Some(character) => format!("{character:?}"),
            None => "the end of the body".to_owned(),
        }
    }

    pub(super) fn stop<T>(&self, problem: impl Into<String>) -> Result<T, Stop> {
        Err(Stop {
            position: self.position,
            problem: problem.into(),
        })
    }
}

/// What is in a member of this name, of which no error tells anything, names included (docs/api.md, "Objects").
const HUSHED: &str = "customandsensitivedata";

/// That an object at this place has two members of this name.
fn said_twice(place: &str, name: &str) -> String {
    match place.to_ascii_lowercase().find(HUSHED) {
        Some(start) => format!(
            "{} has a member twice; send it once",
            &place[..start + HUSHED.len()]
        ),
        None => format!("{place} has two members named {:?}; send it once", Excerpt(name)),
    }
}
