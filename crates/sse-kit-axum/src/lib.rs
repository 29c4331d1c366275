//! `sse-kit` for [axum] 0.8.
//!
//! ```no_run
//! use axum::Router;
//! use axum::extract::State;
//! use axum::routing::get;
//! use sse_kit_axum::{self as live, Live};
//! use sse_kit_broadcast::Hub;
//! use sse_kit_event::{Event, Topic};
//! use sse_kit_http::SseResponse;
//!
//! fn news() -> Topic {
//!     "news".parse().expect("it is a topic")
//! }
//!
//! async fn events(live: Live) -> Result<SseResponse, live::Error> {
//!     live.open(news()).await
//! }
//!
//! async fn publish(State(hub): State<Hub>, text: String) -> Result<(), live::Error> {
//!     hub.publish(&news(), Event::new(text)).await?;
//!     Ok(())
//! }
//!
//! #[tokio::main]
//! async fn main() -> std::io::Result<std::process::ExitCode> {
//!     let hub = Hub::new();
//!     let app = Router::new()
//!         .route("/events", get(events).post(publish))
//!         .layer(live::same_site())
//!         .with_state(hub.clone());
//!     live::serve("127.0.0.1:8080", app, &hub).await
//! }
//! ```
//!
//! - [`Live`] is the extractor of a handler that answers with a stream: it resumes after the last event
//!   that the client has seen, asks a [`Gate`](sse_kit_http::Gate) or a
//!   [`Quota`](sse_kit_http::Quota), and streams published events or a stream of the app. It needs
//!   the [`Hub`](sse_kit_broadcast::Hub) in the app's state.
//! - [`LiveRequest`] is what the client asks for, without a hub.
//! - [`Error`] is the response to what goes wrong: the right status, and nothing that a client must not
//!   know.
//! - [`same_site`] is a layer that keeps pages of other origins from changing anything;
//!   [`HostRules`](sse_kit_http::HostRules) is a layer for servers on private networks.
//! - [`trust`] is a layer for servers behind proxies, which finds the addresses of the clients.
//! - `assets` is the route of our scripts (feature `htmx`), `readiness` that of a health check, and
//!   `serve` a server that says goodbye to every page. The last two are for Unix, and the program above is
//!   too. On Windows, call `axum::serve` with a graceful shutdown that calls
//!   [`Hub::shut_down`](sse_kit_broadcast::Hub::shut_down) first.
//! - `IntoResponse` for [`SseResponse`](sse_kit_http::SseResponse) is in `sse-kit-http`, by its feature
//!   `axum`.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "htmx")]
mod assets;
mod client_address;
mod error;
mod live;
mod live_request;
#[cfg(unix)]
mod readiness;
#[cfg(unix)]
mod serve;

use sse_kit_http::SameSiteLayer;

#[cfg(feature = "htmx")]
pub use assets::{assets, assets_in};
pub use client_address::trust;
pub use error::{Error, ErrorKind};
pub use live::Live;
pub use live_request::LiveRequest;
#[cfg(unix)]
pub use readiness::readiness;
#[cfg(unix)]
pub use serve::{serve, serve_until};

/// Returns the layer that answers with status 403 if a page of another origin requests a change. A page
/// of another subdomain counts as one: see [`ensure_same_site`](sse_kit_http::ensure_same_site).
pub fn same_site() -> SameSiteLayer {
    SameSiteLayer::new()
}
