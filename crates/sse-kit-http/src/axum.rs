//! Responses that axum's handlers return.

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};

use crate::response::SseResponse;

impl IntoResponse for SseResponse {
    fn into_response(self) -> Response {
        self.into_response().map(Body::new)
    }
}
