//! The log of sse-kit in files: events survive the process that published them.
//!
//! ```
//! use sse_kit_broadcast::Hub;
//! use sse_kit_event::{Event, LastEventId, Topic};
//! use sse_kit_file::{FileConfig, FileLog};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let store = directory.path().join("store");
//! let topic: Topic = "jobs".parse()?;
//! let hub = Hub::builder().log(FileLog::open(FileConfig::new(&store)).await?).build()?;
//! let seen = hub.publish(&topic, Event::new("40 %")).await?.id;
//! hub.publish(&topic, Event::new("50 %")).await?;
//! drop(hub);
//!
//! // The next process: a page that has seen the first event gets the second, and no gap.
//! let hub = Hub::builder().log(FileLog::open(FileConfig::new(&store)).await?).build()?;
//! let mut page = hub.subscribe(&topic).resume(LastEventId::Known(seen)).open()?;
//! let message = page.recv().await.and_then(|delivery| delivery.message());
//! assert_eq!(message.map(|message| message.data.to_string()), Some("50 %".to_owned()));
//! # Ok(()) }
//! ```
//!
//! # Promises
//!
//! An event that was acknowledged is in the store: after the end of the process, and with
//! [`SyncMode::Always`] after a loss of power. The hub delivers it only then, so no page has seen an
//! event that the store may lose. All publishers that wait at the same time share one write and one
//! sync.
//!
//! # When something is lost nevertheless
//!
//! Each opening of a store begins a new epoch, which continues the one before up to the last event
//! found. A page that has seen more gets a gap: after a torn write, after a disk that lost data that
//! it had confirmed, and after a backup was put back. Other pages resume without a gap.
//!
//! Each batch of events has a checksum. A torn batch at the end is not part of the log. A damaged one
//! before others is noticed: its file and the older ones are renamed and no longer read, and pages
//! that resume from there get a gap.
//!
//! # One process
//!
//! A store has one writer. [`FileLog::open`] waits for the lock while the process before ends. For
//! several processes at the same time, use a log that they share.

mod batch;
mod catalog;
mod config;
mod disk;
mod error;
mod file_log;
mod lock;
#[cfg(test)]
mod model;
mod queue;
mod record;
mod recovery;
mod scan;
mod segment;
mod status;
mod tail;
mod writer;

pub use config::{FileConfig, SyncMode};
pub use error::FileOpenError;
pub use file_log::FileLog;
pub use status::{FileStats, FileStatus};
