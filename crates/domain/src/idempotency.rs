//! Idempotency keys: their form, and when two requests are the same.

use crate::digest::{hex, sha256};
use crate::task::TaskType;
use crate::{Excerpt, Rejection, limits};

/// The header's name.
pub const HEADER: &str = "Idempotency-Key";

/// Reads a key: 1 to 255 visible ASCII characters, bare or quoted; quotes are not part of it.
pub fn read_key(header: Option<&[u8]>) -> Result<String, Rejection> {
    let wrong = |problem: String| Rejection::invalid(HEADER, problem);
    let header = header.unwrap_or_default().trim_ascii();
    if header.is_empty() {
        let problem = "this header is required: a string of your own, such as a new UUID, the same when you \
                       repeat the request";
        return Err(wrong(problem.into()));
    }
    let key = match header {
        [b'"', key @ .., b'"'] => key,
        key => key,
    };
    if key.is_empty() || key.len() > limits::IDEMPOTENCY_KEY_CHARS_MAX {
        let max = limits::IDEMPOTENCY_KEY_CHARS_MAX;
        return Err(wrong(format!(
            "has {} characters; it must have 1 to {max}",
            key.len()
        )));
    }
    match std::str::from_utf8(key) {
        Ok(text) if key.iter().all(u8::is_ascii_graphic) => Ok(text.to_owned()),
        _ => {
            let shown = String::from_utf8_lossy(key).into_owned();
            Err(wrong(format!(
                "{:?} must be visible ASCII characters only",
                Excerpt(&shown)
            )))
        }
    }
}

/// The digest of a request, in hexadecimal: two bodies are the same when they are equal after
/// parsing, whatever the order of members and the white space; numbers are equal by their text.
///
/// `canonical` is the body as [`crate::json::Node::write_canonical`] writes it.
pub fn fingerprint(operation: TaskType, canonical: &str) -> String {
    hex(&sha256(&[
        operation.name().as_bytes(),
        b"\n",
        canonical.as_bytes(),
    ]))
}

/// The refusal of a key that came with another request before. The words are the vendor's.
pub fn reused(key: &str) -> Rejection {
    let problem = format!(
        "the key {:?} was used with another request body; it can only be retried with the same request data",
        Excerpt(key)
    );
    Rejection::invalid(HEADER, problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    #[test]
    fn keys() {
        assert_eq!(read_key(Some(b"a")), Ok("a".into()));
        assert_eq!(read_key(Some(b" \"a-b\" ")), Ok("a-b".into()));
        assert_eq!(read_key(Some(b"\"")), Ok("\"".into()));
        assert_eq!(read_key(Some(&[b'x'; 255])).map(|key| key.len()), Ok(255));
        for wrong in [
            &b""[..],
            b"  ",
            b"\"\"",
            b"a b",
            &[b'x'; 256],
            "ä".as_bytes(),
            b"a\tb",
        ] {
            assert!(read_key(Some(wrong)).is_err(), "{wrong:?}");
        }
        assert!(read_key(None).is_err());
    }

    #[test]
    fn fingerprints() {
        let of = |text: &str| {
            let mut canonical = String::new();
            parse(text.as_bytes()).unwrap().write_canonical(&mut canonical);
            fingerprint(TaskType::Organizations, &canonical)
        };
        assert_eq!(
            of(r#"{"a":1,"b":["x"]}"#),
            of(" { \"b\" : [ \"\\u0078\" ] , \"a\" : 1 } ")
        );
        assert_ne!(of(r#"{"a":1}"#), of(r#"{"a":1.0}"#));
        assert_ne!(of(r#"{"a":1.0}"#), of(r#"{"a":1.0000000000000000001}"#));
        assert_ne!(of(r#"{"a":["x","y"]}"#), of(r#"{"a":["y","x"]}"#));
        assert_ne!(
            fingerprint(TaskType::Organizations, "{}"),
            fingerprint(TaskType::OrganizationDetails, "{}")
        );
    }
}
