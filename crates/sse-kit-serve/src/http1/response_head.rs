//! Encodes the head of a response.

use http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderName, TRANSFER_ENCODING};
use http::response::Parts;
use http::{HeaderValue, Response, StatusCode};
use http_body::Body;
use hyper::ext::ReasonPhrase;

use super::body_writer::buffer;
use super::date;
use super::keep_alive::KEEP_ALIVE;

/// The room for a head, in bytes, enough for most.
const USUAL_HEAD: usize = 512;

/// The coding of a body in chunks.
const CHUNKED: &str = "chunked";

/// The error for a response that is none, because its status is interim: another one has to follow.
#[derive(Debug, thiserror::Error)]
#[error("the app answered with the interim status {0}; an answer needs a final one")]
pub(crate) struct InterimStatus(StatusCode);

/// The way in which a client finds the end of a response ([RFC 9112, section 6.3][spec]).
///
/// [spec]: https://www.rfc-editor.org/rfc/rfc9112#section-6.3
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// The response has no body.
    Nothing,
    /// The body has this length.
    Length(u64),
    /// The body is sent in chunks, of which the last is marked.
    Chunked,
}

impl Framing {
    /// Returns the framing of a response, by the length of its body or, if the body does not know it, of
    /// its head.
    ///
    /// # Errors
    ///
    /// If the status is interim: the client would take the next answer for this one.
    pub(crate) fn new(parts: &Parts, body: &impl Body) -> Result<Self, InterimStatus> {
        if parts.status.is_informational() {
            return Err(InterimStatus(parts.status));
        }
        if matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            return Ok(Self::Nothing);
        }
        if parts.headers.get_all(TRANSFER_ENCODING).iter().any(|coding| coding != CHUNKED) {
            return Ok(Self::Chunked);
        }
        let length = if body.is_end_stream() { Some(0) } else { body.size_hint().exact() };
        Ok(length.or_else(|| told_length(parts)).map_or(Self::Chunked, Self::Length))
    }
}

/// Returns the length that a head tells, if it tells one.
fn told_length(parts: &Parts) -> Option<u64> {
    let mut lengths = parts.headers.get_all(CONTENT_LENGTH).iter();
    let length = lengths.next().filter(|_| lengths.next().is_none())?;
    length.to_str().ok()?.parse().ok()
}

/// The fate of a connection after a response.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Afterwards<'a> {
    /// It is closed.
    Closes,
    /// It stays open, and the answer has this header `Keep-Alive`.
    Stays(Option<&'a HeaderValue>),
}

/// Encodes the head of the answer for a response that is none.
pub(crate) fn internal_error() -> Vec<u8> {
    let (mut parts, ()) = Response::new(()).into_parts();
    parts.status = StatusCode::INTERNAL_SERVER_ERROR;
    response_head(&parts, Framing::Length(0), Afterwards::Closes)
}

