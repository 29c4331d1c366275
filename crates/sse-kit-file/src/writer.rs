//! Writes batches, and delivers their records to the hub.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use sse_kit_broadcast::{
    Append, AppendError, Appended, IdempotencyWindow, Inlet, Once, PublishedBefore, Record,
};
use sse_kit_event::{Audience, EventId};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::batch::BatchBuilder;
use crate::lock::Lock;
use crate::queue::Waiting;
use crate::record;
use crate::status::Shared;
use crate::tail::{Tail, WriteError, is_out_of_space};

/// The minimum and the maximum time between two looks at the age of events.
const TEND_EVERY: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(60)];

/// The thread that writes. It owns the lock of the store, and ends when the log is closed.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) tail: Tail,
    pub(crate) keys: IdempotencyWindow,
    pub(crate) inlet: Inlet,
    /// The interval at which the limits of age are applied, if there is one.
    pub(crate) tend_every: Option<Duration>,
    /// The store, which another process may open once this and the tail are dropped.
    #[expect(dead_code, reason = "it is held until the thread ends")]
    pub(crate) held: Held,
}

/// The lock of the store, for as long as the store is open.
#[derive(Debug)]
pub(crate) struct Held {
    lock: Option<Lock>,
    shared: Arc<Shared>,
}

impl Held {
    pub(crate) fn new(lock: Option<Lock>, shared: &Arc<Shared>) -> Self {
        Self { lock, shared: Arc::clone(shared) }
    }
}

/// Refuses all that waits, also when the thread panics.
impl Drop for Held {
    fn drop(&mut self) {
        self.shared.close();
        for waiting in self.shared.queue.drain() {
            // The publisher may have gone away.
            drop(waiting.answer.send(Err(AppendError::Closed)));
        }
        drop(self.lock.take());
        self.shared.has_ended.send_replace(true);
    }
}

/// An append in the batch that is being put together.
struct Pending {
    offset: u64,
    /// The records; `None` for a repeat of another append in this batch.
    records: Option<(Record, Vec<Record>)>,
    once: Option<Once>,
    answer: oneshot::Sender<Result<Appended, AppendError>>,
}

/// The decision about an append.
enum Admitted {
    New,
    /// The same publish was appended before, at this offset.
    Repeated(u64),
}

impl Writer {
    /// Writes until the log is closed. All appends that wait at the same time share one write and
    /// one sync.
    pub(crate) fn run(mut self) {
        let [min, max] = TEND_EVERY;
        let tend_every = self.tend_every.map(|every| every.clamp(min, max));
        while let Some(waiting) = self.shared.queue.take(tend_every) {
            if waiting.is_empty() {
                self.tail.tend();
            } else {
                self.write(waiting);
            }
        }
    }

    fn write(&mut self, waiting: Vec<Waiting>) {
        let mut batch = BatchBuilder::new(self.tail.next());
        let mut pending = Vec::with_capacity(waiting.len());
        for Waiting { append, answer, .. } in waiting {
            match self.admit(&append, batch.first, &pending) {
                Ok(Admitted::New) => pending.push(self.add(append, answer, &mut batch)),
                Ok(Admitted::Repeated(offset)) if offset < batch.first => {
                    self.answer(answer, Ok(self.repeated(offset)));
                }
                Ok(Admitted::Repeated(offset)) => {
                    pending.push(Pending { offset, records: None, once: None, answer });
                }
                Err(error) => self.answer(answer, Err(error)),
            }
        }
        if pending.is_empty() {
            return;
        }
        match self.tail.append(&mut batch) {
            Ok(()) => {
                self.shared.up();
                self.shared.batches.add(1);
                self.deliver(pending);
            }
            Err(error) => self.refuse(pending, &error),
        }
    }

    /// Decides about an append, with those before it in the batch that begins at `first`.
    fn admit(
        &mut self,
        append: &Append,
        first: u64,
        pending: &[Pending],
    ) -> Result<Admitted, AppendError> {
        if let Some(once) = &append.once {
            match self.keys.find(once, Instant::now()) {
                PublishedBefore::No => {}
                PublishedBefore::At(offset) => return Ok(Admitted::Repeated(offset)),
                PublishedBefore::WithOtherContent => {
                    return Err(AppendError::KeyReused { key: once.key.clone() });
                }
            }
        }
        let Some(expected) = append.expected else { return Ok(Admitted::New) };
        let audience = &append.record.audience;
        let newest = self.inlet.newest(audience).map_err(|_| AppendError::Closed)?;
        let newest = newest_of(audience, pending).unwrap_or(0).max(newest.offset());
        let is_known = expected.epoch() == self.shared.epoch && expected.offset() < first;
        if is_known && newest <= expected.offset() {
            return Ok(Admitted::New);
        }
        Err(AppendError::Conflict { expected, newest: EventId::new(self.shared.epoch, newest) })
    }

