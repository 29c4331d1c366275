//! Reads the head of a request, to decide which path answers it.

use std::io;
use std::mem::MaybeUninit;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use tokio::io::{AsyncRead, AsyncWrite};

use super::keep_alive::has_close;
use super::streams::StreamRoutes;
use crate::line::{Line, has_head};
use crate::request_body::RequestBody;

/// The maximum size of a head, in bytes. It is hyper's limit; hyper answers requests beyond it.
const MAX_HEAD: usize = 16 * 1024;
/// The maximum number of headers, as in hyper.
const MAX_HEADERS: usize = 100;

/// The maximum size of a body that is answered without hyper, in bytes.
const MAX_WHOLE: u64 = 16 * 1024;

/// The next request of a client, as far as its head says.
#[derive(Debug)]
pub(crate) enum Next {
    /// A stream for the fast path; its head was taken out of the line.
    Own(Box<Request<()>>),
    /// Another request for the fast path; its head and body were taken out of the line.
    Whole(Box<Whole>),
    /// A request for hyper, with the length of its head and body. All of it stays in the line.
    Hyper(u64),
    /// A request whose length only hyper can tell, or that hyper refuses. hyper gets the rest of
    /// the connection.
    Rest,
    /// The client sends no more requests.
    End,
}

/// A request whose body is here.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(super) request: Request<RequestBody>,
    /// `true` if the client asks to close the connection after the answer.
    pub(super) asks_to_close: bool,
}

/// The requests that the fast path of a connection answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lane<'a> {
    /// Short requests that change something, such as a `POST`. A `GET` may be for a stream, which hyper
    /// answers.
    Short,
    /// All short requests, and streams; of these, the given ones have a function of their own.
    All(Option<&'a dyn StreamRoutes>),
}

/// The path that answers a request, and the length of the request.
#[derive(Debug)]
enum Found {
    /// A stream for the fast path, with the length of its head.
    Stream { request: Box<Request<()>>, head: usize },
    /// Another request for the fast path, all of which is here, with its length.
    Whole { whole: Box<Whole>, length: usize },
    /// A request for hyper, or one for the fast path whose body is not here.
    Sized { head: usize, body: u64, is_for_lane: bool },
    /// A request whose length only hyper can tell.
    Unsized,
}

/// Reads the head of the next request.
///
/// # Cancel safety
///
/// Cancel safe: bytes that were read stay in the line.
pub(crate) async fn next<I>(line: &mut Line<I>, lane: Option<Lane<'_>>) -> io::Result<Next>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    if line.early().is_empty() && line.fill().await? == 0 {
        return Ok(Next::End);
    }
    // Most requests come in one piece, so that a look for the end of the head would be one too many.
    let at_once = take(line, lane)?;
    if !matches!(at_once, Next::Rest) {
        return Ok(at_once);
    }
    loop {
        let is_over = line.early().len() >= MAX_HEAD || has_head(line.early());
        if is_over || line.fill().await? == 0 {
            break;
        }
    }
    take(line, lane)
}

/// Takes a request for the fast path out of the line. Any other stays there.
fn take<I>(line: &mut Line<I>, lane: Option<Lane<'_>>) -> io::Result<Next>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let found = match find(line.early(), lane) {
        Found::Sized { head, body, is_for_lane: true } if fill_whole(line, head, body)? => {
            find(line.early(), lane)
        }
        found => found,
    };
    Ok(match found {
        Found::Stream { request, head } => {
            line.skip(head);
            Next::Own(request)
        }
        Found::Whole { whole, length } => {
            line.skip_request(length);
            Next::Whole(whole)
        }
        Found::Sized { head, body, .. } => Next::Hyper(body.saturating_add(head as u64)),
        Found::Unsized => Next::Rest,
    })
}

/// Looks at a request, and decides which path answers it.
fn find(bytes: &[u8], lane: Option<Lane<'_>>) -> Found {
    // Not initialised: to fill so many takes longer than to read those of most requests.
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut []);
    let read = parsed.parse_with_uninit_headers(bytes, &mut headers);
    let Ok(httparse::Status::Complete(head)) = read else {
        return Found::Unsized;
    };
    // A read may bring more than the limit at once.
    if head > MAX_HEAD {
        return Found::Unsized;
    }
    let Some(told) = Told::by(&parsed) else { return Found::Unsized };
    let body = told.length;
    let Some(lane) = lane.filter(|lane| lane.may_take(&parsed, told)) else {
        return Found::Sized { head, body, is_for_lane: false };
    };
    let length = usize::try_from(body).ok().filter(|body| bytes.len() - head >= *body);
    let Some(body_here) = length else {
        return Found::Sized { head, body, is_for_lane: true };
    };
    match request(&parsed) {
        Some(request) if request.method() == Method::GET && lane.is_stream(&request) => {
            Found::Stream { request: Box::new(request), head }
        }
        Some(request) if !told.takes_trailers => {
            let length = head + body_here;
            let body = Bytes::copy_from_slice(&bytes[head..length]);
            let request = request.map(|()| RequestBody::whole(body));
            Found::Whole { whole: Box::new(Whole { request, asks_to_close: told.closes }), length }
        }
        _ => Found::Sized { head, body, is_for_lane: false },
    }
}

