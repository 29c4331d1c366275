//! One request: admitted, answered by the app, and counted until its answer has ended.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, HOST, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use sse_kit_http::SseResponse;

use crate::answer::{AnswerBody, AppError, Keeping};
use crate::connection::Connections;
use crate::peer::{Exchange, Peer};
use crate::request_body::RequestBody;

/// The maximum delay before a refused client retries, random for clients that support it.
const COME_BACK_WITHIN: Duration = Duration::from_secs(5);

impl Connections {
    /// Admits a request before the app receives it.
    ///
    /// # Errors
    ///
    /// The response to send instead.
    pub(crate) fn admit<B>(
        &self,
        request: &Request<B>,
        peer: &Arc<Peer>,
    ) -> Result<Exchange, Box<Response<AnswerBody>>> {
        // RFC 9112, section 3.2. For HTTP/2, hyper has validated the authority.
        if request.version() == Version::HTTP_11
            && request.headers().get_all(HOST).iter().count() != 1
        {
            let mut response = Response::new(text("a request of HTTP/1.1 has one header `Host`"));
            *response.status_mut() = StatusCode::BAD_REQUEST;
            return Err(Box::new(response));
        }
        let client = match self.proxies.client(peer.address.ip(), request.headers()) {
            same if same == peer.address.ip() => peer.address,
            other => SocketAddr::new(other, 0),
        };
        peer.begin(client).map_err(|error| {
            self.status.refuse();
            tracing::debug!(%client, %error, "a stream is refused");
            Box::new(busy(request))
        })
    }

    /// Answers a request whose head hyper has read.
    pub(crate) async fn respond(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: Arc<Peer>,
        is_refused: bool,
    ) -> Result<Response<AnswerBody>, AppError> {
        let version = request.version();
        let request = request.map(|body| RequestBody::new(body, self.body_timeout));
        let body = request.body().progress();
        let mut response = self.answer(request, &peer, is_refused).await?;
        // While the server stops, the next request should go to another node. After a body that
        // the app has not read to its end, there can be no next request (RFC 9112, section 9.3): a
        // proxy that reused the connection would lose it. HTTP/2 has frames for both cases.
        if (self.is_leaving() || !body.has_ended()) && version <= Version::HTTP_11 {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }

    async fn answer(
        &self,
        request: Request<RequestBody>,
        peer: &Arc<Peer>,
        is_refused: bool,
    ) -> Result<Response<AnswerBody>, AppError> {
        if is_refused {
            return Ok(busy(&request));
        }
        let exchange = match self.admit(&request, peer) {
            Ok(exchange) => exchange,
            Err(refusal) => return Ok(*refusal),
        };
        let response = self.call(request, exchange.client()).await?;
        // The request counts as a stream until its body has ended.
        Ok(response.map(|body| Keeping::new(body, exchange).boxed_unsync()))
    }

    /// Calls the app: the function for streams, or the service for all other requests.
    async fn call(
        &self,
        request: Request<RequestBody>,
        client: SocketAddr,
    ) -> Result<Response<AnswerBody>, AppError> {
        let (head, body) = request.into_parts();
        let head = Request::from_parts(head, ());
        if let Some(streams) = &self.streams
            && matches!(*head.method(), Method::GET | Method::HEAD)
            && streams.takes(&head)
        {
            return streams.answer(head, client).await;
        }
        self.service.answer(head.map(|()| body), client).await
    }
}

/// Returns the answer for a client beyond the limits. A stream gets an event, because `EventSource`
/// stops for good on any status except 200; other requests get status 503.
fn busy<B>(request: &Request<B>) -> Response<AnswerBody> {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/event-stream")) {
        let busy = SseResponse::busy(COME_BACK_WITHIN);
        return busy.map(|body| body.map_err(|never| match never {}).boxed_unsync());
    }
    let mut response = Response::new(text(""));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(COME_BACK_WITHIN.as_secs()));
    response
}

fn text(text: &'static str) -> AnswerBody {
    Full::new(Bytes::from_static(text.as_bytes())).map_err(|never| match never {}).boxed_unsync()
}
