//! Live web pages from Rust, without a JavaScript framework: the server renders HTML, and each change goes to
//! every page that shows it, over Server-Sent Events, where [htmx](https://htmx.org) puts it in its place.
//!
//! This crate is the front door: the crates of sse-kit behind features, under one name.
//!
//! # A first program
//!
//! A counter that every open page shows, with the features `axum`, `kit` and `monitor`.
//!
//! ```no_run
//! # #[cfg(not(all(unix, feature = "axum", feature = "kit", feature = "monitor")))]
//! # fn main() {}
//! # #[cfg(all(unix, feature = "axum", feature = "kit", feature = "monitor"))]
//! # mod program {
//! use axum::{Router, extract::State, routing::get};
//! use sse_kit::axum::{self as live, Error, Live};
//! use sse_kit::htmx::{ElementId, Endpoint, Html, Update};
//! use sse_kit::{EventData, Hub, Page, SseKit};
//!
//! /// An event: the new count. Its topic has the name of its type.
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Counted(u64);
//!
//! impl EventData for Counted {
//!     const TYPE: &'static str = "count:changed";
//! }
//!
//! #[tokio::main]
//! # pub
//! async fn main() -> std::io::Result<std::process::ExitCode> {
//!     let kit = SseKit::with_state(Hub::new(), 0);
//!     kit.on(|Counted(count)| Update::fill(ElementId::from_static("count"), &Html::text(count)));
//!     let app = Router::new()
//!         .route("/", get(page).post(click))
//!         .route("/events", get(|live: Live| live.open(Counted::topic())))
//!         .merge(live::assets())
//!         .layer(live::same_site())
//!         .with_state(kit.clone());
//!     live::serve("127.0.0.1:8080", app, kit.hub()).await
//! }
//!
//! async fn click(State(kit): State<SseKit<u64>>) -> Result<(), Error> {
//!     kit.change(|count| {
//!         *count += 1;
//!         Counted(*count)
//!     })
//!     .await?;
//!     Ok(())
//! }
//!
//! async fn page(State(kit): State<SseKit<u64>>) -> Page {
//!     let (count, cursor) = kit.read(|count| *count).await;
//!     let body = format!("<b id=count>{count}</b> <button hx-post=/ hx-swap=none>+1</button>");
//!     Page::new(Endpoint::from_static("/events"), cursor).body(Html::trusted(body))
//! }
//! # }
//! # #[cfg(all(unix, feature = "axum", feature = "kit", feature = "monitor"))]
//! # use program::main;
//! ```
//!
//! # A tour
//!
//! ## Publish and listen
//!
//! An app publishes to a [`Hub`]. An [`Event`] is text with an optional name. A page that listens to a
//! [`Topic`](event::Topic) gets its events in order. When it reconnects, it sends the id of the last event that it saw,
//! and gets the events it missed, or a gap event if they are no longer there. Any framework that speaks `http` takes
//! the response:
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
//! // In a handler: the query may only choose among the topics that the user may see.
//! let allowed = Topics::from(&jobs);
//! let request = http::Request::get("/events?topic=jobs:17").body(())?;
//! let request = SseRequest::from(&request);
//! let topics = request.topics_within("topic", &allowed)?;
//! let subscription = hub.subscribe(topics).resume(request.last_event_id()).open()?;
//! let response: http::Response<SseBody> = SseResponse::new(subscription).into_response();
//!
//! // Anywhere in the app:
//! let receipt = hub.publish(&jobs, Event::new("40 %")).await?;
//! assert_eq!(receipt.receivers, 1);
//!
//! // The page gets a hello, and then the event.
//! let mut body = response.into_body();
//! let _hello = body.frame().await;
//! let event = body.frame().await.and_then(|frame| frame.ok()?.into_data().ok());
//! let expected = format!("data: 40 %\nid: {}\n\n", receipt.id);
//! assert_eq!(event.as_deref(), Some(expected.as_bytes()));
//! # Ok(()) }
//! ```
//!
//! ## From an event to the pages that show it
//!
//! [`SseKit`] joins a [`Dispatcher`], which calls the handlers of an event, an
//! [`ElementUpdater`](update::ElementUpdater), which renders the event as updates of the page, and the hub.
//! [`SseKit::change`] changes the state of the app and emits the event in one step; [`SseKit::read`] reads the state with the
//! cursor of the same moment, so that a page begins exactly where its HTML ended. The module [`htmx`] writes the markup, for
//! htmx 2 and 4; with askama, maud, hypertext or minijinja a template is a [`Fragment`](htmx::Fragment) of the page.
//!
//! ## Who may see what
//!
//! A [`Gate`](http::Gate) opens a stream if the app's [`Authorizer`](http::Authorizer) grants it, asks again when the
//! grant expires, and ends the stream when the answer changes or the user signs out. A [`Quota`](http::Quota) limits the
//! streams of a client, and [`ensure_same_site`](http::ensure_same_site) refuses requests of other sites.
//!
//! ## Streams for one page
//!
//! [`SseResponse::stream`](http::SseResponse::stream) sends any stream of events, such as the tokens of an LLM. A
//! [`SharedStream`](http::SharedStream) outlives its pages, which join, leave, reload and resume.
//!
//! ## A page that knows whether it is live
//!
//! The [`monitor`] shows the state of the connection, reconnects it, and reloads the page when events are lost. With [`tabs`], all tabs of a browser share one connection.
//!
//! ## Restarts, and several nodes
//!
//! A hub keeps its events in memory, unless it is [built](Hub::builder) with another log. With [`FileLog`](file::FileLog)
//! pages resume after a deploy. With [`PostgresLog`](postgres::PostgresLog) or [`RedisLog`](redis::RedisLog) several nodes
//! are one hub. A [`Shutdown`](shutdown::Shutdown) says goodbye to every page before the process ends.
//!
//! ## Tests
//!
//! The crate [`sse-kit-test`](https://docs.rs/sse-kit-test) opens pages in the process of the test, cuts their
//! connections, and shows that each ends as a fresh page would.
//!
//! # Features
//!
//! | feature | module | content |
//! |---|---|---|
//! | (always) | [`event`] | events, ids, topics, and their wire format |
//! | `json` | | [`Event::json`]: events whose data is a value as JSON |
//! | `broadcast` | [`broadcast`] | topics, subscriptions, fan-out, history and replay |
//! | `http` | [`http`] | streams, responses and requests over the `http` crates |
//! | `axum` | [`axum`] | for axum: extractor, responses, errors, script assets, readiness, a server that says goodbye |
//! | `gzip` | | compressed streams, each event compressed once for all |
//! | `tower` | | the rules about sites and hosts as layers of tower |
//! | `file` | [`file`](mod@file) | the log in files, for a hub whose events survive a restart |
//! | `postgres` | [`postgres`] | the log in PostgreSQL, for events in transactions of the app; `postgres-tls` adds TLS |
//! | `redis` | [`redis`] | the log on Redis Streams, for hubs of several nodes; `redis-tls` adds TLS |
//! | `dispatch` | [`dispatch`] | handlers by pattern, filters, transformers, middleware |
//! | `htmx` | [`htmx`] | markup for htmx 2 and 4, for several template engines: `askama`, `hypertext`, `maud`, `minijinja` |
//! | `update` | [`update`] | from a typed event to updates of the page |
//! | `monitor` | [`monitor`] | a page that knows whether it is live, shows it, and heals itself |
//! | `inspector` | [`inspector`] | a live page of the topics, connections and events of a hub |
//! | `opentelemetry` | [`mod@opentelemetry`] | traces that lead from a request to the deliveries of its events, on every node |
//! | `kit` | | [`SseKit`]: dispatcher, updater and hub behind one `emit` |
//! | `shutdown` | [`shutdown`] | signals, goodbye, drain, deadline |
//! | `serve`, `tls` | [`serve`] | a server over hyper-util, with a fast path for streams; TLS |
//! | `tabs` | [`tabs`] | one connection for all tabs of a browser |
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

