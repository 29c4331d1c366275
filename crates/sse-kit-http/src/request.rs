//! The request of a client for an event stream.

use std::borrow::Cow;

#[cfg(feature = "gzip")]
use http::header::ACCEPT_ENCODING;
use http::header::HeaderMap;
use http::request::Parts;
use http::{Request, Uri};
use sse_kit_broadcast::Start;
use sse_kit_event::{LastEventId, TextError, Topic, TopicPattern, Topics};

use crate::query::{QueryError, raw_parameters, utf8};

/// A request for an event stream: the topics that it names, and the last event that the client has
/// seen.
///
/// Create it from a request of the `http` crate or, for a framework without that crate, from a
/// query and a header:
///
/// ```
/// use sse_kit_event::LastEventId;
/// use sse_kit_http::SseRequest;
///
/// let request = SseRequest::new(Some("topic=jobs:17&topic=news:*"), Some(b"5f-12"));
/// assert!(request.topics("topic")?.cover(&"news:today".parse()?));
/// assert_eq!(request.last_event_id(), LastEventId::parse(b"5f-12"));
///
/// let same = http::Request::get("/events?topic=jobs:17").header("last-event-id", "5f-12").body(())?;
/// assert_eq!(SseRequest::from(&same).last_event_id(), request.last_event_id());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SseRequest<'a> {
    query: &'a str,
    last_event_id: Option<&'a [u8]>,
    #[cfg(feature = "gzip")]
    accepts_gzip: bool,
}

impl<'a> SseRequest<'a> {
    /// Creates a request from a query, without `?`, and the value of the header `Last-Event-ID`.
    pub fn new(query: Option<&'a str>, last_event_id: Option<&'a [u8]>) -> Self {
        Self {
            query: query.unwrap_or_default(),
            last_event_id,
            #[cfg(feature = "gzip")]
            accepts_gzip: false,
        }
    }

    fn from_http(uri: &'a Uri, headers: &'a HeaderMap) -> Self {
        let last_event_id = headers.get("last-event-id").map(http::HeaderValue::as_bytes);
        let request = Self::new(uri.query(), last_event_id);
        #[cfg(feature = "gzip")]
        let request = {
            let lists = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok());
            request.accept_encoding(lists)
        };
        request
    }

    /// Adds the values of the header `Accept-Encoding`, which decide whether a response is
    /// [compressed](crate::SseResponse::gzip). A request of the `http` crate already has them.
    #[cfg(feature = "gzip")]
    pub fn accept_encoding<'v>(self, values: impl IntoIterator<Item = &'v str>) -> Self {
        Self { accepts_gzip: accepts_gzip(values), ..self }
    }

    /// Returns the topics and patterns that the query names, each in a parameter `name`.
    ///
    /// The client alone chooses these: it may name `**` and receive every event. If users may not
    /// see everything, use [`topics_within`](Self::topics_within), take the topics from the
    /// session, or ask a [`Gate`](crate::Gate).
    ///
    /// # Errors
    ///
    /// [`QueryError`] if one of them is not UTF-8 or invalid, or if there are too many.
    pub fn topics(&self, name: &str) -> Result<Topics, QueryError> {
        // Takes one too many and stops; `Topics` then returns the error.
        let texts = self.values(name).take(Topics::MAX_LEN + 1).map(|value| utf8(value, name));
        Ok(Topics::parse(texts.collect::<Result<Vec<_>, _>>()?)?)
    }

    /// Returns the topics that the query names, if the session allows them. A query without topics
    /// means all of `allowed`.
    ///
    /// A pattern is allowed if `allowed` has the same pattern, or one of the form `**` or `a:**`
    /// that covers it.
    ///
    /// ```
    /// use sse_kit_event::Topics;
    /// use sse_kit_http::SseRequest;
    ///
    /// let allowed = Topics::parse(["users:alice", "news:**"])?;
    /// let topics = |query| SseRequest::new(Some(query), None).topics_within("topic", &allowed);
    /// assert_eq!(topics("topic=news:today")?, Topics::parse(["news:today"])?);
    /// assert_eq!(topics("")?, allowed);
    /// assert!(topics("topic=users:bob").is_err());
    /// assert!(topics("topic=**").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`topics`](Self::topics), and [`QueryError::NotAllowed`] for the first topic
    /// or pattern that is not allowed.
    pub fn topics_within(&self, name: &str, allowed: &Topics) -> Result<Topics, QueryError> {
        let topics = self.topics(name)?;
        if topics.is_empty() {
            return Ok(allowed.clone());
        }
        let topic = topics.topics().iter().find(|topic| !allowed.cover(topic));
        let pattern = topics.patterns().iter().find(|pattern| !allowed.cover_pattern(pattern));
        match topic.map(Topic::as_str).or(pattern.map(TopicPattern::as_str)) {
            Some(refused) => Err(QueryError::NotAllowed { topic: refused.to_owned() }),
            None => Ok(topics),
        }
    }

    /// Returns the last event that the client has seen; `None` if the client sent none.
    ///
    /// The header `Last-Event-ID` wins over the query parameter `last_event_id`. A client that
    /// reconnects sets the header; the parameter comes from a page that was rendered with a cursor,
    /// and does not change on a reconnect.
    pub fn last_event_id(&self) -> Option<LastEventId> {
        self.last_event_id.and_then(LastEventId::parse).or_else(|| {
            let value = self.values("last_event_id").next()?;
            LastEventId::parse(&value)
        })
    }

    /// Returns where a client without a last event wants to begin, from the query parameter
    /// `start`: `now` (the default), `last:20`, `per-key` or `all`.
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
    /// [`TextError`] for any other value.
    pub fn start(&self) -> Result<Start, TextError> {
        let value = self.values("start").next();
        value.map_or(Ok(Start::Now), |value| String::from_utf8_lossy(&value).parse())
    }

    /// Returns `true` if the client accepts gzip ([RFC 9110, section 12.5.3][spec]). Without the
    /// header, it does not.
    ///
    /// [spec]: https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3
    #[cfg(feature = "gzip")]
    pub fn accepts_gzip(&self) -> bool {
        self.accepts_gzip
    }

    /// Returns the decoded values of a query parameter.
    fn values(self, name: &str) -> impl Iterator<Item = Cow<'a, [u8]>> {
        let pairs = raw_parameters(self.query);
        pairs.filter(move |(key, _)| **key == *name.as_bytes()).map(|(_, value)| value)
    }
}

