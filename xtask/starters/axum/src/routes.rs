//! The routes of the app.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use sse_kit::axum::{self as live, Error, Live};
use sse_kit::http::SseResponse;
use sse_kit::{EventData, Page, SseKit};

use crate::counter::{self, Counted};

pub(crate) fn routes(kit: &SseKit<u64>) -> Router {
    Router::new()
        .route("/", get(page).post(click))
        .route("/events", get(events))
        .merge(live::assets())
        .layer(live::same_site())
        .with_state(kit.clone())
}

async fn page(State(kit): State<SseKit<u64>>) -> Page {
    counter::page(&kit).await
}

async fn click(State(kit): State<SseKit<u64>>) -> Result<(), Error> {
    Ok(counter::click(&kit).await?)
}

/// Streams the count, which everybody may see. For private topics see `Live::open_for`.
async fn events(live: Live) -> Result<SseResponse, Error> {
    live.open(Counted::topic()).await
}
