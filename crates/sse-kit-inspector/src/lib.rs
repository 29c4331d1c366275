//! An inspector for sse-kit: one page, live, that shows what a hub does.
//!
//! It shows the topics with their subscribers, the connections with their queues and how far behind
//! they are, the events with their data, gaps and closed connections with the reasons, the traces of
//! the dispatcher, and a chart of the rate. A viewer can filter, search and pause, publish an event,
//! and disconnect a client.
//!
//! ```
//! use std::net::IpAddr;
//!
//! use http::{Request, Response};
//! use http_body_util::Empty;
//! use sse_kit_broadcast::Hub;
//! use sse_kit_inspector::{Inspector, InspectorBody, AccessPolicy};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = Hub::new();
//! let inspector = Inspector::builder(hub, AccessPolicy::on_this_machine()).build()?;
//!
//! // In the server's handler, for every path with which the inspector is concerned:
//! let request = Request::get("/inspector").header("host", "localhost").body(Empty::<&[u8]>::new())?;
//! assert!(inspector.serves(request.uri().path()));
//! let client: IpAddr = "127.0.0.1".parse()?;
//! let response: Response<InspectorBody> = inspector.answer(request, Some(client)).await;
//! assert_eq!(response.status(), 200);
//! # Ok(()) }
//! ```
//!
//! # Who may see it
//!
//! The page shows every event and every client, and its viewers may publish. So there is no default:
//! [`AccessPolicy`] is an argument. In a program that is built without debug assertions, as release
//! builds are, the inspector is off unless [`InspectorBuilder::in_release_builds`] says otherwise.
//!
//! # Its cost
//!
//! A hub that is not inspected pays nothing. An inspected one pays for one more reader of its events
//! and for a task that wakes five times a second; it records at most 100 events a second and skips
//! the rest, and as many again of the topics that open pages filter for. The memory is bounded: the
//! last 256 events of each kind with the first 8 KiB of their data, the last 128 gaps and connections
//! that opened or closed, and the last 128 traces. A page that is open is
//! updated at most twice a second, and less often if rendering takes long; at most 8 may be open.
//!
//! # Files of others
//!
//! The folder `dist` has [htmx](https://htmx.org) 4.0.1 and its extension for Server-Sent Events, as
//! they are published, under the Zero-Clause BSD licence.
//!
//! # Features
//!
//! `axum` adds `Inspector::routes`, and `dispatch` adds `Inspector::trace`, a middleware for the
//! dispatcher.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod access_policy;
mod action;
#[cfg(feature = "axum")]
mod axum;
mod body;
mod builder;
mod chart;
mod client_info;
mod collector;
mod connections;
mod detail;
#[cfg(feature = "dispatch")]
mod dispatch;
mod files;
mod filter;
mod form;
mod inspector;
mod links;
mod live;
mod newest;
mod overlap;
mod page;
mod recorder;
mod renders;
mod reply;
mod ring;
mod samples;
mod sections;
mod seen_event;
mod text;
mod topics;
mod viewer;

pub use crate::access_policy::AccessPolicy;
pub use crate::body::InspectorBody;
pub use crate::builder::{InspectorBuildError, InspectorBuilder};
pub use crate::client_info::ClientInfo;
#[cfg(feature = "dispatch")]
#[cfg_attr(docsrs, doc(cfg(feature = "dispatch")))]
pub use crate::dispatch::DispatchTrace;
pub use crate::inspector::Inspector;
pub use crate::viewer::ViewerName;
