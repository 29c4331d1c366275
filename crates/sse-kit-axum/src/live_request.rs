//! The request of a client for an event stream.

use std::convert::Infallible;
use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::HeaderName;
#[cfg(feature = "gzip")]
use axum::http::header::ACCEPT_ENCODING;
use axum::http::header::{ACCEPT, HeaderMap};
use axum::http::request::Parts;
use sse_kit_broadcast::Start;
use sse_kit_event::TextError;
use sse_kit_event::{LastEventId, Topics};
use sse_kit_http::{QueryError, SseRequest};

use crate::client_address::client_address;

/// An extractor for a request for an event stream: its topics, and the last event that the client has
/// seen. It never rejects a request.
///
/// [`Live`](crate::Live) contains it, and has a hub too.
#[derive(Clone, Debug)]
pub struct LiveRequest {
    query: Option<Box<str>>,
    last_event_id: Option<Box<[u8]>>,
    #[cfg(feature = "gzip")]
    accept_encoding: Box<[Box<str>]>,
    is_for_stream: bool,
    client: Option<IpAddr>,
}

impl LiveRequest {
    fn new(parts: &Parts) -> Self {
        let header = parts.headers.get("last-event-id");
        Self {
            query: parts.uri.query().map(Into::into),
            last_event_id: header.map(|value| value.as_bytes().into()),
            #[cfg(feature = "gzip")]
            accept_encoding: texts(&parts.headers, &ACCEPT_ENCODING).map(Into::into).collect(),
            is_for_stream: texts(&parts.headers, &ACCEPT)
                .any(|accepted| accepted.contains("text/event-stream")),
            client: client_address(parts),
        }
    }

    /// Returns the request as `sse-kit-http` knows it.
    pub fn as_sse(&self) -> SseRequest<'_> {
        let request = SseRequest::new(self.query.as_deref(), self.last_event_id.as_deref());
        #[cfg(feature = "gzip")]
        let request = request.accept_encoding(self.accept_encoding.iter().map(|value| &**value));
        request
    }

    /// Reads the last event that the client says it has seen: see [`SseRequest::last_event_id`].
    pub fn last_event_id(&self) -> Option<LastEventId> {
        self.as_sse().last_event_id()
    }

    /// Reads the topics that the query names, of those that the session allows: see
    /// [`SseRequest::topics_within`].
    ///
    /// # Errors
    ///
    /// The errors of [`SseRequest::topics_within`].
    pub fn topics_within(&self, name: &str, allowed: &Topics) -> Result<Topics, QueryError> {
        self.as_sse().topics_within(name, allowed)
    }

    /// Reads the topics that the query names, whichever they are: see [`SseRequest::topics`].
    ///
    /// # Errors
    ///
    /// The errors of [`SseRequest::topics`].
    pub fn topics(&self, name: &str) -> Result<Topics, QueryError> {
        self.as_sse().topics(name)
    }

    /// Reads where a client wants to begin that has seen nothing yet: see [`SseRequest::start`].
    ///
    /// # Errors
    ///
    /// The errors of [`SseRequest::start`].
    pub fn start(&self) -> Result<Start, TextError> {
        self.as_sse().start()
    }

    /// Returns the client's address: the other end of the connection or, if that is a proxy that the
    /// app [trusts](crate::trust), the address that the proxy reports. Behind a proxy without that layer,
    /// it is the address of the proxy.
    ///
    /// `None` if the server does not provide addresses. [`serve`](crate::serve) does, as does
    /// `into_make_service_with_connect_info::<SocketAddr>()`.
    pub fn client(&self) -> Option<IpAddr> {
        self.client
    }

    /// Returns `true` if the client asks for an event stream by the header `Accept`, as `EventSource`
    /// and htmx do.
    pub fn is_for_stream(&self) -> bool {
        self.is_for_stream
    }
}

impl<S: Sync> FromRequestParts<S> for LiveRequest {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::new(parts))
    }
}

fn texts<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> + use<'h> {
    headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
}
