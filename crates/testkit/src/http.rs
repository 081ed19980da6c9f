//! A small blocking HTTP/1.1 client for tests. It is strict where a product's client would be
//! lenient: it never repeats a request, and framing that does not add up is an error.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long a read or a write may stand still.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long [`raw`] waits for more once something came.
const QUIET: Duration = Duration::from_secs(1);
/// How long the body may still be on its way when the answer is there already.
const WRITER_GRACE: Duration = Duration::from_millis(100);
/// Above this, a body is written while the answer is awaited: the server may refuse it half-way.
const LONG_BODY_BYTES: usize = 64 * 1024;

/// A request under construction.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    chunked: bool,
}

impl Request {
    /// A request without headers and body. The path goes out as it stands, with its query.
    pub fn new(method: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            path: path.into(),
            headers: Vec::new(),
            body: None,
            chunked: false,
        }
    }

    /// A GET.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    /// A POST.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new("POST", path)
    }

    /// A PUT.
    pub fn put(path: impl Into<String>) -> Self {
        Self::new("PUT", path)
    }

    /// A DELETE.
    pub fn delete(path: impl Into<String>) -> Self {
        Self::new("DELETE", path)
    }

    /// Adds a header; a name given twice goes out twice. `Host` and `Content-Length` are added by
    /// themselves unless given. With `Expect: 100-continue` the body waits for the server's word.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// `Authorization: Bearer TOKEN`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    /// A JSON body, with its content type unless one was given before.
    #[must_use]
    pub fn json(mut self, value: &Value) -> Self {
        if find(&self.headers, "content-type").is_none() {
            self = self.header("Content-Type", "application/json");
        }
        self.body(value.to_string())
    }

    /// A body of bytes.
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = Some(bytes.into());
        self
    }

    /// Sends the body in chunks, without saying its length before.
    #[must_use]
    pub fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    fn head(&self, addr: SocketAddr) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        let mut line = |name: &str, value: &str| head.push_str(&format!("{name}: {value}\r\n"));
        if find(&self.headers, "host").is_none() {
            line("Host", &addr.to_string());
        }
        for (name, value) in &self.headers {
            line(name, value);
        }
        let length = self.body.as_ref().map_or(0, Vec::len);
        let has_body = self.body.is_some() || ["POST", "PUT", "PATCH"].contains(&self.method.as_str());
        if self.chunked {
            line("Transfer-Encoding", "chunked");
        } else if has_body && find(&self.headers, "content-length").is_none() {
            line("Content-Length", &length.to_string());
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// The body as it goes over the wire.
    fn wire_body(&self) -> Vec<u8> {
        let body = self.body.as_deref().unwrap_or_default();
        if !self.chunked {
            return body.to_vec();
        }
        let mut wire = Vec::with_capacity(body.len() + 64);
        for chunk in body.chunks(8 * 1024) {
            wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b"0\r\n\r\n");
        wire
    }
}

/// An answer, read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers in their order, names as they were written.
    pub headers: Vec<(String, String)>,
    /// The body without its framing.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of that name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The body as JSON. Panics with the whole answer when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!(
                "the body of this {} answer is no JSON ({error})\nheaders: {:?}\nbody: {}",
                self.status,
                self.headers,
                self.text()
            )
        })
    }

    /// The body as text; what is no UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A client with one connection, kept alive between requests and opened again when either side closed it.
/// Threads that share a client take turns; for requests side by side, make a client each.
#[derive(Debug)]
pub struct Client {
    addr: SocketAddr,
    connection: Mutex<Option<BufReader<TcpStream>>>,
}

impl Client {
    /// A client for the server at `addr`. Connects with the first request.
    pub fn new(addr: SocketAddr) -> Self {
        Self {
            addr,
            connection: Mutex::new(None),
        }
    }

    /// Sends the request once and reads its answer. An error closes the connection.
    pub fn send(&self, request: &Request) -> io::Result<Response> {
        let mut slot = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let mut connection = match slot.take() {
            Some(kept) if is_idle(&kept)? => kept,
            _ => connect(self.addr)?,
        };
        let (response, keep) = exchange(&mut connection, request, self.addr)?;
        if keep {
            *slot = Some(connection);
        }
        Ok(response)
    }
}