impl Lane<'_> {
    /// Returns `true` if the fast path may answer a request.
    fn may_take(self, parsed: &httparse::Request<'_, '_>, told: Told) -> bool {
        told.length <= MAX_WHOLE
            && match parsed.method {
                // An answer to `HEAD` has the headers of a body that it does not have.
                Some("HEAD") => false,
                Some("GET") => matches!(self, Self::All(_)) && !told.has_length,
                _ => true,
            }
    }

    fn is_stream(self, request: &Request<()>) -> bool {
        matches!(self, Self::All(Some(routes)) if routes.takes(request))
    }
}

/// Reads the rest of a body that is here but was not read with the head. Returns `true` if the line
/// has all of the request now.
fn fill_whole<I>(line: &mut Line<I>, head: usize, body: u64) -> io::Result<bool>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let whole = head.saturating_add(usize::try_from(body).unwrap_or(usize::MAX));
    while line.early().len() < whole {
        if !line.fill_now(whole - line.early().len())? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The headers of a request that decide which path answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    /// The length of the body.
    length: u64,
    has_length: bool,
    /// `true` if the client may take trailers, which hyper writes.
    takes_trailers: bool,
    /// `true` if the client asks to close the connection after the answer.
    closes: bool,
}

impl Told {
    /// Returns these headers if a single `Content-Length`, or its absence, defines the length of the body:
    /// then server and proxies agree on where the request ends.
    fn by(parsed: &httparse::Request<'_, '_>) -> Option<Self> {
        let mut told = Self { length: 0, has_length: false, takes_trailers: false, closes: false };
        for header in &*parsed.headers {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            // By the length first, as each header is compared with all of these.
            match header.name.len() {
                2 => told.takes_trailers |= is("te"),
                6 if is("expect") => return None,
                7 if is("upgrade") => return None,
                10 if is("connection") => told.closes |= has_close(header.value),
                17 if is("transfer-encoding") => return None,
                14 if is("content-length") => {
                    if std::mem::replace(&mut told.has_length, true) {
                        return None;
                    }
                    told.length = whole_number(header.value)?;
                }
                _ => {}
            }
        }
        (parsed.method != Some("CONNECT")).then_some(told)
    }
}

/// Returns a number of plain digits; `None` for one that hyper refuses as the length of a body.
fn whole_number(digits: &[u8]) -> Option<u64> {
    let number = digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    });
    number.filter(|number| !digits.is_empty() && *number < u64::MAX / 2)
}

