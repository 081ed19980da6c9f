//! Requests so plain that no two servers could differ about where they end. They can be refused, or answered as one like them
//! was, before they are parsed.
//!
//! Most of what a small read costs is the parsing of its request and the writing of its answer. A refusal that comes
//! after the one and needs the other saves little, so where the server is asked for too much the guard refuses what it
//! can by itself. Whatever is not as plain as this takes the usual way and is refused there. So does what looks plain where
//! it is not known that a request begins there: it may be the rest of another (`Guard::is_in_step`).

/// A GET that came whole and alone: its head in one piece, no body, nothing after it, and its connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainGet<'a> {
    /// The path, as it was sent, without the query.
    pub path: &'a str,
    /// What the one header `Authorization` says.
    pub authorization: Option<&'a str>,
}

/// Headers that say something of the body or the connection: whoever sends one is left to hyper.
const NOT_PLAIN: [&str; 4] = ["content-length", "transfer-encoding", "expect", "upgrade"];

impl<'a> PlainGet<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        if !bytes.ends_with(b"\r\n\r\n") || !bytes.starts_with(b"GET ") {
            return None;
        }
        let text = std::str::from_utf8(bytes).ok()?;
        let (target, mut rest) = text.strip_prefix("GET ")?.split_once(" HTTP/1.1\r\n")?;
        // What stands behind a `#` would not be of the path, and belongs into no request.
        let is_of_target = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
        if !target.starts_with('/') || !target.bytes().all(is_of_target) {
            return None;
        }
        let mut authorization = None;
        loop {
            let (line, after) = rest.split_once("\r\n")?;
            if line.is_empty() {
                let path = target.split_once('?').map_or(target, |(path, _)| path);
                return after.is_empty().then_some(Self { path, authorization });
            }
            let (name, value) = line.split_once(':')?;
            let value = value.trim_matches([' ', '\t']);
            if name.is_empty() || !name.bytes().all(is_of_name) || value.bytes().any(is_control) {
                return None;
            }
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            let is_plain = match name {
                _ if is("authorization") => authorization.replace(value).is_none(),
                _ if is("connection") => value.eq_ignore_ascii_case("keep-alive"),
                _ => !NOT_PLAIN.into_iter().any(is),
            };
            if !is_plain {
                return None;
            }
            rest = after;
        }
    }
}

/// RFC 9110, `token`, without the signs that no header in use has.
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && byte != b'\t'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &str) -> Option<PlainGet<'_>> {
        PlainGet::read(head.as_bytes())
    }

    #[test]
    fn a_plain_get_tells_its_path_and_whose_it_is() {
        let head = "GET /a/b?c=d HTTP/1.1\r\nHost: x:1\r\nauthorization:  Bearer t \r\nConnection: Keep-Alive\r\n\r\n";
        let plain = PlainGet {
            path: "/a/b",
            authorization: Some("Bearer t"),
        };
        assert_eq!(read(head), Some(plain));
        let nobodys = read("GET / HTTP/1.1\r\nAccept: a,\tb\r\n\r\n").unwrap();
        assert_eq!((nobodys.path, nobodys.authorization), ("/", None));
    }

    #[test]
    fn whatever_could_be_read_in_two_ways_is_not_plain() {
        for head in [
            // Not whole, not alone, not a GET of a path.
            "GET / HTTP/1.1\r\nHost: x\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n\r",
            "GET / HTTP/1.1\r\nHost: x\r\n\r\nG",
            "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n",
            "get / HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.0\r\nHost: x\r\n\r\n",
            "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET * HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /\u{e4} HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
            // A body, or something else to say about the connection.
            "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\ncontent-length: 5\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, close\r\n\r\n",
            // Lines that are none, or two.
            "GET / HTTP/1.1\nHost: x\n\n",
            "GET / HTTP/1.1\r\nHost: x\nContent-Length: 5\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\rContent-Length: 5\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n Content-Length: 5\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n: 5\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost\r\n\r\n",
            "GET / HTTP/1.1\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n",
            "GET / HTTP/1.1",
            "",
        ] {
            assert_eq!(read(head), None, "{head:?}");
        }
        assert_eq!(PlainGet::read(b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n"), None);
    }
}
