//! The header `Keep-Alive`: the idle timeout that clients are given.

use std::time::Duration;

use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

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
        let headers = response.headers_mut();
        let is_stream = headers.get(CONTENT_TYPE).is_some_and(|of| of == "text/event-stream");
        if let Some(value) = &self.0
            && !is_stream
            && !headers.contains_key(CONNECTION)
        {
            headers.insert(KEEP_ALIVE, value.clone());
        }
    }
}

/// Returns `true` if the client expects the connection to stay open after the answer.
pub(super) fn expects_keep_alive<B>(request: &Request<B>) -> bool {
    request.version() == Version::HTTP_11 && !wants_close(request.headers())
}

/// Returns `true` if the client asks to close the connection after the answer.
pub(super) fn wants_close(headers: &HeaderMap) -> bool {
    let options = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let mut options = options.flat_map(|options| options.split(','));
    options.any(|option| option.trim().eq_ignore_ascii_case("close"))
}