/// Returns the request; `None` if it is not HTTP/1.1.
fn request(parsed: &httparse::Request<'_, '_>) -> Option<Request<()>> {
    // The minor version is 1 for HTTP/1.1.
    if parsed.version != Some(1) {
        return None;
    }
    let mut request = Request::new(());
    *request.headers_mut() = HeaderMap::with_capacity(parsed.headers.len());
    *request.method_mut() = Method::from_bytes(parsed.method?.as_bytes()).ok()?;
    *request.uri_mut() = Uri::try_from(parsed.path?).ok()?;
    for header in &*parsed.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        request.headers_mut().append(name, HeaderValue::from_bytes(header.value).ok()?);
    }
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::{AnswerBody, AppError, Pinned};

    fn parse(head: &[u8]) -> Option<(Request<()>, usize)> {
        with_parsed(head, |parsed, length| Some((request(parsed)?, length))).flatten()
    }

    fn with_parsed<T>(
        head: &[u8],
        then: impl FnOnce(&httparse::Request<'_, '_>, usize) -> T,
    ) -> Option<T> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(length) = parsed.parse(head).ok()? else { return None };
        Some(then(&parsed, length))
    }

    #[test]
    fn only_one_plain_length_counts() {
        let length = |lines: &str| {
            let head = format!("POST / HTTP/1.1\r\n{lines}\r\n");
            let told = with_parsed(head.as_bytes(), |parsed, _| Told::by(parsed)).unwrap();
            told.map(|told| told.length)
        };
        assert_eq!(length(""), Some(0));
        assert_eq!(length("content-LENGTH: 17\r\n"), Some(17));
        for lines in [
            "Content-Length: 1\r\nContent-Length: 1\r\n",
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: identity\r\n",
            "Content-Length: +1\r\n",
            "Content-Length: 1, 1\r\n",
            "Content-Length: \r\n",
            "Content-Length: 18446744073709551615\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Expect: 100-continue\r\nContent-Length: 1\r\n",
            "Upgrade: h2c\r\n",
        ] {
            assert_eq!(length(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn a_request_is_what_it_was() {
        let head = b"GET /events?topic=a%20b HTTP/1.1\r\nHost: x\r\nX: 1\r\nx: \xff\r\n\r\nrest";
        let (request, len) = parse(head).unwrap();
        assert_eq!(&head[len..], b"rest");
        assert_eq!(request.uri(), "/events?topic=a%20b");
        let values: Vec<_> = request.headers().get_all("x").iter().collect();
        assert_eq!(values, [&b"1"[..], &b"\xff"[..]]);
        let wrong = ["GET / HTTP/1.0\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/1.1\r\n x: y\r\n\r\n"];
        for head in wrong.into_iter().chain(["GET / HTTP/1.1\r\nx", "\0", ""]) {
            assert!(parse(head.as_bytes()).is_none(), "{head:?}");
        }
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(MAX_HEADERS + 1));
        assert!(parse(many.as_bytes()).is_none());
    }

    /// The path `/s` is a stream.
    struct OneStream;

    impl StreamRoutes for OneStream {
        fn takes(&self, request: &Request<()>) -> bool {
            request.uri().path() == "/s"
        }

        fn answer(
            &self,
            _: Request<()>,
            _: std::net::SocketAddr,
        ) -> Pinned<'static, Result<http::Response<AnswerBody>, AppError>> {
            Box::pin(std::future::pending())
        }

        fn write<'a>(
            &self,
            _: Request<()>,
            _: std::net::SocketAddr,
            _: &'a mut Line<crate::socket::Socket>,
            _: bool,
        ) -> Pinned<'a, io::Result<crate::http1::streams::Writing<'a>>> {
            Box::pin(std::future::pending())
        }
    }

    #[test]
    fn the_fast_path_has_streams_and_what_is_all_here() {
        let long = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", MAX_WHOLE + 1);
        let long = long + &"x".repeat(20_000);
        let long_head = format!("POST / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(MAX_HEAD));
        for (request, path) in [
            ("GET /s HTTP/1.1\r\n\r\n", "stream of 19"),
            ("GET / HTTP/1.1\r\n\r\nGET", "whole of 18 and 0"),
            ("POST /s HTTP/1.1\r\n\r\n", "whole of 20 and 0"),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET", "whole of 38 and 3"),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab", "3 bytes, later on the lane"),
            (&long, "16385 bytes"),
            (&long_head, "unknown"),
            ("HEAD /s HTTP/1.1\r\n\r\n", "0 bytes"),
            ("GET /s HTTP/1.0\r\n\r\n", "0 bytes"),
            ("GET /s HTTP/1.1\r\nTE: trailers\r\n\r\n", "stream of 33"),
            ("POST / HTTP/1.1\r\nTE: trailers\r\n\r\n", "0 bytes"),
            ("GET /s HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "0 bytes"),
            ("GET /s HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "unknown"),
            ("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n", "unknown"),
            ("CONNECT x:1 HTTP/1.1\r\n\r\n", "unknown"),
            ("nonsense\r\n\r\n", "unknown"),
        ] {
            let found = match find(request.as_bytes(), Some(Lane::All(Some(&OneStream)))) {
                Found::Stream { head, .. } => format!("stream of {head}"),
                Found::Whole { whole, length } => {
                    let body = whole.request.into_body().take_arrived().unwrap_or_default().len();
                    format!("whole of {} and {body}", length - body)
                }
                Found::Sized { body, is_for_lane: true, .. } => {
                    format!("{body} bytes, later on the lane")
                }
                Found::Sized { body, .. } => format!("{body} bytes"),
                Found::Unsized => "unknown".to_owned(),
            };
            assert_eq!(found, path, "{request:.80}");
            let by_hyper = find(request.as_bytes(), None);
            assert!(matches!(by_hyper, Found::Sized { is_for_lane: false, .. } | Found::Unsized));
            let without_streams = find(request.as_bytes(), Some(Lane::Short));
            let is_whole = matches!(without_streams, Found::Whole { .. });
            assert_eq!(is_whole, path.starts_with("whole") && request.starts_with("POST"));
        }
    }
}
