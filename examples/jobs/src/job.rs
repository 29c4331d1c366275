//! One job, as a plain value: what the page shows of it, and nothing that runs.

use std::fmt;
use std::num::ParseIntError;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::progress::{Progress, Size};

/// Names a job: 1 is the first since the server was started. Nodes that share a board have ids of their
/// own, ten thousand apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct JobId(u64);

impl JobId {
    pub(crate) const FIRST: Self = Self(1);

    /// Returns the first id of a node that shares the board with others.
    pub(crate) fn of_node(node: u64) -> Self {
        Self(node.saturating_mul(10_000).saturating_add(1))
    }

    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for JobId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// The folder of a job, as somebody typed it. Whether it exists is for the job to find out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// The longest path that Linux takes.
    const MAX_LEN: usize = 4096;

    pub(crate) fn parse(typed: &str) -> Result<Self, FolderError> {
        match typed.trim() {
            "" => Err(FolderError::Empty),
            path if path.len() > Self::MAX_LEN => Err(FolderError::TooLong),
            path if path.contains('\0') => Err(FolderError::Nul),
            path => Ok(Self(path.into())),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

/// The reason why a text names no folder. The messages are read on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FolderError {
    #[error("Which folder? Type its path first.")]
    Empty,
    #[error("No path is longer than {max} bytes.", max = Folder::MAX_LEN)]
    TooLong,
    #[error("No path has a NUL character in it.")]
    Nul,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
    /// Waits for its turn.
    Queued,
    Running,
    /// Ended. Files that could not be read are in [`Progress::errors`].
    Done(Digest),
    /// Ended, because of this.
    Failed(String),
    Cancelled,
}

impl State {
    /// Returns the value of `data-state`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done(_) => "done",
            Self::Failed(_) => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Returns the label that people read.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Queued => "Queued",
            Self::Running => "Running",
            Self::Done(_) => "Done",
            Self::Failed(_) => "Failed",
            Self::Cancelled => "Cancelled",
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// A job, as it is at one moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) id: JobId,
    pub(crate) folder: Folder,
    pub(crate) state: State,
    pub(crate) progress: Progress,
    /// The time for which it has been running, or ran.
    pub(crate) elapsed: Duration,
}

impl Job {
    pub(crate) fn new(id: JobId, folder: Folder) -> Self {
        let (progress, elapsed) = (Progress::default(), Duration::ZERO);
        Self { id, folder, state: State::Queued, progress, elapsed }
    }

    /// Returns the rate in bytes per second, after enough time to measure it.
    pub(crate) fn rate(&self) -> Option<u64> {
        let millis = self.elapsed.as_millis();
        let rate = (u128::from(self.progress.done.bytes) * 1000).checked_div(millis)?;
        u64::try_from(rate).ok().filter(|rate| *rate > 0)
    }

    pub(crate) fn stage(&self) -> Stage {
        let Progress { found, listed, done, .. } = self.progress;
        match self.state {
            State::Queued => Stage::Waiting,
            State::Running if !listed => Stage::Listing,
            State::Failed(_) | State::Cancelled if done == Size::default() => Stage::Nothing,
            _ if done == found => Stage::All,
            _ => Stage::Part,
        }
    }

    /// Returns the position of the bar, between 0 and 1000; `None` while a running job does not
    /// know how much there is to do: then the bar only says that something happens.
    pub(crate) fn permille(&self) -> Option<u64> {
        match self.state {
            State::Running => self.progress.permille(),
            State::Done(_) => Some(1000),
            _ => Some(self.progress.permille().unwrap_or(0)),
        }
    }
}

/// The part of its work that a job has done, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Waiting,
    Listing,
    Nothing,
    Part,
    All,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_folder_is_told_why() {
        assert_eq!(Folder::parse("  "), Err(FolderError::Empty));
        assert_eq!(Folder::parse("a\0b"), Err(FolderError::Nul));
        assert_eq!(Folder::parse(&"x".repeat(4097)), Err(FolderError::TooLong));
        assert_eq!(Folder::parse(" /tmp ").map(|folder| folder.to_string()), Ok("/tmp".into()));
    }
}