/// Sends `bytes` over a connection of its own, and returns all that comes back: until the server closes,
/// or is quiet for a second after its first byte. Nothing in 30 s is an empty answer.
pub fn raw(addr: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let connection = connect(addr).unwrap_or_else(|error| panic!("cannot connect to {addr}: {error}"));
    let mut stream = connection.into_inner();
    // The server may refuse before it has read everything; what it said still counts.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return answer,
            Ok(n) => answer.extend_from_slice(&buffer[..n]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return answer,
        }
        let _ = stream.set_read_timeout(Some(QUIET));
    }
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

fn broken(why: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why.into())
}

fn connect(addr: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect_timeout(&addr, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

/// Whether a kept connection can take a request. A closed one cannot; one on which the server said
/// something that nobody asked for is an error.
fn is_idle(connection: &BufReader<TcpStream>) -> io::Result<bool> {
    let stream = connection.get_ref();
    stream.set_nonblocking(true)?;
    let waiting = stream.peek(&mut [0]);
    stream.set_nonblocking(false)?;
    match waiting {
        _ if !connection.buffer().is_empty() => Err(broken("the server sent more than its last answer")),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
        Ok(0) | Err(_) => Ok(false),
        Ok(_) => Err(broken("the server sent more than its last answer")),
    }
}

/// One request and its answer; and whether the connection can be used again.
fn exchange(
    connection: &mut BufReader<TcpStream>,
    request: &Request,
    addr: SocketAddr,
) -> io::Result<(Response, bool)> {
    let stream = connection.get_ref().try_clone()?;
    let head = request.head(addr);
    let body = request.wire_body();
    let waits = find(&request.headers, "expect").is_some_and(|v| v.eq_ignore_ascii_case("100-continue"));
    if !waits && body.len() <= LONG_BODY_BYTES {
        let written = (&stream).write_all(&[head, body].concat());
        return finish(connection, request, written);
    }
    (&stream).write_all(&head)?;
    if waits {
        let answer = read_head(connection)?;
        if answer.status != 100 {
            // Refused: the body stays here, and so the connection is of no more use.
            let (response, _) = read_body(connection, answer, &request.method)?;
            return Ok((response, false));
        }
    }
    thread::scope(|scope| {
        let writer = scope.spawn(|| (&stream).write_all(&body));
        let answer = read_response(connection, &request.method);
        if answer.is_ok() {
            // Answered before the body was wholly sent? Give the writer the moment that it may need to end.
            let start = Instant::now();
            while !writer.is_finished() && start.elapsed() < WRITER_GRACE {
                thread::sleep(Duration::from_millis(1));
            }
            if !writer.is_finished() {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
        let written = writer
            .join()
            .unwrap_or_else(|_| Err(broken("the writer panicked")));
        match (answer, written) {
            (Ok((response, keep)), written) => Ok((response, keep && written.is_ok() && is_open(&stream))),
            (Err(_), Err(error)) | (Err(error), Ok(())) => Err(error),
        }
    })
}

fn is_open(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).is_ok()
        && matches!(stream.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
        && stream.set_nonblocking(false).is_ok()
}

/// Reads the answer even when writing failed: the server may have said why it stopped reading.
fn finish(
    connection: &mut BufReader<TcpStream>,
    request: &Request,
    written: io::Result<()>,
) -> io::Result<(Response, bool)> {
    match (read_response(connection, &request.method), written) {
        (Ok((response, keep)), written) => Ok((response, keep && written.is_ok())),
        (Err(_), Err(error)) | (Err(error), Ok(())) => Err(error),
    }
}

fn read_response(from: &mut impl BufRead, method: &str) -> io::Result<(Response, bool)> {
    loop {
        let head = read_head(from)?;
        if head.status >= 200 || head.status == 101 {
            return read_body(from, head, method);
        }
    }
}

struct Head {
    old: bool,
    status: u16,
    headers: Vec<(String, String)>,
}

fn read_head(from: &mut impl BufRead) -> io::Result<Head> {
    let line = read_line(from)?;
    let (version, rest) = line.split_once(' ').unwrap_or((&line, ""));
    let status = rest
        .get(..3)
        .and_then(|code| code.parse().ok())
        .filter(|code| (100..1000).contains(code));
    let (Some(status), true) = (status, ["HTTP/1.1", "HTTP/1.0"].contains(&version)) else {
        return Err(broken(format!("{line:?} is no status line")));
    };
    let mut headers = Vec::new();
    loop {
        let line = read_line(from)?;
        if line.is_empty() {
            return Ok(Head {
                old: version == "HTTP/1.0",
                status,
                headers,
            });
        }
        match line.split_once(':') {
            Some((name, value)) if !name.is_empty() && !name.contains([' ', '\t']) => {
                headers.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
            }
            _ => return Err(broken(format!("{line:?} is no header"))),
        }
    }
}

fn read_body(from: &mut impl BufRead, head: Head, method: &str) -> io::Result<(Response, bool)> {
    let Head { old, status, headers } = head;
    let all = |name: &str| {
        let values: Vec<_> = headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v)
            .collect();
        values
    };
    let (lengths, codings) = (all("content-length"), all("transfer-encoding"));
    if lengths.len() + codings.len() > 1 {
        return Err(broken(format!("the length is said more than once: {headers:?}")));
    }
    let closes = all("connection")
        .iter()
        .any(|v| v.to_ascii_lowercase().contains("close"));
    let mut keep = !closes && !old && status != 101;
    let body = if method == "HEAD" || [101, 204, 304].contains(&status) {
        if status == 204 && lengths.len() + codings.len() > 0 {
            return Err(broken(format!("a 204 must not say a length: {headers:?}")));
        }
        Vec::new()
    } else if let [coding] = codings.as_slice() {
        if !coding.eq_ignore_ascii_case("chunked") {
            return Err(broken(format!("unknown transfer coding {coding:?}")));
        }
        read_chunks(from)?
    } else if let [length] = lengths.as_slice() {
        let plain = !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit());
        let length = length.parse().ok().filter(|_| plain);
        read_exactly(
            from,
            length.ok_or_else(|| broken(format!("bad length: {headers:?}")))?,
        )?
    } else {
        keep = false;
        let mut body = Vec::new();
        from.read_to_end(&mut body)?;
        body
    };
    Ok((
        Response {
            status,
            headers,
            body,
        },
        keep,
    ))
}

fn read_chunks(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(from)?;
        let digits = line.split(';').next().unwrap_or_default().trim_end();
        let size = usize::from_str_radix(digits, 16)
            .ok()
            .filter(|_| !digits.starts_with('+'));
        let size = size.ok_or_else(|| broken(format!("{line:?} is no chunk size")))?;
        if size == 0 {
            break;
        }
        body.extend_from_slice(&read_exactly(from, size)?);
        if !read_line(from)?.is_empty() {
            return Err(broken("a chunk is longer than it said"));
        }
    }
    while !read_line(from)?.is_empty() {} // trailers
    Ok(body)
}

fn read_exactly(from: &mut impl BufRead, length: usize) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    from.by_ref().take(length as u64).read_to_end(&mut body)?;
    if body.len() < length {
        let why = format!("the body ended after {} of {length} bytes", body.len());
        return Err(io::Error::new(ErrorKind::UnexpectedEof, why));
    }
    Ok(body)
}