    /// Adds the records of an append to the batch.
    fn add(
        &mut self,
        append: Append,
        answer: oneshot::Sender<Result<Appended, AppendError>>,
        batch: &mut BatchBuilder,
    ) -> Pending {
        let Append { record, follow_ups, once, .. } = append;
        let offset = batch.next();
        batch.add(|bytes| record::encode(&record, once.as_ref(), bytes));
        for follow_up in &follow_ups {
            batch.add(|bytes| record::encode(follow_up, None, bytes));
        }
        if let Some(once) = &once {
            self.keys.remember(once.clone(), offset, Instant::now());
        }
        Pending { offset, records: Some((record, follow_ups)), once, answer }
    }

    /// Delivers a batch that was written, and then answers. A record that was delivered before it is
    /// durable could be lost, and its offset assigned again.
    fn deliver(&self, pending: Vec<Pending>) {
        for Pending { offset, records, answer, .. } in pending {
            let Some((record, follow_ups)) = records else {
                self.answer(answer, Ok(self.repeated(offset)));
                continue;
            };
            let id = EventId::new(self.shared.epoch, offset);
            // A hub that has shut down takes nothing more, but the records are in the log.
            let receivers = self.inlet.deliver_with(id, record, follow_ups).unwrap_or(0);
            self.answer(answer, Ok(Appended::new(id).with_receivers(receivers)));
        }
    }

    /// Answers for a batch that was not written.
    fn refuse(&mut self, pending: Vec<Pending>, error: &WriteError) {
        let (WriteError::NotWritten(source) | WriteError::Unknown(source)) = error;
        self.shared.down(source);
        for Pending { once, answer, .. } in pending {
            if let Some(once) = once {
                self.keys.forget(&once);
            }
            let source = || io::Error::new(source.kind(), source.to_string()).into();
            let error = match error {
                WriteError::NotWritten(error) if is_out_of_space(error) => AppendError::Full,
                WriteError::NotWritten(_) => AppendError::Unavailable(source()),
                WriteError::Unknown(_) => AppendError::Ambiguous(source()),
            };
            self.answer(answer, Err(error));
        }
    }

    /// Answers a publisher, who may be gone.
    fn answer(
        &self,
        answer: oneshot::Sender<Result<Appended, AppendError>>,
        appended: Result<Appended, AppendError>,
    ) {
        self.shared.monitor.count(&appended);
        let _ = answer.send(appended);
    }

    fn repeated(&self, offset: u64) -> Appended {
        Appended::repeated(EventId::new(self.shared.epoch, offset))
    }
}

/// Returns the newest offset of the records for this audience in a batch.
fn newest_of(audience: &Audience, pending: &[Pending]) -> Option<u64> {
    let records = pending.iter().filter_map(|pending| {
        let (record, follow_ups) = pending.records.as_ref()?;
        Some((pending.offset..).zip(std::iter::once(record).chain(follow_ups)))
    });
    let same = records.flatten().filter(|(_, record)| overlap(audience, &record.audience));
    same.map(|(offset, _)| offset).max()
}

fn overlap(one: &Audience, other: &Audience) -> bool {
    let is_shared = |topic| other.topics().contains(topic);
    (one.is_everyone() && other.is_everyone()) || one.topics().iter().any(is_shared)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use sse_kit_event::{Epoch, Event};

    use super::*;
    use crate::catalog::Catalog;
    use crate::disk::Directory;

    #[tokio::test]
    async fn a_writer_that_is_gone_has_answered_all_that_waited() {
        let catalog =
            Catalog::new(Arc::new(Directory(std::path::PathBuf::new())), VecDeque::new(), 0);
        let shared = Arc::new(Shared::new(Epoch::new(1), Arc::new(catalog)));
        let held = Held::new(None, &shared);
        let append: Append = Record::new(Audience::Everyone, Event::new("x").encode()).into();
        let (answer, answered) = oneshot::channel();
        shared.queue.push(Waiting { append, bytes: 1, answer }).unwrap();
        drop(held);
        assert!(matches!(answered.await, Ok(Err(AppendError::Closed))));
    }
}
