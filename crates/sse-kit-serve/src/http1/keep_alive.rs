//! The header `Keep-Alive`: the idle timeout that clients are given.

use std::time::Duration;

use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};

pub(super) const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// The margin by which the header is shorter than the idle timeout, for a request that is in
/// flight.
const ON_ITS_WAY: Duration = Duration::from_secs(1);

/// The header `Keep-Alive`, which gives a client the time for which it may keep an idle connection.
/// Without it, a client that keeps connections longer than the server would send requests on
/// connections that the server is closing.
#[derive(Clone, Debug)]
pub(crate) struct KeepAlive(Option<HeaderValue>);

impl KeepAlive {
    pub(crate) fn new(idle_timeout: Duration) -> Self {
        let seconds = idle_timeout.saturating_sub(ON_ITS_WAY).as_secs();
        let value = (seconds > 0).then(|| HeaderValue::try_from(format!("timeout={seconds}")).ok());
        Self(value.flatten())
    }

    /// Adds the header to an answer that keeps its connection open and is not a stream.
    pub(super) fn tell<B>(&self, response: &mut Response<B>) {
        if let Some(value) = self.for_answer(Said::by(response.headers())) {
            response.headers_mut().insert(KEEP_ALIVE, value.clone());
        }
    }

    /// Returns the value for an answer with these headers, unless it is a stream or has a `Connection`.
    pub(super) fn for_answer(&self, said: Said) -> Option<&HeaderValue> {
        self.0.as_ref().filter(|_| !said.is_stream && !said.has_connection)
    }
}

/// The headers of an answer that decide whether its connection stays open, found in one pass.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said {
    /// `true` if the connection ends after the answer.
    pub(super) closes: bool,
    has_connection: bool,
    is_stream: bool,
}

impl Said {
    pub(super) fn by(headers: &HeaderMap) -> Self {
        let mut said = Self::default();
        for (name, value) in headers {
            if name == CONNECTION {
                said.has_connection = true;
                said.closes |= has_close(value.as_bytes());
            } else if name == CONTENT_TYPE {
                said.is_stream |= value == "text/event-stream";
            }
        }
        said
    }
}

/// Returns `true` if the client expects the connection to stay open after the answer.
pub(super) fn expects_keep_alive<B>(request: &Request<B>) -> bool {
    request.version() == Version::HTTP_11 && !wants_close(request.headers())
}

/// Returns `true` if the client asks to close the connection after the answer.
pub(super) fn wants_close(headers: &HeaderMap) -> bool {
    headers.get_all(CONNECTION).iter().any(|options| has_close(options.as_bytes()))
}

/// Returns `true` if a header `Connection` has the option `close`.
pub(super) fn has_close(options: &[u8]) -> bool {
    let mut options = options.split(|byte| *byte == b',');
    options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}
