//! The responses of the hub.

use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::{Either, Full};
use serde::Serialize;
use sse_kit::SseBody;
use sse_kit::inspector::InspectorBody;

/// A response: a stream, of the inspector, or all at once. The large bodies are in boxes, as each answer is moved
/// several times.
pub(crate) type Reply = Response<Either<Either<Box<SseBody>, Box<InspectorBody>>, Full<Bytes>>>;

pub(crate) fn stream(response: Response<SseBody>) -> Reply {
    response.map(Box::new).map(Either::Left).map(Either::Left)
}

pub(crate) fn inspector(response: Response<InspectorBody>) -> Reply {
    response.map(Box::new).map(Either::Right).map(Either::Left)
}

pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    written(status, serde_json::to_vec(value).expect("all that the hub says is plain values"))
}

/// Returns a response with JSON that is written already.
pub(crate) fn written(status: StatusCode, json: impl Into<Bytes>) -> Reply {
    /// The headers of each such answer: to copy them takes half as long as to put them together.
    static HEADERS: LazyLock<HeaderMap> = LazyLock::new(|| headers("application/json"));
    let mut response = Response::new(Either::Right(Full::new(json.into())));
    *response.status_mut() = status;
    *response.headers_mut() = HEADERS.clone();
    response
}

pub(crate) fn error(status: StatusCode, message: &str) -> Reply {
    json(status, &serde_json::json!({ "error": message }))
}

pub(crate) fn no_content() -> Reply {
    let mut response = Response::new(Either::Right(Full::default()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

pub(crate) fn not_allowed(allowed: &'static str) -> Reply {
    let mut response = error(StatusCode::METHOD_NOT_ALLOWED, "this path takes another method");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

pub(crate) fn text(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Reply {
    let mut response = Response::new(Either::Right(Full::new(body.into())));
    *response.status_mut() = status;
    *response.headers_mut() = headers(content_type);
    response
}

fn headers(content_type: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'self'"));
    headers
}