#[cfg(feature = "opentelemetry")]
pub use sse_kit_opentelemetry as opentelemetry;

#[cfg(feature = "kit")]
mod kit;
#[cfg(feature = "kit")]
pub use kit::{
    Change, ChangeError, EmitError, EmitErrorKind, Emitted, Except, IntoChange, KitStats,
    OnFailure, SseKit,
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

/// The code of the guide to traces, compiled and run.
#[cfg(all(doctest, feature = "opentelemetry"))]
#[doc = include_str!("../../../docs/src/traces.md")]
struct Traces;

/// The code of the guide to the monitor, compiled.
#[cfg(all(doctest, feature = "monitor"))]
#[doc = include_str!("../../../docs/src/monitoring.md")]
struct Monitoring;

/// The code of the page on axum, compiled.
#[cfg(all(doctest, feature = "axum", feature = "kit", feature = "monitor"))]
#[doc = include_str!("../../../docs/src/axum.md")]
struct WithAxum;

/// The code of the page about production, compiled.
#[cfg(all(doctest, feature = "axum", feature = "kit", feature = "tls"))]
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

/// The code of the guide to private streams, compiled.
#[cfg(all(doctest, feature = "axum", feature = "kit", feature = "monitor"))]
#[doc = include_str!("../../../docs/src/private-streams.md")]
struct PrivateStreams;

/// The code of the guide from axum's `Sse`, compiled.
#[cfg(all(doctest, feature = "axum", feature = "kit", feature = "monitor"))]
#[doc = include_str!("../../../docs/src/from-axum-sse.md")]
struct FromAxumSse;

/// The code of the guide to an LLM's answers, compiled.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../../../docs/src/llm.md")]
struct LlmGuide;

/// The code of the guide to observing, compiled.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../../../docs/src/observing.md")]
struct Observing;

/// The code of the page on concepts, compiled.
#[cfg(all(doctest, feature = "broadcast"))]
#[doc = include_str!("../../../docs/src/concepts.md")]
struct Concepts;

/// The code of the guide to scaling out, compiled.
#[cfg(all(doctest, feature = "redis"))]
#[doc = include_str!("../../../docs/src/scaling.md")]
struct Scaling;

/// The code of the guide to durable logs, compiled.
#[cfg(all(doctest, feature = "file", feature = "postgres"))]
#[doc = include_str!("../../../docs/src/durable-logs.md")]
struct DurableLogs;

/// The code of the guide to publishing in transactions, compiled.
#[cfg(all(doctest, feature = "postgres"))]
#[doc = include_str!("../../../docs/src/publishing-in-transactions.md")]
struct PublishingInTransactions;

/// The code of the page on other frameworks, compiled.
#[cfg(all(doctest, feature = "http"))]
#[doc = include_str!("../../../docs/src/integrations.md")]
struct Integrations;
