//! The responses, and the headers that all of them have.

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{Either, Full};
use sse_kit::SseBody;

use crate::assets::{File, Freshness};
use crate::job::JobId;

/// A response: a stream, or all at once.
pub(crate) type Reply = Response<Either<SseBody, Full<Bytes>>>;

pub(crate) fn stream(response: Response<SseBody>) -> Reply {
    response.map(Either::Left)
}

pub(crate) fn html(status: StatusCode, html: String) -> Reply {
    // The page holds a cursor and the state of this moment: an old copy is of no use.
    full(status, "text/html; charset=utf-8", "no-store", html.into())
}

pub(crate) fn json(value: &serde_json::Value) -> Reply {
    full(StatusCode::OK, "application/json", "no-store", value.to_string().into())
}

pub(crate) fn text(status: StatusCode, text: &str) -> Reply {
    full(status, "text/plain; charset=utf-8", "no-store", format!("{text}\n").into())
}

/// Answers with a file of the page.
pub(crate) fn file(file: File) -> Reply {
    let cache_control = match file.freshness {
        Freshness::Immutable => "public, max-age=31536000, immutable",
        Freshness::AskAgain => "no-cache",
    };
    full(StatusCode::OK, file.content_type, cache_control, file.content)
}

/// Sends a browser without script back to the page, to where a job is.
pub(crate) fn to_job(id: JobId) -> Reply {
    let mut response = text(StatusCode::SEE_OTHER, "See the page.");
    let location = HeaderValue::try_from(format!("/#job-{id}")).expect("ids are numbers");
    response.headers_mut().insert(LOCATION, location);
    response
}

fn full(
    status: StatusCode,
    content_type: &'static str,
    cache_control: &'static str,
    content: Bytes,
) -> Reply {
    let mut response = Response::new(Either::Right(Full::new(content)));
    *response.status_mut() = status;
    for (name, value) in [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, cache_control),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not `no-referrer`, with which browsers send `Origin: null` with forms.
        (REFERRER_POLICY, "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
