//! Server-Sent Events for every server that uses the `http` crate: hyper, axum, and others.
//!
//! ```
//! use http::{Request, Response};
//! use sse_kit_broadcast::Hub;
//! use sse_kit_event::Topics;
//! use sse_kit_http::{SseBody, SseRequest, SseResponse};
//!
//! /// `user` comes from the session; the query may only choose among the topics of the user.
//! fn events<B>(hub: &Hub, user: u64, request: &Request<B>)
//! -> Result<Response<SseBody>, Box<dyn std::error::Error>> {
//!     let allowed = Topics::parse([format!("users:{user}"), "news".to_owned()])?;
//!     let request = SseRequest::from(request);
//!     let topics = request.topics_within("topic", &allowed)?;
//!     let subscription = hub.subscribe(topics).resume(request.last_event_id()).open()?;
//!     Ok(SseResponse::new(subscription).into_response())
//! }
//! ```
//!
//! - [`SseRequest`] reads a client's request: its topics and its last event id.
//! - [`SseResponse`] builds the response, with the headers that proxies and browsers need.
//! - [`SseBody`] is its body: the hello event, then the deliveries of the subscription. It works
//!   the same over HTTP/1.1 and HTTP/2.
//! - [`Quota`] limits the streams in total and per client, by address or by user;
//!   [`SseResponse::busy`] asks a client to retry later.
//! - [`Gate`] opens streams for principals with access, as an [`Authorizer`] decides, and ends them
//!   when access is lost.
//! - [`SseResponse::stream`] sends the events of any stream, such as an LLM's tokens; a [`SharedStream`]
//!   outlives its pages, which join, leave, reload and resume.
//! - [`SseRequest::new`] and [`SseBody::into_stream`] are for frameworks without the crates `http` 1 and
//!   `http-body`.
//! - With the feature `gzip`, a stream can be compressed; each event is compressed once for all
//!   streams, alone or, as `GzipWindow` says, with those before it.
//! - [`query_parameters`] reads other parameters of a query, and rejects invalid UTF-8.
//! - [`TrustedProxies`] finds the client's address behind proxies.
//! - [`ensure_same_site`] rejects requests from pages of other origins, [`HostRules`] rejects foreign
//!   host names, and [`Cors`] lets pages of chosen origins read streams.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod age;
mod authorizer;
#[cfg(feature = "axum")]
mod axum;
mod body;
mod byte_stream;
mod cors;
#[cfg(feature = "tower")]
mod cors_layer;
mod frames;
mod gate;
#[cfg_attr(not(feature = "gzip"), path = "no_gzip.rs")]
mod gzip;
#[cfg(feature = "gzip")]
mod gzip_window;
mod host;
mod last_event;
#[cfg(feature = "tower")]
mod layers;
mod query;
mod quota;
mod request;
mod response;
mod same_site;
mod shared_stream;
mod source;
mod trusted_proxies;

pub use authorizer::{Access, Authorizer, DeniedError, Grant, Resource};
pub use body::SseBody;
pub use byte_stream::SseByteStream;
pub use cors::{Cors, Origin};
#[cfg(feature = "tower")]
pub use cors_layer::{WithCors, WithCorsFuture};
pub use gate::{Gate, GateOpenError};
#[cfg(feature = "gzip")]
pub use gzip_window::GzipWindow;
pub use host::{HostName, HostRules};
#[cfg(feature = "tower")]
pub use layers::{Checked, SameSiteLayer};
pub use query::{QueryError, query_parameters};
pub use quota::{Permit, Quota, QuotaError};
pub use request::SseRequest;
pub use response::SseResponse;
pub use same_site::{CrossSiteError, ensure_same_site};
pub use shared_stream::{SharedProgress, SharedStream};
pub use trusted_proxies::{Network, TrustedProxies};
