//! Reading strings: escapes, surrogate pairs, and what a string may not hold.

use super::read::{Reader, Stop};
use std::borrow::Cow;

impl<'a> Reader<'a> {
    /// Stands at an opening quote; leaves after the closing one. `what` is for messages.
    pub(super) fn string(&mut self, what: &str) -> Result<Cow<'a, str>, Stop> {
        self.position += 1;
        let mut resolved = String::new();
        let mut start = self.position;
        loop {
            let rest = &self.text.as_bytes()[self.position..];
            let Some(end) = rest
                .iter()
                .position(|byte| *byte == b'"' || *byte == b'\\' || *byte < b' ')
            else {
                self.position = self.text.len();
                return self.stop(format!("{what} is not closed; a double quote is missing"));
            };
            self.position += end;
            let run = &self.text[start..self.position];
            match rest[end] {
                b'"' => {
                    self.position += 1;
                    if resolved.is_empty() {
                        return Ok(Cow::Borrowed(run));
                    }
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
