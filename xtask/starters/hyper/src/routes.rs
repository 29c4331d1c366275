//! The routes of the app.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::{Either, Full};
use sse_kit::http::{SseRequest, SseResponse, ensure_same_site};
use sse_kit::{EventData, SseBody, SseKit};

use crate::counter::{self, Counted};

/// A stream, or all of a text.
pub(crate) type Body = Either<SseBody, Full<Bytes>>;

pub(crate) async fn answer(kit: &SseKit<u64>, request: &Parts) -> Response<Body> {
    // Links of other sites may lead here, but their pages may change nothing.
    let changes = !request.method.is_safe();
    if changes && ensure_same_site(&request.uri, &request.headers).is_err() {
        return text(StatusCode::FORBIDDEN, "text/plain", "no-store", "another site asks");
    }
    match (&request.method, request.uri.path()) {
        (&Method::GET, "/events") => events(kit, request).map(Either::Left),
        (&Method::GET, "/") => {
            let page = counter::page(kit).await.to_string();
            text(StatusCode::OK, "text/html; charset=utf-8", "no-store", page)
        }
        (&Method::POST, "/") => match counter::click(kit).await {
            Ok(()) => text(StatusCode::OK, "text/plain", "no-store", ""),
            Err(error) => {
                eprintln!("a click is lost: {error}");
                text(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "no-store", "")
            }
        },
        (&Method::GET, path) => script(path),
        _ => text(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "no-store", ""),
    }
}

/// Streams the count, which everybody may see. For private topics see `Gate`.
fn events(kit: &SseKit<u64>, request: &Parts) -> Response<SseBody> {
    let seen = SseRequest::from(request).last_event_id();
    match kit.hub().subscribe(Counted::topic()).resume(seen).open() {
        Ok(subscription) => SseResponse::new(subscription).into_response(),
        Err(error) => {
            eprintln!("a stream is refused: {error}");
            SseResponse::busy(Duration::from_secs(5))
        }
    }
}

/// Serves the scripts of sse-kit. Their names have hashes, so browsers keep them.
fn script(path: &str) -> Response<Body> {
    match counter::scripts().file(path) {
        Some(script) => text(
            StatusCode::OK,
            "text/javascript; charset=utf-8",
            "public, max-age=31536000, immutable",
            script.source().to_owned(),
        ),
        None => text(StatusCode::NOT_FOUND, "text/plain", "no-store", "there is nothing here"),
    }
}

fn text(
    status: StatusCode,
    kind: &'static str,
    cache: &'static str,
    text: impl Into<Bytes>,
) -> Response<Body> {
    let mut response = Response::new(Either::Right(Full::new(text.into())));
    *response.status_mut() = status;
    *response.headers_mut() = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CACHE_CONTROL, HeaderValue::from_static(cache)),
    ]);
    response
}