/// Encodes a head. `Content-Length` is that of the framing, not of the app, except that a 304 has no body and
/// may tell the length of the one that the client has ([RFC 9110, section 8.6][length]). `Transfer-Encoding`
/// has the app's codings and then that of the framing.
///
/// [length]: https://www.rfc-editor.org/rfc/rfc9110#section-8.6
pub(crate) fn response_head(parts: &Parts, framing: Framing, after: Afterwards<'_>) -> Vec<u8> {
    let mut head = buffer();
    head.reserve(USUAL_HEAD);
    status_line(&mut head, parts);
    let (closes, keep_alive) = match after {
        Afterwards::Closes => (true, None),
        Afterwards::Stays(keep_alive) => (false, keep_alive),
    };
    let mut has_date = false;
    for (name, value) in &parts.headers {
        has_date |= name == DATE;
        let is_ours = (name == CONTENT_LENGTH && parts.status != StatusCode::NOT_MODIFIED)
            || name == TRANSFER_ENCODING
            || (name == CONNECTION && closes)
            || (keep_alive.is_some() && name == KEEP_ALIVE);
        if !is_ours {
            line(&mut head, name.as_str(), value.as_bytes());
        }
    }
    if let Some(value) = keep_alive {
        line(&mut head, "keep-alive", value.as_bytes());
    }
    if !has_date {
        date::with_line(|date| head.extend_from_slice(date));
    }
    match framing {
        Framing::Nothing => {}
        Framing::Length(length) => {
            line(&mut head, "content-length", itoa::Buffer::new().format(length).as_bytes());
        }
        Framing::Chunked => list(&mut head, parts, &TRANSFER_ENCODING, &[], CHUNKED),
    }
    if closes {
        list(&mut head, parts, &CONNECTION, &["keep-alive"], "close");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// Writes a header that is a list: the app's members but for these, and `last` at the end.
fn list(head: &mut Vec<u8>, parts: &Parts, name: &HeaderName, without: &[&str], last: &str) {
    head.extend_from_slice(name.as_str().as_bytes());
    head.extend_from_slice(b": ");
    let values = parts.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    for member in values.flat_map(|value| value.split(',')).map(str::trim) {
        let is_left_out = |other: &&str| member.eq_ignore_ascii_case(other);
        if !member.is_empty() && !without.iter().chain([&last]).any(is_left_out) {
            head.extend_from_slice(member.as_bytes());
            head.extend_from_slice(b", ");
        }
    }
    head.extend_from_slice(last.as_bytes());
    head.extend_from_slice(b"\r\n");
}

fn status_line(head: &mut Vec<u8>, parts: &Parts) {
    let reason = parts.extensions.get::<ReasonPhrase>();
    if parts.status == StatusCode::OK && reason.is_none() {
        head.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    let usual = || parts.status.canonical_reason().unwrap_or_default().as_bytes();
    head.extend_from_slice(b"HTTP/1.1 ");
    head.extend_from_slice(parts.status.as_str().as_bytes());
    head.push(b' ');
    head.extend_from_slice(reason.map_or_else(usual, ReasonPhrase::as_bytes));
    head.extend_from_slice(b"\r\n");
}

#[inline]
fn line(head: &mut Vec<u8>, name: &str, value: &[u8]) {
    head.extend_from_slice(name.as_bytes());
    head.extend_from_slice(b": ");
    head.extend_from_slice(value);
    head.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Response;
    use http_body_util::{Empty, Full, StreamBody};

    use super::*;

    fn head(response: Response<impl Body>, after: Afterwards<'_>) -> String {
        let (mut parts, body) = response.into_parts();
        parts.headers.insert(DATE, HeaderValue::from_static("now"));
        let framing = Framing::new(&parts, &body).unwrap();
        String::from_utf8(response_head(&parts, framing, after)).unwrap()
    }

    #[test]
    fn what_is_known_to_be_short_has_a_length() {
        let response = Response::new(Full::new(Bytes::from_static(b"hello")));
        assert_eq!(
            head(response, Afterwards::Stays(None)),
            "HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 5\r\n\r\n"
        );
    }

    #[test]
    fn what_goes_on_comes_in_chunks() {
        let stream = StreamBody::new(futures_util::stream::pending::<Result<_, std::io::Error>>());
        let stream: StreamBody<_> = stream;
        let mut response = Response::new(http_body_util::BodyExt::map_frame(
            stream,
            |frame: http_body::Frame<Bytes>| frame,
        ));
        response.headers_mut().insert("x-a", HeaderValue::from_static("1"));
        response.headers_mut().append("x-a", HeaderValue::from_static("2"));
        response.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("x"));
        let expected = "HTTP/1.1 200 OK\r\nx-a: 1\r\nx-a: 2\r\ndate: now\r\n\
            transfer-encoding: x, chunked\r\nconnection: close\r\n\r\n";
        let mut lines: Vec<_> = expected.lines().collect();
        let head = head(response, Afterwards::Closes);
        let mut found: Vec<_> = head.lines().collect();
        lines.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, lines);
    }

    #[test]
    fn a_status_that_has_no_body_has_no_length() {
        for status in [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED] {
            let mut response = Response::new(Empty::<Bytes>::new());
            *response.status_mut() = status;
            assert!(!head(response, Afterwards::Stays(None)).contains("length"));
        }
    }

    #[test]
    fn there_is_a_date() {
        let (parts, body) = Response::new(Empty::<Bytes>::new()).into_parts();
        let framing = Framing::new(&parts, &body).unwrap();
        let head = response_head(&parts, framing, Afterwards::Stays(None));
        let head = String::from_utf8(head).unwrap();
        let date = head.lines().find_map(|line| line.strip_prefix("date: ")).unwrap();
        assert!(httpdate::parse_http_date(date).is_ok(), "{date}");
    }
}
