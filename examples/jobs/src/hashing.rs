//! Hashing the files of a folder: the real work of this example.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet, spawn_blocking};
use tokio_util::sync::CancellationToken;

use crate::digest::{Digest, manifest_digest};
use crate::file_hash::FileHash;
use crate::progress::Tally;
use crate::walk::{FoundFile, WalkError, find_files};

/// The lanes: the number of files that are read at once, by all jobs together. Cheap to clone.
///
/// Jobs share the lanes fairly: a file keeps a lane for a slice and then queues again, and the
/// semaphore serves waiting files in turn. So a job of few small files ends soon, whatever else is
/// running.
#[derive(Clone, Debug)]
pub(crate) struct Lanes {
    free: Arc<Semaphore>,
    count: usize,
}

impl Lanes {
    pub(crate) fn new(count: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), count }
    }
}

/// A job's files, and what its threads share.
#[derive(Debug)]
struct Work {
    folder: Arc<Path>,
    files: Vec<FoundFile>,
    lanes: Lanes,
    tally: Arc<Tally>,
    cancel: CancellationToken,
}

/// Computes the digest of a folder. Files that cannot be read are noted in `tally` and left out.
///
/// # Cancel safety
///
/// Cancel it by `cancel`, not by dropping it: only then is nothing read any more once it is ready.
pub(crate) async fn hash_folder(
    folder: Arc<Path>,
    lanes: Lanes,
    tally: Arc<Tally>,
    cancel: CancellationToken,
) -> Result<Digest, HashError> {
    let files = {
        let (folder, tally, cancel) = (Arc::clone(&folder), Arc::clone(&tally), cancel.clone());
        spawn_blocking(move || find_files(&folder, &tally, &cancel)).await??
    };
    Arc::new(Work { folder, files, lanes, tally, cancel }).digest().await
}

impl Work {
    async fn digest(self: Arc<Self>) -> Result<Digest, HashError> {
        let mut digests = vec![None; self.files.len()];
        let mut under_way = JoinSet::new();
        let mut indices = 0..self.files.len();
        loop {
            // A job queues for as many lanes as there are and no more, or the job with the most
            // files would have the most of them.
            while under_way.len() < self.lanes.count
                && let Some(index) = indices.next()
            {
                under_way.spawn(Arc::clone(&self).hash_file(index));
            }
            let Some(hashed) = under_way.join_next().await else { break };
            let (index, digest) = hashed??;
            digests[index] = digest;
            if self.cancel.is_cancelled() {
                indices = 0..0;
            }
        }
        if self.cancel.is_cancelled() {
            return Err(HashError::Cancelled);
        }
        let paths = self.files.iter().map(|file| &*file.path);
        Ok(manifest_digest(paths.zip(digests).filter_map(|(path, digest)| Some((path, digest?)))))
    }

    /// Hashes one file; `None` if it cannot be read, or if the job is cancelled.
    async fn hash_file(
        self: Arc<Self>,
        index: usize,
    ) -> Result<(usize, Option<Digest>), JoinError> {
        let mut begun = None;
        while let Some(lane) = self.lane().await {
            let work = Arc::clone(&self);
            let slice = spawn_blocking(move || {
                let _lane = lane;
                work.hash_slice(&work.files[index], begun)
            });
            match slice.await? {
                Slice::More(hash) => begun = Some(hash),
                Slice::Last(digest) => return Ok((index, digest)),
            }
        }
        Ok((index, None))
    }

    async fn lane(&self) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => None,
            lane = Arc::clone(&self.lanes.free).acquire_owned() => lane.ok(),
        }
    }

    fn hash_slice(&self, file: &FoundFile, begun: Option<FileHash>) -> Slice {
        let mut hash = match begun.map_or_else(|| self.begin(file), Ok) {
            Ok(hash) => hash,
            Err(error) => return self.give_up(file, file.bytes, &error),
        };
        match hash.next_slice(&self.tally, &self.cancel) {
            Ok(None) => Slice::More(hash),
            Ok(Some(digest)) => {
                self.tally.ended(hash.uncounted());
                Slice::Last(Some(digest))
            }
            Err(error) => self.give_up(file, hash.uncounted(), &error),
        }
    }

    fn begin(&self, file: &FoundFile) -> io::Result<FileHash> {
        self.tally.begun(&file.path);
        FileHash::open(&self.folder.join(&file.path), file.bytes)
    }

    fn give_up(&self, file: &FoundFile, uncounted: u64, error: &io::Error) -> Slice {
        self.tally.unreadable(&file.path, error);
        self.tally.ended(uncounted);
        Slice::Last(None)
    }
}

/// The outcome of a turn on a lane.
enum Slice {
    More(FileHash),
    /// The file has ended; without a digest when it could not be read.
    Last(Option<Digest>),
}

/// The reason why a folder has no digest.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HashError {
    #[error(transparent)]
    Walk(WalkError),
    #[error("cancelled")]
    Cancelled,
    #[error("the work on it broke off")]
    Broken(#[from] JoinError),
}

impl From<WalkError> for HashError {
    fn from(error: WalkError) -> Self {
        match error {
            WalkError::Cancelled => Self::Cancelled,
            error => Self::Walk(error),
        }
    }
}

#[cfg(test)]
mod tests;
