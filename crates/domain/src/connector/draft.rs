//! What the readers of parts share: a canonical text that grows while the parts are checked, and the
//! list of all that is wrong. The text is of use only when nothing is.

use super::{Problem, instant, number};
use crate::json::{At, Members, Node, write_text};
use crate::limits::OBJECT_PROBLEMS_MAX;
use std::fmt;

/// The names of the members that a part has: each with its aliases, the canonical name first.
pub(super) type Names<const N: usize> = [&'static [&'static str]; N];

/// The members of a part by their names, in the order of the names.
pub(super) struct Sorted<'n, 'a, const N: usize> {
    /// Nothing where the member is absent or null.
    pub(super) known: [Option<&'n Node<'a>>; N],
    /// Members of other names, kept as they are.
    pub(super) others: Vec<(&'n str, &'n Node<'a>)>,
}

/// One walk over the members. Of a member and its aliases the canonical one counts, where it is there.
pub(super) fn sort<'n, 'a, const N: usize>(members: &'n Members<'a>, names: &Names<N>) -> Sorted<'n, 'a, N> {
    let mut known = [None; N];
    let mut ranks = [usize::MAX; N];
    let mut others = Vec::new();
    for (name, node) in members.iter() {
        let place = names.iter().enumerate().find_map(|(slot, spellings)| {
            let rank = spellings.iter().position(|spelling| *spelling == name)?;
            Some((slot, rank))
        });
        match place {
            None => others.push((name, node)),
            Some((slot, rank)) if *node != Node::Null && rank < ranks[slot] => {
                known[slot] = Some(node);
                ranks[slot] = rank;
            }
            Some(_) => {}
        }
    }
    Sorted { known, others }
}

/// What a text must be.
#[derive(Clone, Copy)]
pub(super) struct Text {
    is_required: bool,
    may_be_empty: bool,
    chars_max: usize,
}

impl Text {
    /// A member that may be absent, and may be empty.
    pub(super) const fn optional(chars_max: usize) -> Self {
        Self {
            is_required: false,
            may_be_empty: true,
            chars_max,
        }
    }

    /// A member that must be there, and must not be empty.
    pub(super) const fn required(chars_max: usize) -> Self {
        Self {
            is_required: true,
            may_be_empty: false,
            chars_max,
        }
    }

    /// A member that may be absent, and must not be empty.
    pub(super) const fn filled(chars_max: usize) -> Self {
        Self {
            is_required: false,
            may_be_empty: false,
            chars_max,
        }
    }
}

/// Room for the canonical text of most objects.
const USUAL_BYTES: usize = 1_024;

/// An object while it is read.
pub(super) struct Draft {
    /// The canonical text so far.
    pub(super) out: String,
    problems: Vec<Problem>,
    is_cut: bool,
}

impl Draft {
    pub(super) fn new() -> Self {
        Self {
            out: String::with_capacity(USUAL_BYTES),
            problems: Vec::new(),
            is_cut: false,
        }
    }

    /// Notes that the value at `at` is wrong: `message` goes on after its path.
    pub(super) fn refuse(&mut self, at: At<'_>, message: fmt::Arguments<'_>) {
        let key = at.to_string();
        let subject = if key.is_empty() { "the object" } else { &key };
        let message = format!("{subject} {message}");
        self.note(Problem { key, message });
    }

    /// Notes a problem, unless too many are known.
    pub(super) fn note(&mut self, problem: Problem) {
        if self.problems.len() < OBJECT_PROBLEMS_MAX {
            self.problems.push(problem);
        } else {
            self.is_cut = true;
        }
    }

    /// Notes a value of the wrong kind. Tells its kind only: the value may be nobody's business.
    pub(super) fn refuse_kind(&mut self, at: At<'_>, expected: &str, found: &Node<'_>) {
        self.refuse(at, format_args!("must be {expected}, found {}", found.kind()));
    }

    /// Notes that a required value is absent.
    pub(super) fn missing(&mut self, at: At<'_>) {
        self.refuse(at, format_args!("is required"));
    }

    /// All that is wrong.
    pub(super) fn problems(mut self) -> Vec<Problem> {
        if self.is_cut {
            self.problems.push(Problem {
                key: String::new(),
                message: format!("only the first {OBJECT_PROBLEMS_MAX} errors are listed"),
            });
        }
        self.problems
    }

