//! The appends that wait for the writer.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use sse_kit_broadcast::{Append, AppendError, Appended};
use tokio::sync::oneshot;

/// The maximum number of waiting appends, and their maximum size in bytes.
const MAX_WAITING: usize = 65_536;
const MAX_BYTES: usize = 64 << 20;

/// The size at which a batch is full, in bytes.
const BATCH_BYTES: usize = 1 << 20;

/// An append that waits, and where its answer goes.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) append: Append,
    pub(crate) bytes: usize,
    pub(crate) answer: oneshot::Sender<Result<Appended, AppendError>>,
}

/// The queue of the writer.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    is_closed: bool,
}

/// The error for a queue that is full.
#[derive(Debug, thiserror::Error)]
#[error("too many appends wait for the disk")]
struct Crowded;

impl Queue {
    /// Adds an append at the end.
    pub(crate) fn push(&self, waiting: Waiting) -> Result<(), AppendError> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(AppendError::Closed);
        }
        let bytes = state.bytes.saturating_add(waiting.bytes);
        let is_full = state.waiting.len() >= MAX_WAITING || bytes > MAX_BYTES;
        if is_full && !state.waiting.is_empty() {
            return Err(AppendError::Unavailable(Crowded.into()));
        }
        state.bytes = bytes;
        state.waiting.push_back(waiting);
        if state.waiting.len() == 1 {
            self.news.notify_one();
        }
        Ok(())
    }

    /// Waits for appends and returns those for one batch; none after `idle`. Returns `None` once the
    /// queue is closed and empty.
    pub(crate) fn take(&self, idle: Option<Duration>) -> Option<Vec<Waiting>> {
        let mut state = self.state.lock();
        while state.waiting.is_empty() && !state.is_closed {
            match idle {
                None => self.news.wait(&mut state),
                Some(idle) if self.news.wait_for(&mut state, idle).timed_out() => {
                    return Some(Vec::new());
                }
                Some(_) => {}
            }
        }
        if state.waiting.is_empty() {
            return None;
        }
        let mut bytes = 0;
        let fits = state.waiting.iter().take_while(|waiting| {
            let is_first = bytes == 0;
            bytes += waiting.bytes;
            is_first || bytes <= BATCH_BYTES
        });
        let count = fits.count();
        let taken: Vec<Waiting> = state.waiting.drain(..count).collect();
        state.bytes -= taken.iter().map(|waiting| waiting.bytes).sum::<usize>();
        Some(taken)
    }

    /// Takes everything that waits.
    pub(crate) fn drain(&self) -> Vec<Waiting> {
        let mut state = self.state.lock();
        state.bytes = 0;
        std::mem::take(&mut state.waiting).into()
    }

    /// Closes the queue: what waits is still written, and nothing more is accepted.
    pub(crate) fn close(&self) {
        self.state.lock().is_closed = true;
        self.news.notify_one();
    }
}
