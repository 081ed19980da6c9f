//! What a head must satisfy before anybody is asked for an answer.
//!
//! Hyper refuses what it cannot parse. These are the heads that parse and that two servers could still read
//! differently, which is how requests are smuggled past a proxy.

use http::header::{HOST, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Request, Version};

use super::pulse::Pulse;

/// Says what is wrong with a head, if anything.
pub(crate) fn screen<B>(request: &Request<B>, pulse: &Pulse) -> Result<(), &'static str> {
    if request.method() == Method::CONNECT {
        return Err("the method CONNECT asks for a tunnel: this server is not a proxy");
    }
    check_host(request)?;
    check_transfer_encoding(request, pulse)
}

fn check_host<B>(request: &Request<B>) -> Result<(), &'static str> {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => Err("the header Host stands more than once: exactly one is needed"),
        (Some(host), None) if !is_host(host) => Err("the header Host is no host name with optional port"),
        (None, _) if request.version() == Version::HTTP_11 => Err("the header Host is missing"),
        _ => Ok(()),
    }
}

/// The characters of `uri-host [":" port]`: enough to keep what could pass for a second header or a path out.
fn is_host(host: &HeaderValue) -> bool {
    host.as_bytes()
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(byte))
}

fn check_transfer_encoding<B>(request: &Request<B>, pulse: &Pulse) -> Result<(), &'static str> {
    let mut codings = request.headers().get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else {
        return Ok(());
    };
    if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Err("the header Transfer-Encoding must be `chunked`, once");
    }
    if pulse.head_names_content_length() {
        return Err("the headers Content-Length and Transfer-Encoding exclude each other");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screened(version: Version, headers: &[(&'static str, &'static str)]) -> Result<(), &'static str> {
        let mut request = Request::new(());
        *request.version_mut() = version;
        for (name, value) in headers {
            request
                .headers_mut()
                .append(*name, HeaderValue::from_static(value));
        }
        screen(&request, &Pulse::default())
    }

    #[test]
    fn exactly_one_host_is_needed() {
        assert!(screened(Version::HTTP_11, &[("host", "a")]).is_ok());
        assert!(screened(Version::HTTP_11, &[("host", "")]).is_ok());
        assert!(screened(Version::HTTP_11, &[("host", "[::1]:8080")]).is_ok());
        assert!(screened(Version::HTTP_10, &[]).is_ok());
        assert!(screened(Version::HTTP_11, &[]).is_err());
        assert!(screened(Version::HTTP_11, &[("host", "a"), ("host", "a")]).is_err());
        assert!(screened(Version::HTTP_10, &[("host", "a"), ("host", "b")]).is_err());
        assert!(screened(Version::HTTP_11, &[("host", "a b")]).is_err());
        assert!(screened(Version::HTTP_11, &[("host", "a/b")]).is_err());
    }

    #[test]
    fn chunked_is_the_only_coding_and_stands_alone() {
        let host = ("host", "a");
        assert!(screened(Version::HTTP_11, &[host, ("transfer-encoding", "Chunked")]).is_ok());
        assert!(screened(Version::HTTP_11, &[host, ("transfer-encoding", "gzip, chunked")]).is_err());
        let twice = [
            host,
            ("transfer-encoding", "chunked"),
            ("transfer-encoding", "chunked"),
        ];
        assert!(screened(Version::HTTP_11, &twice).is_err());
    }

    #[test]
    fn a_tunnel_is_refused() {
        let mut request = Request::new(());
        *request.method_mut() = Method::CONNECT;
        assert!(screen(&request, &Pulse::default()).is_err());
    }
}
