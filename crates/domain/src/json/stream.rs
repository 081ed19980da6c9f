//! Reading a document without a tree: for who knows what it expects, and makes that of the texts as they come. What is not as
//! expected ends the reading, without a word: [`super::parse`] has the words, and what it reads is the measure. Whatever is
//! read here, it reads too, and the same, of callers who take no name twice and go no deeper than `JSON_DEPTH_MAX`, as types do
//! that do not hold themselves.

use std::borrow::Cow;

use super::read::Reader;

/// A document that is read from its beginning to its end. Each step is `None` where something else stands there, which ends
/// the reading: a part of it may have been stepped over.
pub struct Stream<'a>(Reader<'a>);

impl<'a> Stream<'a> {
    /// What `take` makes of a whole document.
    ///
    /// ```
    /// use guildhall_domain::json::Stream;
    /// let sum = |bytes| {
    ///     Stream::document(bytes, |stream| {
    ///         let mut sum = 0;
    ///         stream.array(|stream| {
    ///             sum += stream.number()?.parse::<i64>().ok()?;
    ///             Some(())
    ///         })?;
    ///         Some(sum)
    ///     })
    /// };
    /// assert_eq!(sum(b"[1, 20]"), Some(21));
    /// assert_eq!(sum(b"[1, \"20\"]"), None);
    /// ```
    pub fn document<T>(bytes: &'a [u8], take: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let mut stream = Self(Reader::new(simdutf8::basic::from_utf8(bytes).ok()?));
        stream.0.space();
        let taken = take(&mut stream)?;
        stream.0.space();
        stream.0.peek().is_none().then_some(taken)
    }

    /// An object; `member` takes the value of each member. Whether a name is known, and comes only once, is for it to say.
    /// `names` are those that are expected, with nothing in them to escape, and are looked for first in this order.
    pub fn object(
        &mut self,
        names: &[&str],
        mut member: impl FnMut(&mut Self, &str) -> Option<()>,
    ) -> Option<()> {
        let mut expected = names.iter();
        self.list((b'{', b'}'), |stream| match expected.next() {
            Some(name) if stream.is_next(name) => {
                stream.0.position += name.len() + 2;
                stream.colon()?;
                member(stream, name)
            }
            _ => {
                let name = stream.text()?;
                stream.colon()?;
                member(stream, &name)
            }
        })
    }

    /// Whether this string stands here, with nothing to resolve.
    fn is_next(&self, text: &str) -> bool {
        let rest = &self.0.text.as_bytes()[self.0.position..];
        let rest = rest
            .strip_prefix(b"\"")
            .and_then(|rest| rest.strip_prefix(text.as_bytes()));
        rest.is_some_and(|rest| rest.first() == Some(&b'"'))
    }

    fn colon(&mut self) -> Option<()> {
        self.0.space();
        self.step(b':')?;
        self.0.space();
        Some(())
    }

    /// An array; `item` takes each of its items.
    pub fn array(&mut self, item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.list((b'[', b']'), item)
    }

    /// What stands between two brackets, with commas between.
    fn list(&mut self, (open, close): (u8, u8), mut each: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.step(open)?;
        self.0.space();
        if self.0.skip(close) {
            return Some(());
        }
        loop {
            each(self)?;
            self.0.space();
            if self.0.skip(close) {
                return Some(());
            }
            self.step(b',')?;
            self.0.space();
        }
    }

    /// A string, with its escapes resolved.
    pub fn text(&mut self) -> Option<Cow<'a, str>> {
        match self.0.peek() {
            Some(b'"') => self.0.string("a string").ok(),
            _ => None,
        }
    }

    /// A number by its text.
    pub fn number(&mut self) -> Option<&'a str> {
        match self.0.peek() {
            Some(b'-' | b'0'..=b'9') => self.0.number().ok(),
            _ => None,
        }
    }

    /// A string or a number.
    pub fn text_or_number(&mut self) -> Option<Cow<'a, str>> {
        match self.0.peek() {
            Some(b'"') => self.text(),
            _ => self.number().map(Cow::Borrowed),
        }
    }

    /// Steps over `null`, if it stands here, and tells whether it did.
    pub fn null(&mut self) -> bool {
        let word = self.0.text.as_bytes()[self.0.position..].starts_with(b"null");
        // What follows the word is looked at by who goes on.
        self.0.position += if word { 4 } else { 0 };
        word
    }

    /// Steps over `byte`. Only for ASCII.
    fn step(&mut self, byte: u8) -> Option<()> {
        self.0.skip(byte).then_some(())
    }
}
