//! The appends that wait for the appender.

use std::collections::VecDeque;

use parking_lot::Mutex;
use sse_kit_broadcast::{Append, AppendError, Appended};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::batch;

/// The maximum number of waiting appends, and their maximum size in bytes.
const MAX_WAITING: usize = 65_536;
const MAX_BYTES: usize = 64 << 20;

/// The number of appends and the size in bytes at which a batch is full.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 1 << 20;

/// An append that waits, and where its answer goes.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) append: Append,
    pub(crate) deadline: Instant,
    pub(crate) answer: oneshot::Sender<Result<Appended, AppendError>>,
}

/// The queue of the appender.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    is_closed: bool,
}

/// The error for a queue that is full.
#[derive(Debug, thiserror::Error)]
#[error("too many appends wait for PostgreSQL")]
struct Crowded;

impl Queue {
    /// Adds an append at the end.
    pub(crate) fn push(&self, waiting: Waiting) -> Result<(), AppendError> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(AppendError::Closed);
        }
        let bytes = state.bytes.saturating_add(batch::size(&waiting.append));
        let is_full = state.waiting.len() >= MAX_WAITING || bytes > MAX_BYTES;
        if is_full && !state.waiting.is_empty() {
            return Err(AppendError::Unavailable(Crowded.into()));
        }
        state.bytes = bytes;
        state.waiting.push_back(waiting);
        drop(state);
        self.news.notify_one();
        Ok(())
    }

    /// Waits for appends and returns those for one batch. Returns `None` once the queue is closed and
    /// empty.
    ///
    /// Cancel safe: nothing is taken before it returns.
    pub(crate) async fn take(&self) -> Option<Vec<Waiting>> {
        loop {
            let news = self.news.notified();
            {
                let mut state = self.state.lock();
                if !state.waiting.is_empty() {
                    return Some(state.take());
                }
                if state.is_closed {
                    return None;
                }
            }
            news.await;
        }
    }

    /// Takes everything that waits.
    pub(crate) fn drain(&self) -> Vec<Waiting> {
        let mut state = self.state.lock();
        state.bytes = 0;
        std::mem::take(&mut state.waiting).into()
    }

    /// Closes the queue: what waits is still appended, and nothing more is accepted.
    pub(crate) fn close(&self) {
        self.state.lock().is_closed = true;
        self.news.notify_one();
    }
}

impl State {
    fn take(&mut self) -> Vec<Waiting> {
        let mut bytes = 0;
        let fits = self.waiting.iter().take(BATCH).take_while(|waiting| {
            let is_first = bytes == 0;
            bytes += batch::size(&waiting.append);
            is_first || bytes <= BATCH_BYTES
        });
        let count = fits.count();
        let taken: Vec<Waiting> = self.waiting.drain(..count).collect();
        self.bytes -= taken.iter().map(|waiting| batch::size(&waiting.append)).sum::<usize>();
        taken
    }
}

#[cfg(test)]
mod tests {
    use sse_kit_broadcast::Record;
    use sse_kit_event::{Audience, Event};

    use super::*;

    fn waiting(bytes: usize) -> Waiting {
        let event = Event::new("x".repeat(bytes)).encode();
        let record = Record::new(Audience::Everyone, event);
        Waiting { append: record.into(), deadline: Instant::now(), answer: oneshot::channel().0 }
    }

    #[tokio::test]
    async fn a_batch_is_bounded_and_the_queue_is_too() {
        let queue = Queue::default();
        for _ in 0..=BATCH {
            queue.push(waiting(10)).unwrap();
        }
        queue.push(waiting(2 * BATCH_BYTES)).unwrap();
        queue.push(waiting(10)).unwrap();
        for expected in [BATCH, 1, 1, 1] {
            assert_eq!(queue.take().await.unwrap().len(), expected);
        }
        assert_eq!(queue.state.lock().bytes, 0);
        queue.push(waiting(MAX_BYTES)).unwrap();
        assert!(matches!(queue.push(waiting(1)), Err(AppendError::Unavailable(_))));
        queue.close();
        assert!(matches!(queue.push(waiting(1)), Err(AppendError::Closed)));
        assert!(queue.take().await.is_some(), "what waits is still appended");
        assert!(queue.take().await.is_none());
    }
}
