//! Requests that are like one that was answered on their connection, but for the number that their path ends with: most clients
//! that read one thing after the other send such. What was found out about the one is as true of the other, so who answered
//! the one may leave word how the other is answered, and the guard does so before it is parsed ([`Guard::repeat`]).
//!
//! [`Guard::repeat`]: super::guard::Guard

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::plain::PlainGet;
use super::pulse::HEAD_BYTES_KEPT;

/// The whole answer to a request, as it goes over the wire, once it is known whether it may be given; `None` where the request is to
/// take the usual way after all.
pub type LaterAnswer = Pin<Box<dyn Future<Output = Option<Vec<u8>>> + Send>>;

/// What becomes of a request that is like one that was answered before.
pub enum Repeated {
    /// The whole answer is written, as it goes over the wire.
    Now,
    /// Nothing is written yet. Dropped where it takes too long.
    Later(LaterAnswer),
    /// Nothing is written: the request is to take the usual way.
    Not,
}

/// Answers requests that are like one that was answered before.
pub trait Repeater: Send + Sync {
    /// Answers the request whose path ends with this number, which has decimal digits only, 19 at most.
    fn repeat(self: Arc<Self>, number: &str, answer: &mut Vec<u8>) -> Repeated;
}

/// Stands among the extensions of an answer of which the like may be given by this. Only for answers that nothing of the request
/// has a part in but what [`Repeater::repeat`] is given and bytes that are the same again.
#[derive(Clone)]
pub struct Repeatable(pub Arc<dyn Repeater>);

impl fmt::Debug for Repeatable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Repeatable")
    }
}

/// The most digits of a number.
const DIGITS_MAX: usize = 19;

/// The head of a plain request around the number that its path ends with.
#[derive(Debug)]
pub(crate) struct Model {
    before: Vec<u8>,
    after: Vec<u8>,
    repeatable: Repeatable,
}

impl Model {
    /// That of a head, if it is one of a plain request with such a path and no query. A long one, which a connection would hold on to,
    /// is none.
    pub(crate) fn of(head: &[u8], repeatable: Repeatable) -> Option<Self> {
        if head.len() > HEAD_BYTES_KEPT {
            return None;
        }
        let path = PlainGet::read(head)?.path;
        let end = "GET ".len() + path.len();
        let (before, after) = head.split_at_checked(end)?;
        let number = path.bytes().rev().take_while(u8::is_ascii_digit).count();
        let before = &before[..end - number];
        (before.ends_with(b"/") && is_number(&head[end - number..end]) && after.starts_with(b" ")).then(
            || Self {
                before: before.to_vec(),
                after: after.to_vec(),
                repeatable,
            },
        )
    }

    /// Answers these bytes, if they are such a request and it can be answered so.
    pub(crate) fn answer(&self, bytes: &[u8], answer: &mut Vec<u8>) -> Repeated {
        let number = bytes
            .strip_prefix(&*self.before)
            .and_then(|rest| rest.strip_suffix(&*self.after))
            .filter(|number| is_number(number))
            .and_then(|number| std::str::from_utf8(number).ok());
        let Some(number) = number else {
            return Repeated::Not;
        };
        let before = answer.len();
        let repeater = Arc::clone(&self.repeatable.0);
        // A panic costs nothing here: the request takes the usual way.
        let repeated = catch_unwind(AssertUnwindSafe(|| repeater.repeat(number, answer)));
        repeated.unwrap_or_else(|_| {
            answer.truncate(before);
            Repeated::Not
        })
    }
}

/// A request whose answer comes later.
pub(crate) struct Asked {
    pub(crate) request: Vec<u8>,
    /// Whether it was looked at before, and let in.
    pub(crate) is_let_in: bool,
    pub(crate) answer: LaterAnswer,
}

impl Asked {
    /// Likewise, a panic is as good as `None`.
    pub(crate) fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<Option<Vec<u8>>> {
        let answer = self.answer.as_mut();
        catch_unwind(AssertUnwindSafe(|| answer.poll(context))).unwrap_or(Poll::Ready(None))
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked")
            .field("is_let_in", &self.is_let_in)
            .finish_non_exhaustive()
    }
}

fn is_number(text: &[u8]) -> bool {
    (1..=DIGITS_MAX).contains(&text.len()) && text.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives the number back, if it is not 13, and chokes on 666.
    struct Parrot;

    impl Repeater for Parrot {
        fn repeat(self: Arc<Self>, number: &str, answer: &mut Vec<u8>) -> Repeated {
            if number == "666" {
                answer.push(b'6');
                panic!("666");
            }
            if number == "13" {
                return Repeated::Not;
            }
            answer.extend_from_slice(number.as_bytes());
            Repeated::Now
        }
    }

    fn model(head: &str) -> Option<Model> {
        Model::of(head.as_bytes(), Repeatable(Arc::new(Parrot)))
    }

    fn said(model: &Model, bytes: &str) -> Option<String> {
        let mut answer = Vec::new();
        let is_said = matches!(model.answer(bytes.as_bytes(), &mut answer), Repeated::Now);
        assert_eq!(is_said, !answer.is_empty());
        is_said.then(|| String::from_utf8(answer).unwrap())
    }

    #[test]
    fn what_differs_in_the_number_alone_is_answered() {
        let model = model("GET /a/2/b/70 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        for (number, is_said) in [
            ("70", true),
            ("1", true),
            ("007", true),
            ("9223372036854775807", true),
            ("13", false),
            ("666", false),
            ("92233720368547758070", false),
            ("", false),
            ("7a", false),
            ("-7", false),
            ("7?a=b", false),
            ("7/8", false),
            ("7 HTTP/1.1\r\nHost: x\r\n\r\nGET /a/2/b/8", false),
        ] {
            let found = said(
                &model,
                &format!("GET /a/2/b/{number} HTTP/1.1\r\nHost: x\r\n\r\n"),
            );
            assert_eq!(found, is_said.then(|| number.to_owned()), "{number:?}");
        }
        for other in [
            "GET /a/3/b/70 HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /a/2/c/70 HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /a/2/b/70 HTTP/1.1\r\nHost: y\r\n\r\n",
            "GET /a/2/b/70 HTTP/1.1\r\nHost: x\r\n",
            "GET /a/2/b/70 HTTP/1.1\r\nHost: x\r\n\r\nG",
            "GET /a/2/b/70 HTTP/1.1\r\nHost: x\r\nAccept: *\r\n\r\n",
            "HEAD /a/2/b/70 HTTP/1.1\r\nHost: x\r\n\r\n",
            // Shorter than what stands around the number together.
            "GET /a/2/b/ HTTP/1.1\r\n",
            "",
        ] {
            assert_eq!(said(&model, other), None, "{other:?}");
        }
    }

    #[test]
    fn there_is_no_model_of_what_is_not_plain_or_ends_otherwise() {
        assert!(model("GET /7 HTTP/1.1\r\nHost: x\r\n\r\n").is_some());
        for head in [
            "GET /a/b HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /a/b7 HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /a/7/ HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /a/7?b=c HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /a/b?c=/7 HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /a/7? HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /a/5#/7 HTTP/1.1\r\nHost: x\r\n\r\n",
            &format!("GET /a/7 HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(4_096)),
            "GET /a/12345678901234567890 HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /a/7 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            "GET /a/7 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
            "POST /a/7 HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /a/7 HTTP/1.1\r\nHost: x\r\n",
        ] {
            assert!(model(head).is_none(), "{head:?}");
        }
    }
}
