//! The server of a live page by hand, with axum.

use std::error::Error;
use std::process::ExitCode;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::http::header::CACHE_CONTROL;
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use live_page::{App, EVENT_SOURCE, HTMX_2, HTMX_4};
use sse_kit::Hub;
use sse_kit::axum::{self as live, Live};
use sse_kit::http::SseResponse;

/// The state of the routes.
#[derive(Clone)]
struct Shared {
    app: App,
}

/// Lets `Live` find the hub.
impl FromRef<Shared> for Hub {
    fn from_ref(shared: &Shared) -> Self {
        shared.app.hub()
    }
}

async fn events(State(shared): State<Shared>, live: Live) -> Result<SseResponse, live::Error> {
    match shared.app.watch(live.last_event_id()) {
        Ok(subscription) => Ok(live.respond(subscription)),
        Err(error) => Err(live.refuse(error)),
    }
}

/// A page has a cursor of this moment, so nothing may cache it.
fn page(shared: &Shared, live: &str) -> impl IntoResponse + use<> {
    ([(CACHE_CONTROL, "no-store")], Html(shared.app.page(live)))
}

async fn event_source(State(shared): State<Shared>) -> impl IntoResponse {
    page(&shared, EVENT_SOURCE)
}

async fn htmx_4(State(shared): State<Shared>) -> impl IntoResponse {
    page(&shared, HTMX_4)
}

async fn htmx_2(State(shared): State<Shared>) -> impl IntoResponse {
    page(&shared, HTMX_2)
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let app = App::new()?;
    tokio::spawn(app.clone().work());

    let hub = app.hub();
    let routes = Router::new()
        .route("/", get(event_source))
        .route("/htmx4", get(htmx_4))
        .route("/htmx2", get(htmx_2))
        .route("/events", get(events))
        .with_state(Shared { app });
    Ok(live::serve("127.0.0.1:8080", routes, &hub).await?)
}
