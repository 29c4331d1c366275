//! Reads the head of a request, to decide which path answers it.

use std::io;

use http::header::{CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use tokio::io::{AsyncRead, AsyncWrite};

use super::streams::StreamRoutes;
use crate::line::{Line, has_head};

/// The maximum size of a head, in bytes. It is hyper's limit; hyper answers requests beyond it.
const MAX_HEAD: usize = 16 * 1024;
/// The maximum number of headers, as in hyper.
const MAX_HEADERS: usize = 100;

/// The next request of a client, as far as its head says.
#[derive(Debug)]
pub(crate) enum Next {
    /// A stream for the fast path; its head was taken out of the line.
    Own(Box<Request<()>>),
    /// A request for hyper, with the length of its head and body. All of it stays in the line.
    Hyper(u64),
    /// A request whose length only hyper can tell, or that hyper refuses. hyper gets the rest of
    /// the connection.
    Rest,
    /// The client sends no more requests.
    End,
}

/// Reads the head of the next request.
///
/// # Cancel safety
///
/// Cancel safe: bytes that were read stay in the line.
pub(crate) async fn next<I>(line: &mut Line<I>, lane: Option<&dyn StreamRoutes>) -> io::Result<Next>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let is_over = line.early().len() >= MAX_HEAD || has_head(line.early());
        if is_over || line.fill().await? == 0 {
            break;
        }
    }
    if line.early().is_empty() {
        return Ok(Next::End);
    }
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let Ok(httparse::Status::Complete(length)) = parsed.parse(line.early()) else {
        return Ok(Next::Rest);
    };
    if let Some(lane) = lane.filter(|_| parsed.method == Some("GET"))
        && let Some(request) = request(&parsed)
        && is_plain(&request)
        && lane.takes(&request)
    {
        line.skip(length);
        return Ok(Next::Own(Box::new(request)));
    }
    Ok(match body_length(&parsed) {
        Some(body) => Next::Hyper(body.saturating_add(length as u64)),
        None => Next::Rest,
    })
}

/// Returns the length of a request's body if a single `Content-Length`, or its absence, defines it:
/// then server and proxies agree on where the request ends.
fn body_length(parsed: &httparse::Request<'_, '_>) -> Option<u64> {
    let mut length = 0;
    let mut is_told = false;
    for header in &*parsed.headers {
        let is = |name: HeaderName| header.name.eq_ignore_ascii_case(name.as_str());
        if is(TRANSFER_ENCODING) || is(UPGRADE) || is(EXPECT) {
            return None;
        }
        if is(CONTENT_LENGTH) {
            let digits = str::from_utf8(header.value).ok()?;
            if is_told || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
                return None;
            }
            // hyper refuses longer bodies.
            length = digits.parse().ok().filter(|length| *length < u64::MAX / 2)?;
            is_told = true;
        }
    }
    (parsed.method != Some("CONNECT")).then_some(length)
}

/// Returns the request; `None` if it is not HTTP/1.1.
fn request(parsed: &httparse::Request<'_, '_>) -> Option<Request<()>> {
    // The minor version is 1 for HTTP/1.1.
    if parsed.version != Some(1) {
        return None;
    }
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(parsed.method?.as_bytes()).ok()?;
    *request.uri_mut() = Uri::try_from(parsed.path?).ok()?;
    for header in &*parsed.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        request.headers_mut().append(name, HeaderValue::from_bytes(header.value).ok()?);
    }
    Some(request)
}

/// Returns `true` if the request has no body and asks for a plain response.
fn is_plain(request: &Request<()>) -> bool {
    let more = [CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE, EXPECT];
    request.method() == Method::GET && !more.iter().any(|name| request.headers().contains_key(name))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            with_parsed(head.as_bytes(), |parsed, _| body_length(parsed)).unwrap()
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
        assert!(is_plain(&request));
    }

    #[test]
    fn what_is_not_plain_is_for_hyper() {
        for line in ["Content-Length: 0", "Transfer-Encoding: chunked", "Upgrade: h2c", "Expect: x"]
        {
            let head = format!("GET / HTTP/1.1\r\n{line}\r\n\r\n");
            assert!(!is_plain(&parse(head.as_bytes()).unwrap().0), "{line}");
        }
        assert!(!is_plain(&parse(b"POST / HTTP/1.1\r\n\r\n").unwrap().0));
        let wrong = ["GET / HTTP/1.0\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/1.1\r\n x: y\r\n\r\n"];
        for head in wrong.into_iter().chain(["GET / HTTP/1.1\r\nx", "\0", ""]) {
            assert!(parse(head.as_bytes()).is_none(), "{head:?}");
        }
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(MAX_HEADERS + 1));
        assert!(parse(many.as_bytes()).is_none());
    }
}