    /// Whether nothing is wrong so far.
    pub(super) fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Begins a value inside an array, or an array or object anywhere.
    pub(super) fn open(&mut self, bracket: char) {
        self.separate();
        self.out.push(bracket);
    }

    /// Ends what [`Draft::open`] began.
    pub(super) fn close(&mut self, bracket: char) {
        self.out.push(bracket);
    }

    /// Writes the name of a member.
    pub(super) fn name(&mut self, name: &str) {
        self.separate();
        write_text(name, &mut self.out);
        self.out.push(':');
    }

    /// Writes a text as a value.
    pub(super) fn put_text(&mut self, text: &str) {
        self.separate();
        write_text(text, &mut self.out);
    }

    /// Writes a value as it was sent.
    pub(super) fn put(&mut self, node: &Node<'_>) {
        self.separate();
        node.write(&mut self.out);
    }

    /// Writes members that nobody knows, as they were sent.
    pub(super) fn put_others(&mut self, others: &[(&str, &Node<'_>)]) {
        for (name, node) in others {
            self.name(name);
            self.put(node);
        }
    }

    /// A comma, where one is due. No value ends with one of these: an open bracket within a text is
    /// followed by the closing quote.
    fn separate(&mut self) {
        if !matches!(self.out.as_bytes().last(), None | Some(b'{' | b'[' | b':')) {
            self.out.push(',');
        }
    }

    /// The members of an object, or a note that it is none.
    pub(super) fn members<'n, 'a>(&mut self, at: At<'_>, node: &'n Node<'a>) -> Option<&'n Members<'a>> {
        if let Node::Object(members) = node {
            return Some(members);
        }
        self.refuse_kind(at, "an object", node);
        None
    }

    /// The items of an array of at most `max`, or a note that it is none.
    pub(super) fn items<'n, 'a>(
        &mut self,
        at: At<'_>,
        node: &'n Node<'a>,
        max: usize,
    ) -> Option<&'n [Node<'a>]> {
        match node {
            Node::Array(items) if items.len() <= max => Some(items),
            Node::Array(items) => {
                let found = items.len();
                self.refuse(at, format_args!("may hold at most {max} elements, found {found}"));
                None
            }
            other => {
                self.refuse_kind(at, "an array", other);
                None
            }
        }
    }

    /// Checks the text member `name` of the object at `at`, writes it, and returns it where it is right.
    pub(super) fn text<'n>(
        &mut self,
        at: At<'_>,
        name: &str,
        node: Option<&'n Node<'_>>,
        rule: Text,
    ) -> Option<&'n str> {
        let text = self.checked_text(at.member(name), node, rule)?;
        self.name(name);
        self.put_text(text);
        Some(text)
    }

    /// Checks the text at `at`, and writes nothing.
    pub(super) fn checked_text<'n>(
        &mut self,
        at: At<'_>,
        node: Option<&'n Node<'_>>,
        rule: Text,
    ) -> Option<&'n str> {
        let text = match node {
            Some(Node::Text(text)) => text.as_ref(),
            Some(other) => {
                self.refuse_kind(at, "a string", other);
                return None;
            }
            None => {
                if rule.is_required {
                    self.missing(at);
                }
                return None;
            }
        };
        if text.is_empty() && !rule.may_be_empty {
            self.refuse(at, format_args!("must not be empty"));
            return None;
        }
        let max = rule.chars_max;
        // No text has more characters than bytes.
        let chars = if text.len() <= max {
            0
        } else {
            text.chars().count()
        };
        if chars > max {
            self.refuse(
                at,
                format_args!("must be at most {max} characters, found {chars}"),
            );
            return None;
        }
        Some(text)
    }

    /// Checks the instant member `name`, which must be there, and writes it in its canonical form.
    pub(super) fn instant(&mut self, at: At<'_>, name: &str, node: Option<&Node<'_>>) {
        let at = at.member(name);
        let canonical = match node {
            None => return self.missing(at),
            Some(Node::Text(text)) => instant::canonical(text),
            Some(_) => None,
        };
        match (canonical, node) {
            (Some(canonical), _) => {
                self.name(name);
                self.put_text(&canonical);
            }
            (None, Some(found)) => self.refuse(
                at,
                format_args!(
                    "must be an ISO 8601 instant such as 2024-04-16T09:31:32.000Z, found {}",
                    number::shown(found)
                ),
            ),
            (None, None) => {}
        }
    }
}
