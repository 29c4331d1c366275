//! The log of sse-kit on Redis Streams: several nodes, one order of events.
//!
//! ```no_run
//! use sse_kit_broadcast::Hub;
//! use sse_kit_redis::{RedisConfig, RedisLog};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let log = RedisLog::connect(RedisConfig::new("redis://127.0.0.1:6379")?).await?;
//! let redis = log.monitor(); // for health checks and metrics
//! let hub = Hub::builder().log(log).build()?;
//! # Ok(()) }
//! ```
//!
//! # What happens where
//!
//! `publish` appends the event to a stream in Redis and returns its id. Every node reads the stream
//! on its own connection and delivers what it reads, including its own events, so all nodes deliver
//! the same events in the same order. A node that starts reads the newest events first, so it can
//! serve clients that resume with ids from other nodes.
//!
//! # When Redis fails
//!
//! Streams stay open; heartbeats and replay from memory go on. The node retries an append until its
//! deadline, under an idempotency key, so that it is not written twice. After that, the error says
//! whether it may have been written.
//!
//! When Redis restarts, or another server takes over, the log waits for its nodes: see
//! [`RedisConfig::roll_call`]. It continues if none of them knows more records than Redis has.
//! Otherwise the log begins a new epoch, and every stream gets a gap. No event is guaranteed to
//! survive a power loss.
//!
//! `maxmemory-policy` must be `noeviction`: any other policy may evict the log. If Redis is full,
//! appends fail with [`AppendError::Full`](sse_kit_broadcast::AppendError::Full).
//!
//! # Publishing from elsewhere
//!
//! Any program that speaks to Redis can publish by running [`APPEND_SCRIPT`]. The folder
//! `publishers` of this crate has one in Python and one in JavaScript.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
mod appender;
mod archive;
mod config;
mod entry;
mod link;
mod outage;
mod page;
mod presence;
mod reader;
mod redis_log;
mod refusal;
mod status;
mod warm_up;

pub use config::{LogName, RedisConfig};
pub use presence::{Member, MembersError, RedisPresence};
pub use redis_log::{RedisConnectError, RedisLog};
pub use status::{RedisStats, RedisStatus};

/// The Lua script that appends a record. Every node and every other publisher runs it. The comment
/// at its beginning documents arguments and results.
///
/// For a log named `N` the keys are `{N}:log`, `{N}:meta` and `{N}:once:R`, where `R` is the random
/// text that makes a second run of the same append harmless.
pub const APPEND_SCRIPT: &str = include_str!("append.lua");
