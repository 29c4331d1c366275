//! The route that tells a load balancer whether to send requests here.

use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get};
use sse_kit_shutdown::Shutdown;

/// Answers `GET` with status 200 as long as the server is ready, and with 503 from the signal to stop on.
///
/// ```
/// use axum::Router;
/// use sse_kit_axum::readiness;
/// use sse_kit_shutdown::Shutdown;
///
/// let shutdown = Shutdown::builder().build();
/// let app: Router = Router::new().route("/healthz", readiness(&shutdown));
/// ```
pub fn readiness<S: Clone + Send + Sync + 'static>(shutdown: &Shutdown) -> MethodRouter<S> {
    let shutdown = shutdown.clone();
    get(move || async move {
        let (status, text) = if shutdown.is_ready() {
            (StatusCode::OK, "ready")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "shutting down")
        };
        (status, [(CACHE_CONTROL, "no-store")], text).into_response()
    })
}
