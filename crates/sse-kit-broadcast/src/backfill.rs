//! Reading from the log what history does not have any more.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use sse_kit_event::{ConnectionId, EventId, Topics};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::entry::Entry;
use crate::log::Log;
use crate::node::Node;
use crate::queue::QueueLimits;
use crate::slow_consumer::SlowConsumer;

/// The number of records that are read at once.
const PAGE: usize = 256;

/// The largest distance from the position of this node, in records of whichever topics, over which the
/// log is read. A client that lacks more gets a gap, before anything is read for it.
const MAX_RECORDS: u64 = 10_000;

/// The number of streams that read more than a page at a time, so that all that come back after an
/// outage do not read the log at once.
const LONG_READERS: usize = 3;

/// The number of streams that read no more than a page at a time. They have readers of their own, so
/// that clients who lack little do not wait for those who lack much.
const SHORT_READERS: usize = 1;

/// The longest wait for a reader. A gap is better than a page that shows nothing for long.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Reads the log for streams that have been away for longer than history reaches back.
#[derive(Debug)]
pub(crate) struct Backfill {
    log: Arc<dyn Log>,
    node: Arc<Node>,
    long: Semaphore,
    short: Semaphore,
}

/// The subscription that the log is read for.
#[derive(Debug)]
pub(crate) struct BackfillRequest<'a> {
    pub(crate) topics: &'a Topics,
    pub(crate) id: &'a ConnectionId,
    pub(crate) policy: SlowConsumer,
    pub(crate) limits: QueueLimits,
}

/// Events from the log, and up to where history is not needed.
#[derive(Debug)]
pub(crate) struct Backfilled {
    pub(crate) entries: VecDeque<Arc<Entry>>,
    pub(crate) through: EventId,
}

impl Backfill {
    pub(crate) fn new(log: Arc<dyn Log>, node: Arc<Node>) -> Self {
        let (long, short) = (Semaphore::new(LONG_READERS), Semaphore::new(SHORT_READERS));
        Self { log, node, long, short }
    }

    /// Reads what history lacks after `after`, as far as the log still has all of it and it is not too
    /// much.
    ///
    /// No lock is held meanwhile: what history loses while the log is read is read from there too.
    pub(crate) async fn read(
        &self,
        request: &BackfillRequest<'_>,
        after: EventId,
    ) -> Option<Backfilled> {
        if !self.node.lacks(request.topics, after).await {
            return None;
        }
        let _reader = self.reader(after).await?;
        let (mut entries, mut bytes, mut records) = (VecDeque::new(), 0, 0);
        let mut through = after;
        while self.node.lacks(request.topics, through).await {
            let page = match self.log.read(through, PAGE).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::debug!(%error, %through, "the log does not reach back either");
                    return None;
                }
            };
            if page.through.offset() <= through.offset() {
                return None;
            }
            records += page.through.offset() - through.offset();
            through = page.through;
            let read = page.records.into_iter().map(|(id, record)| Entry::new(id, record));
            for entry in read.filter(|entry| request.wants(entry)) {
                bytes += entry.weight();
                entries.push_back(Arc::new(entry));
            }
            if records > MAX_RECORDS || bytes > request.limits.bytes {
                return None;
            }
        }
        if request.policy == SlowConsumer::Conflate {
            keep_newest(&mut entries);
        }
        self.node.counters.reached_back.add(1);
        Some(Backfilled { entries, through })
    }

    /// Waits for a reader, unless the stream lacks too much.
    async fn reader(&self, after: EventId) -> Option<SemaphorePermit<'_>> {
        let position = self.node.state.lock().position;
        let distance = position.offset().saturating_sub(after.offset());
        if distance > MAX_RECORDS {
            return None;
        }
        let readers = if distance <= PAGE as u64 { &self.short } else { &self.long };
        tokio::time::timeout(MAX_WAIT, readers.acquire()).await.ok()?.ok()
    }
}

impl BackfillRequest<'_> {
    fn wants(&self, entry: &Entry) -> bool {
        self.topics.include(entry.audience()) && !entry.leaves_out(self.id)
    }
}

/// Of events with the same key and topic only the newest.
fn keep_newest(entries: &mut VecDeque<Arc<Entry>>) {
    let mut seen = HashSet::new();
    let mut kept: VecDeque<_> = std::mem::take(entries)
        .into_iter()
        .rev()
        .filter(|entry| {
            let key = entry.key().cloned();
            key.is_none_or(|key| seen.insert((entry.audience().clone(), key)))
        })
        .collect();
    kept.make_contiguous().reverse();
    *entries = kept;
}