impl<'a, B> From<&'a Request<B>> for SseRequest<'a> {
    fn from(request: &'a Request<B>) -> Self {
        Self::from_http(request.uri(), request.headers())
    }
}

impl<'a> From<&'a Parts> for SseRequest<'a> {
    fn from(parts: &'a Parts) -> Self {
        Self::from_http(&parts.uri, &parts.headers)
    }
}

#[cfg(feature = "gzip")]
fn accepts_gzip<'v>(values: impl IntoIterator<Item = &'v str>) -> bool {
    let codings = values.into_iter().flat_map(|list| list.split(',')).map(|coding| {
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

    #[test]
    fn a_client_gets_no_more_topics_than_it_is_allowed() {
        let allowed = Topics::parse(["users:alice", "rooms:*", "news:**"]).unwrap();
        let within = |query| SseRequest::new(Some(query), None).topics_within("t", &allowed);
        for query in
            ["t=users:alice", "t=rooms:1&t=news:a:b", "t=rooms:*", "t=news:*", "t=news:a:**"]
        {
            assert_eq!(within(query), SseRequest::new(Some(query), None).topics("t"), "{query}");
        }
        for (query, refused) in [
            ("t=users:bob", "users:bob"),
            ("t=users:alice&t=users:bob", "users:bob"),
            ("t=**", "**"),
            ("t=users:*", "users:*"),
            ("t=**:alice", "**:alice"),
            ("t=rooms:**", "rooms:**"),
            ("t=*:alice", "*:alice"),
            ("t=news*:a", "news*:a"),
        ] {
            let error = QueryError::NotAllowed { topic: refused.to_owned() };
            assert_eq!(within(query), Err(error), "{query}");
        }
        assert_eq!(within(""), Ok(allowed.clone()));
        let nothing = SseRequest::new(None, None).topics_within("t", &Topics::none());
        assert_eq!(nothing, Ok(Topics::none()));
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
