//! The broadcast core of sse-kit: the app publishes an event once, and every subscriber of its
//! topic receives it in order. A slow subscriber never delays another.
//!
//! ```
//! use sse_kit_broadcast::{Hub, Delivery};
//! use sse_kit_event::{Event, Topic};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = Hub::new();
//! let jobs: Topic = "jobs:17".parse()?;
//! let mut subscription = hub.subscribe(&jobs).open()?;
//!
//! let receipt = hub.publish(&jobs, Event::new("40 %")).await?;
//! assert_eq!(receipt.receivers, 1);
//!
//! let Some(Delivery::Entry(entry)) = subscription.recv().await else { panic!("an event") };
//! assert_eq!(entry.id(), receipt.id);
//! # Ok(()) }
//! ```
//!
//! # How events travel
//!
//! [`Hub::publish`] runs the broadcast hooks and appends the event to the [`Log`], which assigns
//! its id. It never waits for a subscriber. The hub adds each record that the log delivers to the
//! topic's history and passes it to one fan-out task per shard. The task puts the same bytes into
//! the queue of each subscriber, and a [`Subscription`] takes them from there.
//!
//! # When a subscriber is too slow
//!
//! Each queue is bounded. When it is full, [`SlowConsumer`] decides: the subscription catches up
//! from history (the default), keeps only the newest event of each key, drops the oldest events, or
//! ends. If events are lost, the subscriber always receives a [`Delivery::Gap`].
//!
//! # Resuming
//!
//! A client that reconnects sends the id of the last event it saw. [`SubscriptionBuilder::resume`]
//! delivers the events it missed and then continues live, without losing or repeating an event in
//! between. A page can also resume from the moment before it was rendered: see [`Hub::cursor`].
//!
//! # Bounded memory
//!
//! History is bounded by events per topic, by age and by total bytes; a queue is bounded by events
//! and by bytes. See [`HubBuilder`].
//!
//! # Features
//!
//! `conformance` adds the module [`conformance`], a test suite for authors of a [`Log`].
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(target_has_atomic = "64"))]
compile_error!("sse-kit-broadcast needs 64-bit atomics, for positions in the log");
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
compile_error!("sse-kit-broadcast needs a clock, which wasm32-unknown-unknown does not have");

mod backfill;
mod budget;
mod builder;
mod client_key;
mod coalescer;
mod compressed;
#[cfg(feature = "conformance")]
pub mod conformance;
mod connection;
mod connection_set;
mod connection_stats;
mod connection_watch;
mod counters;
mod delivery;
mod drain;
mod ending;
mod entry;
mod fan_out;
mod histogram;
mod history;
mod hook_return;
mod hooks;
mod hub;
mod hub_router;
mod hub_state;
mod idempotency_window;
mod inlet;
mod interests;
mod ledger;
mod lifecycle;
mod lineage;
mod lists;
mod log;
mod log_order;
mod log_status;
mod memory_log;
mod mode;
mod node;
mod offer;
mod opening;
mod pattern_index;
mod pending_subscription;
mod presence;
mod presence_by_key;
mod prometheus;
mod publish;
mod publish_error;
mod publisher;
mod queue;
mod queue_limits;
mod receipt;
mod record;
mod recv_error;
mod replay;
mod retention;
mod ring;
mod shard;
mod slow_consumer;
mod stable_hash;
mod start;
mod subscribe;
mod subscription;
mod tap;
mod topic_stats;
mod topic_table;
mod tracing_links;
mod turns;
mod waiting;

pub use futures_core::future::BoxFuture;
pub use sse_kit_event::ConnectionId;

pub use crate::builder::{HubBuildError, HubBuilder};
pub use crate::client_key::ClientKey;
pub use crate::compressed::CompressionWindow;
pub use crate::connection::Connection;
pub use crate::connection_set::ConnectionSet;
pub use crate::connection_stats::ConnectionStats;
pub use crate::connection_watch::{ConnectionEvent, ConnectionWatch};
pub use crate::counters::{Counter, Stats};
pub use crate::delivery::Delivery;
pub use crate::drain::Drain;
pub use crate::ending::{CloseReason, ConnectionState, Goodbye};
pub use crate::entry::Entry;
pub use crate::histogram::{Distribution, Histogram};
pub use crate::hook_return::{AsyncHook, HookOutput, HookReturn, SyncHook};
pub use crate::hooks::{Draft, HookError, Verdict};
pub use crate::hub::Hub;
pub use crate::hub_router::{HubRouter, HubRouterError};
pub use crate::hub_state::InletError;
pub use crate::idempotency_window::{IdempotencyWindow, PublishedBefore};
pub use crate::inlet::{Inlet, Mark};
pub use crate::lineage::Lineage;
pub use crate::log::{AppendError, Appended, Log, LogPage, ReadError};
pub use crate::log_status::{LogHealth, LogMonitor, LogStats};
pub use crate::memory_log::MemoryLog;
pub use crate::pending_subscription::PendingSubscription;
pub use crate::presence::{PresenceChange, PresenceWatch};
pub use crate::presence_by_key::PresenceByKey;
pub use crate::publish::Publish;
pub use crate::publish_error::{PublishError, SendError};
pub use crate::receipt::{OnAppendFailure, Reach, Receipt};
pub use crate::record::{Append, Once, Record};
pub use crate::recv_error::RecvError;
pub use crate::slow_consumer::SlowConsumer;
pub use crate::start::Start;
pub use crate::subscribe::{SubscribeError, SubscriptionBuilder};
pub use crate::subscription::Subscription;
pub use crate::tap::Tap;
pub use crate::topic_stats::{TopicPage, TopicStats};
pub use crate::tracing_links::TracePropagation;
