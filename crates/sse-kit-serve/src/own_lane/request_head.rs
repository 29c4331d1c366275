//! The head of a request, read as far as it takes to see whose it is.

use std::io;

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use tokio::io::AsyncReadExt;

use super::OwnLane;
use crate::socket::Socket;

/// What a head may have, as with hyper, which answers whoever goes beyond it.
const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 100;

/// As long as most.
const USUAL_HEAD: usize = 1024;

/// How a request for a stream begins.
const GET: &[u8] = b"GET ";

/// Who is to answer what a client asks for.
#[derive(Debug)]
pub(crate) enum Lane {
    /// We are; what comes after the head of the request is left to be read.
    Own(Box<Request<()>>),
    /// hyper is; all that was read is left to be read. It also says what is wrong with a request.
    Hyper,
}

/// Reads the head of the next request; there is none when the client is gone.
pub(crate) async fn read(socket: &mut Socket, lane: &dyn OwnLane) -> io::Result<Option<Lane>> {
    let mut head = Vec::with_capacity(USUAL_HEAD);
    loop {
        let seen = head.len();
        let read = socket.read_buf(&mut head).await?;
        if read == 0 && head.is_empty() {
            return Ok(None);
        }
        let may_be_ours = head.starts_with(&GET[..GET.len().min(head.len())]);
        if may_be_ours && read > 0 && !is_complete(&head, seen) && head.len() < MAX_HEAD {
            continue;
        }
        let ours = if may_be_ours { parse(&head) } else { None };
        let ours = ours.filter(|(request, _)| is_plain(request) && lane.takes(request));
        let begins_after = ours.as_ref().map_or(0, |(_, len)| *len);
        socket.unread(&head[begins_after..]);
        return Ok(Some(ours.map_or(Lane::Hyper, |(request, _)| Lane::Own(Box::new(request)))));
    }
}

/// Whether a head ends in it; up to `seen` there was no such end.
fn is_complete(head: &[u8], seen: usize) -> bool {
    let new = &head[seen.saturating_sub(3)..];
    new.windows(4).any(|four| four == b"\r\n\r\n") || new.windows(2).any(|two| two == b"\n\n")
}

/// The request, and how long its head is; `None` when it is none of HTTP/1.1.
fn parse(head: &[u8]) -> Option<(Request<()>, usize)> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(len) = parsed.parse(head).ok()? else { return None };
    // It is 1 for HTTP/1.1.
    if parsed.version != Some(1) {
        return None;
    }
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(parsed.method?.as_bytes()).ok()?;
    *request.uri_mut() = Uri::try_from(parsed.path?).ok()?;
    for header in parsed.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        request.headers_mut().append(name, HeaderValue::from_bytes(header.value).ok()?);
    }
    Some((request, len))
}

/// Whether it is over with its head, and asks for nothing but a response.
fn is_plain(request: &Request<()>) -> bool {
    let more = [CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE, EXPECT];
    request.method() == Method::GET && !more.iter().any(|name| request.headers().contains_key(name))
}

/// Whether the client asks for its connection to end with the response.
pub(crate) fn wants_close(request: &Request<()>) -> bool {
    let options = request.headers().get_all(CONNECTION).iter().filter_map(|v| v.to_str().ok());
    let mut options = options.flat_map(|options| options.split(','));
    options.any(|option| option.trim().eq_ignore_ascii_case("close"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_complete_wherever_it_was_cut() {
        let head = b"GET / HTTP/1.1\r\n\r\n";
        for cut in 0..head.len() {
            assert!(!is_complete(&head[..cut], 0), "{cut}");
            assert!(is_complete(head, cut), "{cut}");
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
