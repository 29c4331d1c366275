//! The broadcast core of sse-kit: an event is published once, and every subscriber of its topic gets
//! it, in order, without holding up any other.
//!
//! ```
//! use sse_kit_broadcast::{Broadcaster, Delivery};
//! use sse_kit_event::{Event, Topic};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = Broadcaster::new();
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
//! [`Broadcaster::publish`] runs the broadcast hooks, appends the event to the [`Log`], which gives
//! it its id, and returns; it never waits for a subscriber. What comes back from the log is put into
//! the topic's history and handed to one fan-out task per shard, which puts the same bytes into
//! the queue of each subscriber. A [`Subscription`] takes them from there.
//!
//! # When a subscriber is too slow
//!
//! Its queue is bounded. When it is full, [`SlowConsumer`] says what happens: the subscription
//! catches up from history (the default), keeps only the newest event of each key, drops the oldest,
//! or ends. Where events are lost for good the subscriber is told so by one [`Delivery::Gap`], and
//! never left in the dark.
//!
//! # Resuming
//!
//! A client that was cut off comes back with the id of the last event it saw:
//! [`Subscribe::resume`] gives it what it missed and then what comes, with nothing lost or sent
//! twice in between. A page can resume from the moment before it was rendered: see
//! [`Broadcaster::cursor`].
//!
//! # Bounded memory
//!
//! History is bounded by events per topic, by age and by bytes in all; a queue by events and by
//! bytes. See [`Builder`].
//!
//! # Features
//!
//! `conformance` adds the module of that name, for those who write a [`Log`].

mod broadcaster;
mod builder;
#[cfg(feature = "conformance")]
pub mod conformance;
mod connection;
mod core;
mod counters;
mod delivery;
mod drain;
mod entry;
mod held;
mod history;
mod hooks;
mod interest;
mod ledger;
mod log;
mod memory_log;
mod pattern_index;
mod presence;
mod publish;
mod queue;
mod reach_back;
mod recent;
mod router;
mod shard;
mod subscribe;
mod subscription;
mod tap;

pub use broadcaster::{Broadcaster, Except};
pub use builder::{BuildError, Builder};
pub use connection::{Connection, ConnectionId, ConnectionIdError, ConnectionState, Departure};
pub use counters::Stats;
pub use delivery::{Delivery, Goodbye};
pub use drain::Drain;
pub use entry::Entry;
pub use hooks::{Draft, HookError, Verdict};
pub use log::{AppendError, Appended, BoxFuture, Inlet, InletError, Log, Page, ReadError, Record};
pub use memory_log::MemoryLog;
pub use presence::{PresenceChange, PresenceError, PresenceWatch};
pub use publish::{LogFailure, PublishError, Reach, Receipt, SendError};
pub use queue::SlowConsumer;
pub use router::{Router, RouterError};
pub use subscribe::{Subscribe, SubscribeError};
pub use subscription::Subscription;
pub use tap::{Tap, TapError};
