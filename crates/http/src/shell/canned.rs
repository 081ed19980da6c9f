//! Answers the shell gives by itself, with the error body of the house, or that of connectors under their paths.
//!
//! Some are handed to hyper ([`refusal`]); those for which hyper has no place (a head that never ends, a
//! connection too many) are written as bytes ([`bytes`]).

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;

use crate::error::{ApiError, connector_error_body, error_body};
use crate::routes::Space;

/// An answer for hyper to write, to a request whose path is known.
pub(crate) fn refusal(space: Space, status: StatusCode, message: &str) -> Response<Full<Bytes>> {
    let body = match space {
        Space::Connector => connector_error_body(&ApiError::new(status, message)),
        Space::Vendor | Space::Own => error_body(status, message),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A whole answer as it goes over the wire; the connection closes after it.
///
/// `more` holds further header lines, each with its line end.
pub(crate) fn bytes(status: StatusCode, message: &str, more: &str) -> Vec<u8> {
    let more = format!("connection: close\r\n{more}");
    whole(status, &error_body(status, message), &more)
}

/// A whole answer as it goes over the wire, with this body of JSON; the connection goes on unless `more` says
/// otherwise.
pub(crate) fn whole(status: StatusCode, body: &[u8], more: &str) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {} {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{more}\r\n",
        status.as_str(),
        status.canonical_reason().unwrap_or("Error"),
        body.len(),
    );
    let mut answer = head.into_bytes();
    answer.extend_from_slice(body);
    answer
}

/// What hyper meant to say when it refused a head without asking the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Overheard {
    pub(crate) status: StatusCode,
    /// The `Date` line with its end, since hyper keeps the clock; empty when there was none.
    pub(crate) date: String,
}

/// Reads an error answer that hyper wrote on its own; `None` when it is anything else.
///
/// Hyper 1.12 writes `HTTP/1.1 400 Bad Request`, `connection: close`, `content-length: 0` and `date: ...`.
pub(crate) fn overhear(written: &[u8]) -> Option<Overheard> {
    let text = std::str::from_utf8(written).ok()?;
    let (first, fields) = text.split_once("\r\n")?;
    let code = first.strip_prefix("HTTP/1.")?.get(2..5)?;
    let status = StatusCode::from_bytes(code.as_bytes()).ok()?;
    if !status.is_client_error() && !status.is_server_error() {
        return None;
    }
    let date = fields
        .split_inclusive("\r\n")
        .find(|line| line.starts_with("date:"))
        .unwrap_or_default();
    Some(Overheard {
        status,
        date: date.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_one_complete_answer() {
        let answer = bytes(StatusCode::SERVICE_UNAVAILABLE, "full", "retry-after: 1\r\n");
        let text = String::from_utf8(answer).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
        assert!(head.ends_with("\r\nretry-after: 1"), "{head}");
        assert!(
            head.contains(&format!("content-length: {}\r\n", body.len())),
            "{head}"
        );
        assert!(body.contains(r#""statusCode":503"#), "{body}");
    }

    #[test]
    fn only_error_answers_are_overheard() {
        let refused =
            b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ndate: today\r\n\r\n";
        let heard = overhear(refused).unwrap();
        assert_eq!(heard.status.as_u16(), 431);
        assert_eq!(heard.date, "date: today\r\n");
        assert_eq!(overhear(b"HTTP/1.0 400 Bad Request\r\n\r\n").unwrap().date, "");
        assert_eq!(overhear(b"HTTP/1.1 100 Continue\r\n\r\n"), None);
        assert_eq!(overhear(b"HTTP/1.1 200 OK\r\n\r\n"), None);
        assert_eq!(overhear(b"\xff"), None);
    }
}
