//! Pages of other origins that may listen, and publish with a token of their own.

use http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, ORIGIN,
};
use http::{HeaderMap, HeaderName};
use sse_kit::http::{Cors, Origin};

/// Returns the rules for pages of these origins, if there are some.
pub(crate) fn rules(origins: &[Origin]) -> Option<Cors> {
    let idempotency_key = HeaderName::from_static("idempotency-key");
    let headers = [AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, idempotency_key];
    (!origins.is_empty()).then(|| Cors::new(origins.iter().cloned()).request_headers(headers))
}

/// Returns the headers of a request that those rules look at.
pub(crate) fn headers(request: &HeaderMap) -> HeaderMap {
    let names = [ORIGIN, ACCESS_CONTROL_REQUEST_METHOD];
    let copy = |name: HeaderName| Some((name.clone(), request.get(name)?.clone()));
    names.into_iter().filter_map(copy).collect()
}

/// Returns `true` for the headers with which a browser asks before it sends a request.
pub(crate) fn is_preflight(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}
