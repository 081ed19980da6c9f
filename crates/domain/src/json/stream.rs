//! Reading a document without a tree: for who knows what it expects, and makes that of the texts as they come. What is not as
//! expected ends the reading, without a word: [`super::parse`] has the words, and what it reads is the measure. Whatever is
//! read here, it reads too, and the same, of callers who take no name twice and go no deeper than `JSON_DEPTH_MAX`, as types do
//! that do not hold themselves.

use std::borrow::Cow;

use super::read::Reader;
use super::write_text;

/// Where what was read is written again as [`super::Node::write_canonical`] writes it: into a text, or nowhere. By its type, so
/// that who does not want it does not ask at each step.
pub trait Canonical {
    /// Whether it is written at all.
    const IS_WRITTEN: bool;

    /// The text, if there is one.
    fn text(&mut self) -> Option<&mut String>;
}

impl Canonical for () {
    const IS_WRITTEN: bool = false;

    fn text(&mut self) -> Option<&mut String> {
        None
    }
}

impl Canonical for String {
    const IS_WRITTEN: bool = true;

    fn text(&mut self) -> Option<&mut String> {
        Some(self)
    }
}

/// A document that is read from its beginning to its end. Each step is `None` where something else stands there, which ends
/// the reading: a part of it may have been stepped over.
pub struct Stream<'a, C = ()> {
    reader: Reader<'a>,
    /// What was read so far.
    canonical: C,
}

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
        Self::whole(bytes, (), take).map(|(taken, ())| taken)
    }
}

impl<'a> Stream<'a, String> {
    /// The same, and the document as [`super::Node::write_canonical`] writes it.
    ///
    /// ```
    /// use guildhall_domain::json::Stream;
    /// let document = b"{\"b\": [1.0], \"a\": 2}";
    /// let numbers = Stream::canonical_document(document, |stream| {
    ///     let mut numbers = 0;
    ///     stream.object(&["a", "b"], |stream, name| {
    ///         numbers += 1;
    ///         match name {
    ///             "b" => stream.array(|stream| stream.number().map(drop)),
    ///             _ => stream.number().map(drop),
    ///         }
    ///     })?;
    ///     Some(numbers)
    /// });
    /// assert_eq!(numbers, Some((2, "{\"a\":2,\"b\":[1.0]}".to_owned())));
    /// ```
    pub fn canonical_document<T>(
        bytes: &'a [u8],
        take: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<(T, String)> {
        Self::whole(bytes, String::with_capacity(bytes.len()), take)
    }
}

impl<'a, C: Canonical> Stream<'a, C> {
    fn whole<T>(bytes: &'a [u8], canonical: C, take: impl FnOnce(&mut Self) -> Option<T>) -> Option<(T, C)> {
        let mut stream = Self {
            reader: Reader::new(simdutf8::basic::from_utf8(bytes).ok()?),
            canonical,
        };
        stream.reader.space();
        let taken = take(&mut stream)?;
        stream.reader.space();
        let is_whole = stream.reader.peek().is_none();
        is_whole.then_some((taken, stream.canonical))
    }

    /// An object; `member` takes the value of each member. Whether a name is known, and comes only once, is for it to say.
    /// `names` are those that are expected, with nothing in them to escape, and are looked for first in this order.
    pub fn object(
        &mut self,
        names: &[&str],
        mut member: impl FnMut(&mut Self, &str) -> Option<()>,
    ) -> Option<()> {
        let mut expected = names.iter();
        let (begins, mut written) = (self.written(), Vec::new());
        self.list((b'{', b'}'), |stream| {
            let begins = stream.written();
            let name = match expected.next() {
                Some(name) if stream.is_next(name) => {
                    stream.reader.position += name.len() + 2;
                    if let Some(canonical) = stream.canonical.text() {
                        write_text(name, canonical);
                    }
                    Cow::Borrowed(*name)
                }
                _ => stream.text()?,
            };
            stream.colon()?;
            member(stream, &name)?;
            if C::IS_WRITTEN {
                written.push((name, begins..stream.written()));
            }
            Some(())
        })?;
        if let Some(canonical) = self.canonical.text()
            && !written.is_sorted_by(|(one, _), (next, _)| one <= next)
        {
            // The order of UTF-8 bytes is the order of code points. Names differ, or they are not taken.
            written.sort_by(|(one, _), (other, _)| one.cmp(other));
            let mut sorted = String::with_capacity(canonical.len() - begins);
            for (index, (_, member)) in written.into_iter().enumerate() {
                sorted.push(if index == 0 { '{' } else { ',' });
                sorted.push_str(&canonical[member]);
            }
            sorted.push('}');
            canonical.replace_range(begins.., &sorted);
        }
        Some(())
    }

