//! A test suite that checks whether a [`Log`] keeps the promises of the trait. Authors of logs run
//! it.
//!
//! ```
//! use sse_kit_broadcast::conformance::{self, Subject};
//! use sse_kit_broadcast::{BoxFuture, MemoryLog};
//!
//! struct Memory;
//!
//! impl Subject for Memory {
//!     type Log = MemoryLog;
//!
//!     fn node(&mut self) -> BoxFuture<'_, MemoryLog> {
//!         Box::pin(async { MemoryLog::new().expect("random numbers") })
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), conformance::ConformanceError> {
//! let report = conformance::check(&mut Memory).await?;
//! assert!(report.kept.contains(&"offsets are dense"));
//! assert!(report.untried.contains(&"a lost reply makes no duplicate"));
//! # Ok(()) }
//! ```

mod appends;
mod delivery;
mod losses;
mod node;
mod restarts;

use futures_core::future::BoxFuture;

use crate::log::Log;

/// The log under test, and the faults that the suite can inject.
///
/// A fault that a log cannot simulate keeps its default method; the suite then skips the promises
/// about it.
pub trait Subject: Send {
    /// The type of the log.
    type Log: Log;

    /// Opens one more node on the log. If the log is [shared](Log::is_shared), all nodes are on the
    /// same log; otherwise the suite calls this once per check.
    fn node(&mut self) -> BoxFuture<'_, Self::Log>;

    /// Opens the log of the last node again, after that node was dropped, as the next process would.
    /// Returns `None` if the log does not outlive its process.
    fn reopen(&mut self) -> BoxFuture<'_, Option<Self::Log>> {
        Box::pin(async { None })
    }

    /// Ends the process of the last node at this moment, which does not close its log: nothing that
    /// the node does later has an effect. Returns `true` if it did; then [`Subject::reopen`] opens
    /// the log as the next process finds it.
    fn crash(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async { false })
    }

    /// Saves a copy of the log, of which a node may be open. Returns `true` if it did.
    fn save(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async { false })
    }

    /// Puts the saved copy in the place of the log, after its node was dropped. Returns `true` if it
    /// did; then [`Subject::reopen`] opens the copy.
    fn restore(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async { false })
    }

    /// Deletes all records and all other state of the log. Returns `true` if it did.
    fn wipe(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async { false })
    }

    /// Deletes all records up to and including this offset. Returns `true` if it did.
    fn trim(&mut self, through: u64) -> BoxFuture<'_, bool> {
        let _ = through;
        Box::pin(async { false })
    }

    /// Makes the next append of any node succeed but loses the reply. Returns `true` if it will.
    fn lose_reply(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async { false })
    }
}

/// The result of the suite.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The promises that the log kept.
    pub kept: Vec<&'static str>,
    /// The promises that could not be tested on this log.
    pub untried: Vec<&'static str>,
}

/// A promise that the log broke.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{promise}: {found}")]
#[non_exhaustive]
pub struct ConformanceError {
    /// The name of the promise.
    pub promise: &'static str,
    /// The behaviour found instead.
    pub found: String,
}

/// Tests every promise, one after another, on a Tokio runtime with time enabled.
///
/// The log must have no other nodes meanwhile.
///
/// # Errors
///
/// [`ConformanceError`] for the first promise that the log broke.
///
/// # Cancel safety
///
/// If the future is dropped, the suite stops. Records that it appended stay in the log, and a lost
/// reply that was requested may still happen.
pub async fn check<S: Subject>(subject: &mut S) -> Result<Report, ConformanceError> {
    let mut report = Report::default();
    delivery::order(subject, &mut report).await?;
    delivery::contents(subject, &mut report).await?;
    delivery::tail(subject, &mut report).await?;
    delivery::reading(subject, &mut report).await?;
    delivery::reading_by_topic(subject, &mut report).await?;
    appends::once(subject, &mut report).await?;
    appends::follow_ups(subject, &mut report).await?;
    appends::conditions(subject, &mut report).await?;
    appends::ambiguity(subject, &mut report).await?;
    losses::future(subject, &mut report).await?;
    losses::close(subject, &mut report).await?;
    losses::trim(subject, &mut report).await?;
    losses::epoch(subject, &mut report).await?;
    restarts::resuming(subject, &mut report).await?;
    restarts::crash(subject, &mut report).await?;
    restarts::fork(subject, &mut report).await?;
    Ok(report)
}

impl Report {
    fn keep(
        &mut self,
        promise: &'static str,
        kept: bool,
        found: impl std::fmt::Debug,
    ) -> Result<(), ConformanceError> {
        if !kept {
            return Err(ConformanceError { promise, found: format!("{found:?}") });
        }
        if !self.kept.contains(&promise) {
            self.kept.push(promise);
        }
        Ok(())
    }
}
