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
//! `publish` appends the event to a stream in Redis and returns with its id. Every node reads the
//! stream on a connection of its own, and delivers what it reads, its own events included; so all
//! nodes deliver the same events in the same order. A node that starts reads the newest events
//! first, and so can serve clients that resume from ids of other nodes.
//!
//! # When Redis fails
//!
//! Streams stay open, heartbeats and replay from memory go on. An append is tried again until its
//! deadline, under an idempotency key, so that it is not written twice; then its error says whether it
//! may have been written.
//!
//! When Redis restarts, or another server takes over, the log waits for its nodes: see
//! [`RedisConfig::roll_call`]. It goes on where none of them knows of more than Redis has. Otherwise the
//! log gets a new epoch, and every stream gets a gap. No event is promised to survive a loss of power.
//!
//! `maxmemory-policy` must be `noeviction`: any other may evict the log. A full Redis is then
//! [`AppendError::Full`](sse_kit_broadcast::AppendError::Full).
//!
//! # Publishing from elsewhere
//!
//! Anything that speaks to Redis can publish, by running [`APPEND_SCRIPT`]. `publishers` beside the
//! sources of this crate has a program that does in Python and one in JavaScript.

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

pub use config::{LogName, LogNameError, RedisConfig, RedisConfigError};
pub use presence::{Member, MembersError, RedisPresence};
pub use redis_log::{ConnectError, RedisLog};
pub use status::{RedisHealth, RedisStats, RedisStatus};

/// The Lua script that appends a record, as every node and every other publisher runs it. The
/// comment at its beginning says what it is given and what it returns.
///
/// For a log named `N` the keys are `{N}:log`, `{N}:meta` and `{N}:once:R`, where `R` is the random
/// text that makes a second run of the same append harmless.
pub const APPEND_SCRIPT: &str = include_str!("append.lua");
