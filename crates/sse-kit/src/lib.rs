//! The front door of sse-kit: the crates behind features, under one name.
//!
//! A newcomer needs three names: a [`Hub`] that events are published to, an [`Event`], and
//! an [`SseBody`] that carries them to a page.
//!
//! ```
//! # #[cfg(not(feature = "http"))]
//! # fn main() {}
//! # #[cfg(feature = "http")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use http_body_util::BodyExt;
//! use sse_kit::event::{Topic, Topics};
//! use sse_kit::http::{SseRequest, SseResponse};
//! use sse_kit::{Hub, Event, SseBody};
//!
//! let hub = Hub::new();
//! let jobs: Topic = "jobs:17".parse()?;
//!
//! // In a handler, of any framework that speaks `http`: a stream that resumes by itself. The topics are
//! // those that the signed-in user may see, and never just what the query names.
//! let allowed = Topics::from(&jobs);
//! let request = http::Request::get("/events?topic=jobs:17").body(())?;
//! let request = SseRequest::from(&request);
//! let topics = request.topics_within("topic", &allowed)?;
//! let subscription = hub.subscribe(topics).resume(request.last_event_id()).open()?;
//! let response: http::Response<SseBody> = SseResponse::new(subscription).into_response();
//!
//! // Anywhere in the app: say what happened.
//! let receipt = hub.publish(&jobs, Event::new("40 %")).await?;
//! assert_eq!(receipt.receivers, 1);
//!
//! // What the page is sent: a hello first, and then the event.
//! let mut body = response.into_body();
//! let _hello = body.frame().await;
//! let event = body.frame().await.and_then(|frame| frame.ok()?.into_data().ok());
//! let expected = format!("data: 40 %\nid: {}\n\n", receipt.id);
//! assert_eq!(event.as_deref(), Some(expected.as_bytes()));
//! # Ok(()) }
//! ```
//!
//! Where rights can end while a stream is open, let a [`Gate`](http::Gate) open it: it asks the app who may see
//! what, and ends the stream when the answer changes. With axum, begin with the module `axum` instead.
//!
//! | feature | module | what it is |
//! |---|---|---|
//! | (always) | [`event`] | events, ids, topics, and their wire format |
//! | `json` | | `Event::json`: events whose data is a value as JSON |
//! | `broadcast` | [`broadcast`] | topics, subscriptions, fan-out, history and replay |
//! | `http` | [`http`] | streams, responses and requests over the `http` crates |
//! | `axum` | `axum` | for axum: extractor, responses, errors, script assets, readiness, a server that says goodbye |
//! | `gzip` | | streams that are compressed, each event once for all of them |
//! | `tower` | | the rules about sites and hosts as layers of tower |
//! | `file` | `file` | the log in files, for a hub whose events survive a restart |
//! | `postgres` | `postgres` | the log in PostgreSQL, for events in transactions of the app; `postgres-tls` adds TLS |
//! | `redis` | `redis` | the log on Redis Streams, for hubs of several nodes; `redis-tls` adds TLS |
//! | `dispatch` | `dispatch` | handlers by pattern, filters, transformers, middleware |
//! | `htmx` | `htmx` | markup for htmx 2 and 4, for several template engines: `askama`, `hypertext`, `maud`, `minijinja` |
//! | `update` | `update` | from a typed event to updates of the page |
//! | `monitor` | `monitor` | a page that knows whether it is live, shows it, and heals itself |
//! | `inspector` | `inspector` | a live page of the topics, connections and events of a hub |
//! | `kit` | | `SseKit`: dispatcher, updater and hub behind one `emit` |
//! | `shutdown` | `shutdown` | signals, goodbye, drain, deadline |
//! | `serve`, `fast-path`, `tls` | `serve` | a server over hyper-util, a fast path for its streams, and TLS |
//! | `tabs` | `tabs` | one connection for all tabs of a browser |
//!
//! `broadcast` and `http` are on by default. Features only ever add.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub use sse_kit_event as event;
pub use sse_kit_event::Event;