fn read_line(from: &mut impl BufRead) -> io::Result<String> {
    const LINE_BYTES_MAX: u64 = 1024 * 1024;
    let mut line = Vec::new();
    from.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    match line.strip_suffix(b"\r\n") {
        Some(line) => Ok(String::from_utf8_lossy(line).into_owned()),
        None if line.is_empty() => Err(io::Error::new(
            ErrorKind::UnexpectedEof,
            "the server closed instead of answering",
        )),
        None => Err(broken(format!(
            "{:?} has no line end",
            String::from_utf8_lossy(&line)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A server that reads until each given ending and answers as given, on one connection.
    fn scripted(script: &'static [(&'static str, &'static str)]) -> (SocketAddr, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut all = Vec::new();
            for (ending, answer) in script {
                let mut seen = Vec::new();
                while !seen.ends_with(ending.as_bytes()) {
                    let mut byte = [0];
                    assert_eq!(
                        stream.read(&mut byte).unwrap(),
                        1,
                        "{}",
                        String::from_utf8_lossy(&seen)
                    );
                    seen.push(byte[0]);
                }
                stream.write_all(answer.as_bytes()).unwrap();
                all.extend(seen);
            }
            String::from_utf8(all).unwrap()
        });
        (addr, server)
    }

    #[test]
    fn one_connection_serves_every_framing() {
        let (addr, server) = scripted(&[
            (
                "\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 8\r\nX-A:  b \r\n\r\n{\"a\": 1}",
            ),
            (
                "[1]",
                "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nT: x\r\n\r\n",
            ),
            ("\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"),
            ("\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
            ("5\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"),
            (
                "hello",
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            ),
        ]);
        let client = Client::new(addr);
        let got = client.send(&Request::get("/a?b=c").bearer("t")).unwrap();
        assert_eq!(
            (got.status, got.header("x-a"), got.json()),
            (200, Some("b"), serde_json::json!({"a": 1}))
        );
        let got = client
            .send(&Request::post("/").json(&serde_json::json!([1])))
            .unwrap();
        assert_eq!((got.status, got.text()), (201, "abcd".to_owned()));
        assert_eq!(client.send(&Request::delete("/")).unwrap().status, 204);
        assert_eq!(client.send(&Request::new("HEAD", "/")).unwrap().body, b"");
        let expecting = Request::put("/").header("Expect", "100-continue").body("hello");
        assert_eq!(client.send(&expecting).unwrap().status, 200);
        let seen = server.join().unwrap();
        assert!(seen.starts_with(&format!(
            "GET /a?b=c HTTP/1.1\r\nHost: {addr}\r\nAuthorization: Bearer t\r\n\r\n\
             POST / HTTP/1.1\r\nHost: {addr}\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n[1]"
        )));
    }

    #[test]
    fn a_long_body_may_be_refused_half_way() {
        let (addr, server) = scripted(&[(
            "\r\n\r\n",
            "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno",
        )]);
        let got = Client::new(addr).send(&Request::post("/").body(vec![b'x'; 32 << 20]));
        assert_eq!(got.unwrap().status, 413);
        server.join().unwrap();
    }

    #[test]
    fn a_refused_expectation_keeps_the_body() {
        let (addr, server) = scripted(&[("\r\n\r\n", "HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno")]);
        let request = Request::post("/")
            .header("expect", "100-continue")
            .body("secret")
            .chunked();
        assert_eq!(Client::new(addr).send(&request).unwrap().text(), "no");
        assert!(!server.join().unwrap().contains("secret"));
    }

    #[test]
    fn bad_framing_is_an_error() {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc",
            "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
            "HTTP/2 200 OK\r\n\r\n",
            "",
        ] {
            assert!(read_response(&mut answer.as_bytes(), "GET").is_err(), "{answer}");
        }
    }

    #[test]
    fn words_after_the_answer_are_noticed() {
        let (addr, server) = scripted(&[("\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokMORE")]);
        let client = Client::new(addr);
        assert_eq!(client.send(&Request::get("/")).unwrap().text(), "ok");
        server.join().unwrap();
        assert_eq!(
            client.send(&Request::get("/")).unwrap_err().kind(),
            ErrorKind::InvalidData
        );
    }

    #[test]
    fn raw_returns_what_came() {
        let (addr, server) = scripted(&[("junk", "HTTP/1.1 400 Bad Request\r\n\r\n")]);
        assert_eq!(raw(addr, b"junk"), b"HTTP/1.1 400 Bad Request\r\n\r\n");
        server.join().unwrap();
    }
}
