//! Our strict JSON: what a request body says, and where it says it.
//!
//! Why not a library's value type: docs/api.md ("Requests and JSON") promises things that none
//! offers together. Duplicate members are refused at every level, in members that we ignore too; at
//! most 64 levels; no U+0000 anywhere, not even as `\u0000`; valid UTF-8; numbers kept by their
//! text, so that members we do not know and the fingerprint of an idempotency key stay exact (`1`
//! is not `1.0000000000000000001`); and faults with a line and a column, in words that teach.
//! Strings without escapes are borrowed from the body.
//!
//! [`parse`] reads, [`Node`] is what it read, [`At`] says where in the document a reader is. [`Stream`] reads the same
//! without a tree.

mod at;
mod read;
mod stream;
mod string;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt::Write as _;

pub use at::At;
pub use read::{Fault, parse};
pub use stream::{Canonical, Stream};

/// One JSON value, as it stood in the document.
#[derive(Clone, Debug, PartialEq)]
// A tag of eight bytes, which takes no more room: with one of a byte values are moved from odd places, which stalls processors.
#[repr(u64)]
pub enum Node<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number by its text, such as `-1.50e3`: a valid JSON number of any size.
    Number(&'a str),
    /// A string with its escapes resolved. Never holds U+0000.
    Text(Cow<'a, str>),
    /// An array.
    Array(Vec<Node<'a>>),
    /// An object.
    Object(Members<'a>),
}

impl<'a> Node<'a> {
    /// The kind with its article, for messages: `a string`, `an array`, `null`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }

    /// Appends the value without white space, members sorted by code point at every level, numbers
    /// by their text, strings with the fewest escapes. Two documents that differ only in white
    /// space, escapes or the order of members print the same: this is what fingerprints hash.
    pub fn write_canonical(&self, out: &mut String) {
        self.print(out, true);
    }

    /// Appends the value like [`Node::write_canonical`], but with members in the order given.
    pub fn write(&self, out: &mut String) {
        self.print(out, false);
    }

    /// Takes out, at every level, the members of whose names this does not hold.
    pub fn retain(&mut self, keep: &impl Fn(&str) -> bool) {
        match self {
            Self::Array(items) => items.iter_mut().for_each(|item| item.retain(keep)),
            Self::Object(Members(members)) => {
                members.retain(|(name, _)| keep(name));
                members.iter_mut().for_each(|(_, value)| value.retain(keep));
            }
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) => {}
        }
    }

    /// Recursion ends: `parse` makes no value deeper than `JSON_DEPTH_MAX`.
    fn print(&self, out: &mut String, sorted: bool) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Number(text) => out.push_str(text),
            Self::Text(text) => write_text(text, out),
            Self::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.print(out, sorted);
                }
                out.push(']');
            }
            Self::Object(members) => members.print(out, sorted),
        }
    }
}

/// The members of an object in the order given, each name once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Members<'a>(Vec<(Cow<'a, str>, Node<'a>)>);

impl<'a> Members<'a> {
    /// The value of a member. Walks the members: meant for the few names that a reader knows.
    pub fn get(&self, name: &str) -> Option<&Node<'a>> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    }

    /// Names and values in the order given.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Node<'a>)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// How many members.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether this is `{}`.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn print(&self, out: &mut String, sorted: bool) {
        let mut members: Vec<_> = self.0.iter().collect();
        if sorted {
            // The order of UTF-8 bytes is the order of code points.
            members.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        }
        out.push('{');
        for (index, (name, value)) in members.into_iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            write_text(name, out);
            out.push(':');
            value.print(out, sorted);
        }
        out.push('}');
    }
}

/// Appends `text` in double quotes, escaping only what JSON demands.
pub(crate) fn write_text(text: &str, out: &mut String) {
    // Nearly always there is nothing to escape.
    out.reserve(text.len() + 2);
    out.push('"');
    let mut rest = text;
    while let Some(end) = string::plain_length(rest.as_bytes()) {
        out.push_str(&rest[..end]);
        match rest.as_bytes()[end] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            control => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{control:04x}");
            }
        }
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    out.push('"');
}