#[cfg(feature = "broadcast")]
pub use sse_kit_broadcast as broadcast;
#[cfg(feature = "broadcast")]
pub use sse_kit_broadcast::Hub;

#[cfg(feature = "http")]
pub use sse_kit_http as http;
#[cfg(feature = "http")]
pub use sse_kit_http::SseBody;

#[cfg(feature = "axum")]
pub use sse_kit_axum as axum;

#[cfg(feature = "file")]
pub use sse_kit_file as file;

#[cfg(feature = "postgres")]
pub use sse_kit_postgres as postgres;

#[cfg(feature = "redis")]
pub use sse_kit_redis as redis;

#[cfg(feature = "dispatch")]
pub use sse_kit_dispatch as dispatch;
#[cfg(feature = "dispatch")]
pub use sse_kit_dispatch::{BoxError, Dispatcher, DomainEvent, EventData};

#[cfg(feature = "htmx")]
pub use sse_kit_htmx as htmx;

#[cfg(feature = "update")]
pub use sse_kit_update as update;

#[cfg(feature = "monitor")]
pub use sse_kit_monitor as monitor;

#[cfg(feature = "inspector")]
pub use sse_kit_inspector as inspector;

#[cfg(feature = "kit")]
mod kit;
#[cfg(feature = "kit")]
pub use kit::{
    Change, ChangeError, EmitError, EmitErrorKind, Emitted, Except, IntoChange, OnFailure, SseKit,
};

#[cfg(all(feature = "axum", feature = "kit"))]
mod axum_state;

#[cfg(feature = "monitor")]
mod page;
#[cfg(feature = "monitor")]
pub use page::Page;

#[cfg(feature = "shutdown")]
pub use sse_kit_shutdown as shutdown;

#[cfg(feature = "serve")]
pub use sse_kit_serve as serve;

#[cfg(feature = "tabs")]
pub use sse_kit_tabs as tabs;

/// The examples of the README, compiled.
#[cfg(all(doctest, feature = "axum", feature = "kit", feature = "monitor"))]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// The code of the guide to tabs, compiled.
#[cfg(all(doctest, feature = "tabs"))]
#[doc = include_str!("../../../docs/src/tabs.md")]
struct Tabs;

/// The code of the guide to the inspector, compiled.
#[cfg(all(doctest, feature = "axum", feature = "inspector", feature = "kit"))]
#[doc = include_str!("../../../docs/src/inspector.md")]
struct InspectorGuide;

/// The code of the guide to the monitor, compiled.
#[cfg(all(doctest, feature = "monitor"))]
#[doc = include_str!("../../../docs/src/monitoring.md")]
struct Monitoring;

/// The code of the first guide, compiled.
#[cfg(all(doctest, feature = "axum", feature = "serve"))]
#[doc = include_str!("../../../docs/src/first-guide.md")]
struct FirstGuide;

/// The code of the page on axum, compiled.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../../../docs/src/axum.md")]
struct WithAxum;

/// The code of the page about production, compiled.
#[cfg(all(doctest, feature = "tls"))]
#[doc = include_str!("../../../docs/src/production.md")]
struct Production;

/// The code of the page about markup, compiled.
#[cfg(all(doctest, feature = "askama"))]
#[doc = include_str!("../../../docs/src/markup.md")]
struct Markup;

/// The code of the page on routing, compiled.
#[cfg(all(doctest, feature = "dispatch"))]
#[doc = include_str!("../../../docs/src/routing.md")]
struct Routing;

/// The code of the page on rendering, compiled.
#[cfg(all(doctest, feature = "kit", feature = "askama"))]
#[doc = include_str!("../../../docs/src/rendering.md")]
struct Rendering;

/// The code of the migration guide, compiled.
#[cfg(all(doctest, feature = "kit", feature = "monitor", feature = "serve"))]
#[doc = include_str!("../../../docs/src/migration.md")]
struct Migration;
