//! Reading strings: escapes, surrogate pairs, and what a string may not hold.

use super::read::{Reader, Stop};
use std::borrow::Cow;

/// How many bytes stand before the first that a JSON string holds in another form: a double quote, a
/// backslash, a control character. Nothing where there is none.
///
/// Sixteen bytes at a time, as two words, since most strings end within them: where a string ends in one word or another, the
/// processor guesses wrong too often.
pub(super) fn plain_length(bytes: &[u8]) -> Option<usize> {
    let (pairs, rest) = bytes.as_chunks::<16>();
    for (index, pair) in pairs.iter().enumerate() {
        let pair = u128::from_le_bytes(*pair);
        let (first, second) = (others(pair as u64), others((pair >> 64) as u64));
        if first | second != 0 {
            let (before, found) = if first != 0 { (0, first) } else { (8, second) };
            return Some(index * 16 + before + found.trailing_zeros() as usize / 8);
        }
    }
    let is_other = |byte: &u8| *byte == b'"' || *byte == b'\\' || *byte < b' ';
    Some(pairs.len() * 16 + rest.iter().position(is_other)?)
}

/// The high bits of the bytes of a word that a JSON string holds in another form; only the first counts.
///
/// In a word of ASCII, to take a number from each byte sets the high bit of those that are less, and of the one after such a
/// byte perhaps too, because of the borrow. Bytes that are no ASCII are not looked for, and lend nothing.
fn others(word: u64) -> u64 {
    const fn each(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }
    let quotes = (word ^ each(b'"')).wrapping_sub(each(1));
    let backslashes = (word ^ each(b'\\')).wrapping_sub(each(1));
    let controls = word.wrapping_sub(each(b' '));
    (quotes | backslashes | controls) & !word & each(0x80)
}

impl<'a> Reader<'a> {
    /// Stands at an opening quote; leaves after the closing one. `what` is for messages.
    pub(super) fn string(&mut self, what: &str) -> Result<Cow<'a, str>, Stop> {
        self.position += 1;
        let rest = &self.text[self.position..];
        if let Some(end) = plain_length(rest.as_bytes())
            && rest.as_bytes()[end] == b'"'
        {
            self.position += end + 1;
            return Ok(Cow::Borrowed(&rest[..end]));
        }
        self.resolved(what)
    }

    /// Stands after the opening quote of a string that is not to be taken as it stands.
    fn resolved(&mut self, what: &str) -> Result<Cow<'a, str>, Stop> {
        let mut resolved = String::new();
        let mut start = self.position;
        loop {
            let rest = &self.text.as_bytes()[self.position..];
            let Some(end) = plain_length(rest) else {
                self.position = self.text.len();
                return self.stop(format!("{what} is not closed; a double quote is missing"));
            };
            self.position += end;
            let run = &self.text[start..self.position];
            match rest[end] {
                b'"' => {
                    self.position += 1;
                    resolved.push_str(run);
                    return Ok(Cow::Owned(resolved));
                }
                b'\\' => {
                    resolved.push_str(run);
                    resolved.push(self.escape()?);
                    start = self.position;
                }
                control => {
                    return self.stop(format!(
                        "{what} holds the control character U+{control:04X}; {}",
                        match control {
                            0 => "U+0000 is not accepted anywhere",
                            b'\n' => "write a line break as \\n, or close the string with a double quote",
                            b'\t' => "write a tab as \\t",
                            _ => "write it as an escape",
                        }
                    ));
                }
            }
        }
    }

    /// Stands at a backslash; leaves after the escape, of both halves when it is a surrogate pair.
    fn escape(&mut self) -> Result<char, Stop> {
        let start = self.position;
        let kind = self.text.as_bytes().get(start + 1).copied();
        self.position += 2;
        Ok(match kind {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(start),
            _ => {
                self.position = start + 1;
                return self.stop(format!(
                    "a backslash must be followed by one of \" \\ / b f n r t u, found {}",
                    self.found()
                ));
            }
        })
    }

    /// Stands after `\u`, whose backslash is at `start`.
    fn unicode_escape(&mut self, start: usize) -> Result<char, Stop> {
        let first = self.hex()?;
        let code = match first {
            0xD800..0xDC00 if self.text[self.position..].starts_with("\\u") => {
                self.position += 2;
                match self.hex()? {
                    second @ 0xDC00..0xE000 => 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00),
                    // Half a pair: stays a surrogate, which is no character.
                    _ => first,
                }
            }
            code => code,
        };
        let problem = match char::from_u32(code) {
            Some('\0') => "\\u0000 is not accepted anywhere".to_owned(),
            Some(character) => return Ok(character),
            None => {
                format!("\\u{first:04X} is half of a surrogate pair; its other half must stand beside it")
            }
        };
        Err(Stop {
            position: start,
            problem,
        })
    }

    /// Four hexadecimal digits.
    fn hex(&mut self) -> Result<u32, Stop> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else {
                return self.stop(format!(
                    "\\u needs four hexadecimal digits, found {}",
                    self.found()
                ));
            };
            code = code * 16 + digit;
            self.position += 1;
        }
        Ok(code)
    }
}
