//! What a client is told that there is no room for.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, RETRY_AFTER};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use sse_kit_http::{LimitError, SseBody, SseResponse};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::connection::{Connections, One, Terms};

/// How many are told at a time; more are closed without a word.
const AT_ONCE: usize = 64;

/// After how long they come back: at most this, at random where that can be said.
const COME_BACK_WITHIN: Duration = Duration::from_secs(5);

impl Connections {
    /// Tells a client that there is no room for it.
    pub(crate) fn refuse(
        self: &Arc<Self>,
        stream: TcpStream,
        client: SocketAddr,
        error: LimitError,
        refused: &mut JoinSet<()>,
    ) {
        self.stats.refuse();
        tracing::debug!(%client, %error, "a connection is refused");
        if refused.len() < AT_ONCE {
            let one = One { client, service: busy, terms: Terms::Refused };
            self.spawn(refused, stream, one, ());
        }
    }
}

/// Asks to come back: a stream by an event, as `EventSource` gives up for good on any status but 200;
/// all else by a status.
async fn busy(
    request: Request<Incoming>,
    _client: SocketAddr,
) -> Result<Response<Either<SseBody, Empty<Bytes>>>, Infallible> {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/event-stream")) {
        return Ok(SseResponse::busy(COME_BACK_WITHIN).map(Either::Left));
    }
    let mut response = Response::new(Either::Right(Empty::new()));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(COME_BACK_WITHIN.as_secs()));
    Ok(response)
}
