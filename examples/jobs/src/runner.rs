//! Running jobs: their turns, their progress, their end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::board::{Board, Full, Unstarted};
use crate::digest::Digest;
use crate::hashing::{HashError, Lanes, hash_folder};
use crate::job::{Folder, JobId, State};
use crate::progress::{Progress, Tally};

/// The number of jobs that run at once; others wait in turn.
const RUNNING: usize = 4;

/// The shortest interval between two progress updates of a job.
const PROGRESS_EVERY: Duration = Duration::from_millis(50);

/// Starts jobs and runs them. Cheap to clone; all clones share the machine.
#[derive(Clone, Debug)]
pub(crate) struct Runner {
    board: Arc<Board>,
    turns: Arc<Semaphore>,
    lanes: Lanes,
}

impl Runner {
    pub(crate) fn new(board: Arc<Board>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, Into::into);
        Self { board, turns: Arc::new(Semaphore::new(RUNNING)), lanes: Lanes::new(cores) }
    }

    pub(crate) async fn start(&self, folder: Folder) -> Result<JobId, Full> {
        // In a task of its own: if the client that asked for it disconnects halfway, the job still
        // has to run.
        let runner = self.clone();
        let starting = tokio::spawn(async move {
            let (id, cancel) = runner.board.add(folder.clone()).await?;
            tokio::spawn(runner.run(id, folder, cancel));
            Ok(id)
        });
        starting.await.expect("nobody aborts it, and it does not panic")
    }

    /// Runs the jobs that the process before had not ended.
    pub(crate) fn resume(&self, unstarted: Vec<Unstarted>) {
        for (id, folder, cancel) in unstarted {
            tokio::spawn(self.clone().run(id, folder, cancel));
        }
    }

    async fn run(self, id: JobId, folder: Folder, cancel: CancellationToken) {
        let _turn = tokio::select! {
            biased;
            () = cancel.cancelled() => {
                return self.board.enter(id, State::Cancelled, Progress::default()).await;
            }
            turn = self.turns.acquire() => turn,
        };
        self.board.enter(id, State::Running, Progress::default()).await;
        let tally = Arc::new(Tally::default());
        let state = match self.hash(id, &folder, &tally, cancel).await {
            Ok(digest) => State::Done(digest),
            Err(HashError::Cancelled) => State::Cancelled,
            Err(error) => State::Failed(error.to_string()),
        };
        self.board.enter(id, state, tally.progress()).await;
    }

    /// Hashes, and tells the board of the progress meanwhile.
    async fn hash(
        &self,
        id: JobId,
        folder: &Folder,
        tally: &Arc<Tally>,
        cancel: CancellationToken,
    ) -> Result<Digest, HashError> {
        let lanes = self.lanes.clone();
        let hashing = hash_folder(folder.path().into(), lanes, Arc::clone(tally), cancel);
        let mut hashing = std::pin::pin!(hashing);
        let mut told = Progress::default();
        let mut tick = tokio::time::interval(PROGRESS_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                digest = &mut hashing => return digest,
                _ = tick.tick() => {
                    let progress = tally.progress();
                    if progress != told {
                        self.board.progress(id, progress.clone()).await;
                        told = progress;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
