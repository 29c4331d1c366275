//! What a client asks for.

use std::borrow::Cow;

#[cfg(feature = "gzip")]
use http::header::ACCEPT_ENCODING;
use http::request::Parts;
use http::{HeaderMap, Request, Uri};
use sse_kit_broadcast::{Start, StartError};
use sse_kit_event::{LastEventId, Topics};

use crate::query::{QueryError, raw_parameters, utf8};

/// A request for an event stream, read.
///
/// ```
/// use http::Request;
/// use sse_kit_event::{LastEventId, Topic};
/// use sse_kit_http::SseRequest;
///
/// let request = Request::get("/events?topic=jobs:17&topic=news:*&last_event_id=5f-12").body(())?;
/// let request = SseRequest::from(&request);
/// assert!(request.topics("topic")?.cover(&"news:today".parse()?));
/// assert_eq!(request.last_event_id(), LastEventId::parse(b"5f-12"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SseRequest<'a> {
    uri: &'a Uri,
    headers: &'a HeaderMap,
}

impl<'a> SseRequest<'a> {
    /// The topics and patterns that the query names, each with a parameter `name` of its own.
    ///
    /// # Errors
    ///
    /// [`QueryError`] when one of them is not UTF-8, or neither topic nor pattern, or there are too
    /// many.
    pub fn topics(&self, name: &str) -> Result<Topics, QueryError> {
        // Looks at one too many and no further; what that comes to is for `Topics` to say.
        let texts = self.values(name).take(Topics::MAX_LEN + 1).map(|value| utf8(value, name));
        Ok(Topics::parse(texts.collect::<Result<Vec<_>, _>>()?)?)
    }

    /// What the client says it has seen; `None` when it says nothing.
    ///
    /// The header `Last-Event-ID` wins over the query parameter `last_event_id`: the one is set by a
    /// client that reconnects, the other by a page that was rendered with a cursor, and stays the
    /// same when the client reconnects.
    pub fn last_event_id(&self) -> Option<LastEventId> {
        let header = self.headers.get("last-event-id");
        header.and_then(|value| LastEventId::parse(value.as_bytes())).or_else(|| {
            let value = self.values("last_event_id").next()?;
            LastEventId::parse(&value)
        })
    }

    /// Where a client that has seen nothing yet wants to begin, by the query parameter `start`: `now`,
    /// which is the default, `last:20`, `per-key` or `all`.
    ///
    /// ```
    /// # use http::Request;
    /// # use sse_kit_broadcast::Start;
    /// # use sse_kit_http::SseRequest;
    /// let request = Request::get("/events?topic=jobs:*&start=per-key").body(())?;
    /// assert_eq!(SseRequest::from(&request).start()?, Start::PerKey);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`StartError`] when it is something else.
    pub fn start(&self) -> Result<Start, StartError> {
        let value = self.values("start").next();
        value.map_or(Ok(Start::Now), |value| String::from_utf8_lossy(&value).parse())
    }

    /// Whether the client takes a response in gzip ([RFC 9110, section 12.5.3][spec]); one that says
    /// nothing of it does not.
    ///
    /// [spec]: https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3
    #[cfg(feature = "gzip")]
    pub fn accepts_gzip(&self) -> bool {
        let lists = self.headers.get_all(ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok());
        let codings = lists.flat_map(|list| list.split(',')).map(|coding| {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
            let weight = weight.trim().trim_start_matches(['q', 'Q']).trim_start_matches('=');
            (name.trim(), weight.trim().parse().is_ok_and(|weight: f32| weight > 0.0))
        });
        let mut any = false;
        for (name, is_accepted) in codings {
            if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
                return is_accepted;
            }
            any |= name == "*" && is_accepted;
        }
        any
    }

    /// The decoded values of a query parameter.
    fn values(self, name: &str) -> impl Iterator<Item = Cow<'a, [u8]>> {
        let pairs = raw_parameters(self.uri.query().unwrap_or_default());
        pairs.filter(move |(key, _)| **key == *name.as_bytes()).map(|(_, value)| value)
    }
}

impl<'a, B> From<&'a Request<B>> for SseRequest<'a> {
    fn from(request: &'a Request<B>) -> Self {
        Self { uri: request.uri(), headers: request.headers() }
    }
}

impl<'a> From<&'a Parts> for SseRequest<'a> {
    fn from(parts: &'a Parts) -> Self {
        Self { uri: &parts.uri, headers: &parts.headers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_event_id(header: Option<&[u8]>, query: &str) -> Option<LastEventId> {
        let mut request = Request::get(format!("/?{query}"));
        if let Some(header) = header {
            request = request.header("Last-Event-ID", header);
        }
        SseRequest::from(&request.body(()).unwrap()).last_event_id()
    }

    #[test]
    fn the_header_wins_over_the_query() {
        let id = |text: &str| LastEventId::parse(text.as_bytes());
        assert_eq!(last_event_id(Some(b"1-2"), "last_event_id=1-1"), id("1-2"));
        assert_eq!(last_event_id(None, "last_event_id=1-1"), id("1-1"));
        assert_eq!(last_event_id(Some(b""), "last_event_id=1-1"), id("1-1"));
        assert_eq!(last_event_id(None, "last_event_id="), None);
        assert_eq!(last_event_id(None, ""), None);
    }

    #[test]
    fn a_hostile_header_is_unusable_and_not_replaced_by_the_query() {
        let id = last_event_id(Some(b"\xff\xfe"), "last_event_id=1-1");
        assert!(matches!(id, Some(LastEventId::Unusable(_))));
    }

    #[test]
    fn topics_are_decoded() {
        let request = Request::get("/?topic=a%3Ab&x=1&topic=c+d").body(()).unwrap();
        let topics = SseRequest::from(&request).topics("topic").unwrap();
        assert!(topics.cover(&"a:b".parse().unwrap()));
        assert!(topics.cover(&"c d".parse().unwrap()));
        let request = Request::get("/?topic=a%0Ab").body(()).unwrap();
        assert!(SseRequest::from(&request).topics("topic").is_err());
    }

    #[test]
    fn what_is_not_utf8_is_no_other_topic() {
        let request = Request::get("/?topic=a&topic=b%ff&last_event_id=%ff").body(()).unwrap();
        let request = SseRequest::from(&request);
        let wrong = QueryError::NotUtf8 { parameter: "topic".into() };
        assert_eq!(request.topics("topic"), Err(wrong));
        assert!(matches!(request.last_event_id(), Some(LastEventId::Unusable(_))));
    }

    #[cfg(feature = "gzip")]
    #[test]
    fn gzip_is_accepted_where_it_is_named_with_a_weight() {
        let accepts = |values: &[&str]| {
            let mut request = Request::new(());
            for value in values {
                request.headers_mut().append(ACCEPT_ENCODING, value.parse().unwrap());
            }
            SseRequest::from(&request).accepts_gzip()
        };
        for yes in
            ["gzip", "gzip, deflate, br, zstd", "br;q=1.0, GZIP;q=0.1", "*", "x-gzip ; q=0.5"]
        {
            assert!(accepts(&[yes]), "{yes}");
        }
        for no in ["", "identity", "gzip;q=0", "gzip; q=0.000, *", "br", "*;q=0", "gzip;q=x"] {
            assert!(!accepts(&[no]), "{no}");
        }
        assert!(accepts(&["br", "gzip"]) && !accepts(&[]));
    }
}