    /// How much is written of the canonical text.
    fn written(&mut self) -> usize {
        self.canonical.text().map_or(0, |canonical| canonical.len())
    }

    fn write(&mut self, text: &str) {
        if let Some(canonical) = self.canonical.text() {
            canonical.push_str(text);
        }
    }

    /// Whether this string stands here, with nothing to resolve.
    fn is_next(&self, text: &str) -> bool {
        let rest = &self.reader.text.as_bytes()[self.reader.position..];
        let rest = rest
            .strip_prefix(b"\"")
            .and_then(|rest| rest.strip_prefix(text.as_bytes()));
        rest.is_some_and(|rest| rest.first() == Some(&b'"'))
    }

    fn colon(&mut self) -> Option<()> {
        self.reader.space();
        self.step(b':')?;
        self.write(":");
        self.reader.space();
        Some(())
    }

    /// An array; `item` takes each of its items.
    pub fn array(&mut self, item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.list((b'[', b']'), item)
    }

    /// What stands between two brackets, with commas between.
    fn list(&mut self, (open, close): (u8, u8), mut each: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        let (begin, end) = match open {
            b'{' => ("{", "}"),
            _ => ("[", "]"),
        };
        self.step(open)?;
        self.write(begin);
        self.reader.space();
        if self.reader.skip(close) {
            self.write(end);
            return Some(());
        }
        loop {
            each(self)?;
            self.reader.space();
            if self.reader.skip(close) {
                self.write(end);
                return Some(());
            }
            self.step(b',')?;
            self.write(",");
            self.reader.space();
        }
    }

    /// A string, with its escapes resolved.
    pub fn text(&mut self) -> Option<Cow<'a, str>> {
        let text = match self.reader.peek() {
            Some(b'"') => self.reader.string("a string").ok()?,
            _ => return None,
        };
        if let Some(canonical) = self.canonical.text() {
            match &text {
                // It stood there so, with nothing in it to escape.
                Cow::Borrowed(text) => canonical.extend(["\"", text, "\""]),
                Cow::Owned(text) => write_text(text, canonical),
            }
        }
        Some(text)
    }

    /// A number by its text.
    pub fn number(&mut self) -> Option<&'a str> {
        let number = match self.reader.peek() {
            Some(b'-' | b'0'..=b'9') => self.reader.number().ok()?,
            _ => return None,
        };
        self.write(number);
        Some(number)
    }

    /// A string or a number.
    pub fn text_or_number(&mut self) -> Option<Cow<'a, str>> {
        match self.reader.peek() {
            Some(b'"') => self.text(),
            _ => self.number().map(Cow::Borrowed),
        }
    }

    /// Steps over `null`, if it stands here, and tells whether it did.
    pub fn null(&mut self) -> bool {
        let word = self.reader.text.as_bytes()[self.reader.position..].starts_with(b"null");
        if word {
            // What follows the word is looked at by who goes on.
            self.reader.position += 4;
            self.write("null");
        }
        word
    }

    /// Steps over `byte`. Only for ASCII.
    fn step(&mut self, byte: u8) -> Option<()> {
        self.reader.skip(byte).then_some(())
    }
}
