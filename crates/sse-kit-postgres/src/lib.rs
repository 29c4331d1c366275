//! The log of sse-kit in PostgreSQL: publish inside the app's own transaction.
//!
//! ```no_run
//! use sse_kit_broadcast::Hub;
//! use sse_kit_event::{Event, Topic};
//! use sse_kit_postgres::{Outbox, PostgresConfig, PostgresLog};
//!
//! # async fn example(client: &mut tokio_postgres::Client) -> Result<(), Box<dyn std::error::Error>> {
//! let log = PostgresLog::connect(PostgresConfig::new("postgres://app@127.0.0.1/shop")?).await?;
//! let postgres = log.monitor(); // for health checks and metrics
//! let hub = Hub::builder().log(log).build()?;
//!
//! // The event exists if and only if the order does.
//! let orders: Topic = "orders".parse()?;
//! let mut transaction = client.transaction().await?;
//! transaction.execute("insert into orders (item) values ('tea')", &[]).await?;
//! transaction.publish(&orders, Event::new("tea")).await?;
//! transaction.commit().await?;
//! # Ok(()) }
//! ```
//!
//! # What happens where
//!
//! Publishing in a transaction puts the event into a table, and waits for nobody. After the commit, a
//! node gives the event its id and delivers it; all nodes deliver the same events in the same order.
//! Any language, ORM or trigger publishes with the SQL function `sse.publish(topic, name, data, key,
//! once)`. `Hub::publish` works too: it appends to the same log, after every event that was committed
//! before.
//!
//! Events are in the order of their commits: two events about a row that their transactions have
//! locked are delivered in the order in which the row changed.
//!
//! # When PostgreSQL fails
//!
//! Streams stay open; heartbeats and replay from memory go on, and the node reconnects by itself.
//! Each start of a server, each failover and each restored backup begins a new epoch that continues
//! the one before. Pages that have seen nothing of what was lost resume; the others get a gap.
//!
//! # Connections
//!
//! A node uses two connections, and a third one while it reads old events. They need sessions of
//! their own: connect nodes directly to PostgreSQL 14 or newer, not through a pool of transactions.
//! Publishing transactions may go through such a pool.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod appender;
mod archive;
mod batch;
mod config;
mod error;
mod hosts;
mod link;
mod outbox;
mod pace;
mod page;
mod postgres_log;
mod queue;
mod reader;
mod schema;
mod session;
mod status;
#[cfg(feature = "tls")]
mod tls;
mod warm_up;

pub use config::PostgresConfig;
pub use error::PostgresConnectError;
pub use outbox::{Outbox, OutboxError};
pub use postgres_log::PostgresLog;
pub use schema::MIGRATION;
pub use status::{PostgresStats, PostgresStatus};
