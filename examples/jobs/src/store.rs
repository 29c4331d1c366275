//! The jobs on disk, for the process that comes next.
//!
//! The log keeps the events that were published, and this file the state. A process that dies in
//! between has published one change less, or one more, than the file has; the next process
//! publishes it again.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use fs4::FileExt;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::job::{Job, JobId};

/// Everything that a board knows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Saved {
    pub(crate) newest_first: Vec<Job>,
    /// The job whose change the pages may have missed.
    pub(crate) changed: Option<JobId>,
}

/// The file of the jobs.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    #[expect(dead_code, reason = "its lock is held until the process ends, after that of the log")]
    lock: File,
    /// Held while the file is written, so that an older state never replaces a newer one.
    turn: Mutex<()>,
}

impl Store {
    /// Returns the path of the log, in the directory of a board.
    pub(crate) fn events(directory: &Path) -> PathBuf {
        directory.join("events")
    }

    /// Reads the jobs of the process before, if there was one. Waits until it has written its last.
    pub(crate) fn open(directory: &Path) -> anyhow::Result<(Self, Saved)> {
        let lock = File::create(directory.join("jobs.lock"))?;
        FileExt::lock(&lock)?;
        let path = directory.join("jobs.json");
        let saved = match fs::read(&path) {
            Ok(json) => serde_json::from_slice(&json)
                .with_context(|| format!("{} has no jobs in it", path.display()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Saved::default(),
            Err(error) => return Err(error).context(path.display().to_string()),
        };
        Ok((Self { path, lock, turn: Mutex::default() }, saved))
    }

    /// Writes the jobs as they are when it is this call's turn.
    pub(crate) async fn save(&self, saved: impl Future<Output = Saved>) -> anyhow::Result<()> {
        let _turn = self.turn.lock().await;
        let (saved, path) = (saved.await, self.path.clone());
        let write = move || replace(&path, &serde_json::to_vec(&saved)?);
        tokio::task::spawn_blocking(write).await??;
        Ok(())
    }
}

/// Replaces the content of a file, also when the power is lost meanwhile: with all of it, or nothing.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let mut file = File::create(&unfinished)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    match path.parent() {
        Some(directory) if cfg!(unix) => File::open(directory)?.sync_all(),
        _ => Ok(()),
    }
}
