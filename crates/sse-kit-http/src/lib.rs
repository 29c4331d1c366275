//! Server-Sent Events for everything that speaks `http`: hyper, axum, and others.
//!
//! ```
//! use http::{Request, Response};
//! use sse_kit_broadcast::Hub;
//! use sse_kit_http::{SseBody, SseRequest, SseResponse};
//!
//! fn events<B>(hub: &Hub, request: &Request<B>)
//! -> Result<Response<SseBody>, Box<dyn std::error::Error>> {
//!     let request = SseRequest::from(request);
//!     let topics = request.topics("topic")?;
//!     let subscription = hub.subscribe(topics).resume(request.last_event_id()).open()?;
//!     Ok(SseResponse::new(subscription).into_response())
//! }
//! ```
//!
//! - [`SseRequest`] reads what a client asks for: topics, and the last event id it has.
//! - [`SseResponse`] makes the response, with the headers that proxies and browsers need.
//! - [`SseBody`] is its body: the hello event, and then what the subscription gives. It works
//!   unchanged over HTTP/1.1 and HTTP/2.
//! - [`Quota`] limits the streams in total and for each client, by address or by user;
//!   [`SseResponse::busy`] sends a client away so that it comes back.
//! - [`Gate`] opens streams for those who may see them, as an [`Authorizer`] says, and ends them when
//!   they may not any longer.
//! - With the feature `gzip`, a stream can be compressed at the cost of one compression for all.
//! - [`query_parameters`] reads what else is in a query, and takes nothing for what it is not.
//! - [`TrustedProxies`] finds the client's own address behind proxies.
//! - [`ensure_same_site`] keeps other sites' pages from publishing, [`HostRules`] keeps those out that
//!   come under a name of their own, and [`Cors`] lets those of some origins listen.

mod authorizer;
#[cfg(feature = "axum")]
mod axum;
mod body;
mod byte_stream;
mod cors;
mod frames;
mod gate;
#[cfg_attr(not(feature = "gzip"), path = "no_gzip.rs")]
mod gzip;
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
pub use cors::{Cors, Origin, OriginError};
pub use gate::{Gate, OpenError};
pub use host::{HostName, HostNameError, HostRules, WrongHostError};
#[cfg(feature = "tower")]
pub use layers::{Checked, SameSiteLayer};
pub use query::{QueryError, query_parameters};
pub use quota::{Permit, Quota, QuotaError};
pub use request::SseRequest;
pub use response::SseResponse;
pub use same_site::{CrossSiteError, ensure_same_site};
pub use shared_stream::{Progress, SharedStream};
pub use trusted_proxies::{Network, NetworkError, TrustedProxies};
