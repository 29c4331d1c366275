//! Whether a [`Log`] keeps its promises: a suite that its author can run.
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

use futures_core::future::BoxFuture;

use crate::log::Log;

/// The log that is tried, and what can be done to it.
///
/// What a log cannot have done to it stays as it is here, and the promises about it are not tried.
pub trait Subject: Send {
    /// The log.
    type Log: Log;

    /// One more node on the log. All of them are the same log where it is
    /// [shared](Log::is_shared); where it is not, this is called once for each check.
    fn node(&mut self) -> BoxFuture<'_, Self::Log>;

    /// Loses all records, and everything else that the log knows; true when it did.
    fn wipe(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async { false })
    }

    /// Drops all records but those that come after this offset; true when it did.
    fn trim(&mut self, through: u64) -> BoxFuture<'_, bool> {
        let _ = through;
        Box::pin(async { false })
    }

    /// The next append of any node is carried out, but the node is not told: the reply gets lost. True
    /// when that will be so.
    fn lose_reply(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async { false })
    }
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The promises that were kept.
    pub kept: Vec<&'static str>,
    /// The promises that could not be tried on this log.
    pub untried: Vec<&'static str>,
}

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{promise}: {found}")]
#[non_exhaustive]
pub struct ConformanceError {
    /// Which one.
    pub promise: &'static str,
    /// What was found instead.
    pub found: String,
}

/// Tries every promise, one after another, on a Tokio runtime with time.
///
/// The log must have no other nodes meanwhile.
///
/// # Errors
///
/// The first promise that was not kept.
pub async fn check<S: Subject>(subject: &mut S) -> Result<Report, ConformanceError> {
    let mut report = Report::default();
    delivery::order(subject, &mut report).await?;
    delivery::contents(subject, &mut report).await?;
    delivery::tail(subject, &mut report).await?;
    delivery::reading(subject, &mut report).await?;
    appends::once(subject, &mut report).await?;
    appends::follow_ups(subject, &mut report).await?;
    appends::conditions(subject, &mut report).await?;
    appends::ambiguity(subject, &mut report).await?;
    losses::future(subject, &mut report).await?;
    losses::close(subject, &mut report).await?;
    losses::trim(subject, &mut report).await?;
    losses::epoch(subject, &mut report).await?;
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
