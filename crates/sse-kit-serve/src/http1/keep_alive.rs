//! How long a connection waits for another request, as clients are told.

use std::time::Duration;

use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};

use crate::connection::Lifetime;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// A client is told so much less than the idle timeout: its next request takes a while to arrive.
const ON_ITS_WAY: Duration = Duration::from_secs(1);

/// The header `Keep-Alive`, which tells a client for how long it may keep an idle connection. Without it a client
/// that keeps its connections for longer than the server would send a request into one that is just being
/// closed.
#[derive(Clone, Debug)]
pub(super) struct KeepAlive(Option<HeaderValue>);

impl KeepAlive {
    pub(super) fn new(idle_timeout: Duration, lifetime: &Lifetime) -> Self {
        let seconds = idle_timeout.saturating_sub(ON_ITS_WAY).as_secs();
        let is_kept = lifetime.keep_alive() && seconds > 0;
        let value = is_kept.then(|| HeaderValue::try_from(format!("timeout={seconds}")).ok());
        Self(value.flatten())
    }

    /// Returns what the answer to this request says of it.
    pub(super) fn of<B>(&self, request: &Request<B>) -> Self {
        let is_kept = request.version() == Version::HTTP_11 && !wants_close(request.headers());
        Self(self.0.clone().filter(|_| is_kept))
    }

    /// Adds the header to an answer that keeps its connection and is no stream.
    pub(super) fn tell<B>(self, response: &mut Response<B>) {
        let headers = response.headers_mut();
        let is_stream = headers.get(CONTENT_TYPE).is_some_and(|of| of == "text/event-stream");
        if let Some(value) = self.0
            && !is_stream
            && !headers.contains_key(CONNECTION)
        {
            headers.insert(KEEP_ALIVE, value);
        }
    }
}

/// Returns whether a client asks for its connection to end with the answer.
pub(super) fn wants_close(headers: &HeaderMap) -> bool {
    let options = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let mut options = options.flat_map(|options| options.split(','));
    options.any(|option| option.trim().eq_ignore_ascii_case("close"))
}
