//! The responses, and the headers that all of them have.

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY,
    RETRY_AFTER, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};
use sse_kit_htmx::Fragment;

use crate::body::InspectorBody;
use crate::files::File;

/// The page runs no script but those of its own files, and loads nothing from elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub(crate) type Reply = Response<InspectorBody>;

pub(crate) fn html(status: StatusCode, fragment: &impl Fragment) -> Reply {
    match fragment.to_html() {
        Ok(html) => full(status, "text/html; charset=utf-8", "no-store", html.into_string().into()),
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "the inspector cannot be rendered");
            text(StatusCode::INTERNAL_SERVER_ERROR, "the page cannot be rendered; see the log")
        }
    }
}

pub(crate) fn text(status: StatusCode, text: &str) -> Reply {
    full(status, "text/plain; charset=utf-8", "no-store", format!("{text}\n").into())
}

pub(crate) fn file(file: File) -> Reply {
    let cache_control =
        if file.is_immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    full(StatusCode::OK, file.content_type, cache_control, file.content)
}

pub(crate) fn not_allowed(allowed: &'static str) -> Reply {
    let mut reply = text(StatusCode::METHOD_NOT_ALLOWED, "this path takes another method");
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    reply
}

/// Asks a client to come back when fewer pages are rendered.
pub(crate) fn busy() -> Reply {
    let reason = "the inspector is busy; try again in a second";
    let mut reply = text(StatusCode::SERVICE_UNAVAILABLE, reason);
    reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    reply
}

/// Sends a browser without script back to the page.
pub(crate) fn see(page: &str) -> Reply {
    let mut reply = text(StatusCode::SEE_OTHER, "see the page");
    let location = HeaderValue::try_from(page).expect("the URLs of the inspector are plain");
    reply.headers_mut().insert(LOCATION, location);
    reply
}

fn full(
    status: StatusCode,
    content_type: &'static str,
    cache_control: &'static str,
    content: Bytes,
) -> Reply {
    let mut reply = Response::new(InspectorBody::from(content));
    *reply.status_mut() = status;
    for (name, value) in [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, cache_control),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // Not `no-referrer`, with which browsers send `Origin: null` with forms.
        (REFERRER_POLICY, "same-origin"),
    ] {
        reply.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    reply
}
