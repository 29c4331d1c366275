//! What history does not reach back to, read from the log.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use sse_kit_event::{EventId, Topics};

use crate::connection::ConnectionId;
use crate::core::Core;
use crate::entry::Entry;
use crate::queue::{QueueLimits, SlowConsumer};

/// How many records are read at once.
const PAGE: usize = 256;

/// For how many records the log is searched, at most, whichever topics they are of. Who lacks more is
/// told of a gap.
const MOST_RECORDS: usize = 10_000;

/// How many streams read the log at a time, so that all that come back after an outage do not read it at
/// once.
pub(crate) const READERS: usize = 4;

/// For how long a stream waits for its turn. A gap is better than a page that shows nothing for long.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Who wants to know.
pub(crate) struct Seeker<'a> {
    pub(crate) topics: &'a Topics,
    pub(crate) id: &'a ConnectionId,
    pub(crate) policy: SlowConsumer,
    pub(crate) limits: QueueLimits,
}

/// Events from the log, and up to where history is not needed.
#[derive(Debug)]
pub(crate) struct ReachedBack {
    pub(crate) entries: VecDeque<Arc<Entry>>,
    pub(crate) through: EventId,
}

impl Core {
    /// What history lacks after `after`, as far as the log still has all of it and it is not too much.
    ///
    /// No lock is held meanwhile: what history loses while the log is read is read from there too.
    pub(crate) async fn reach_back(
        &self,
        seeker: &Seeker<'_>,
        after: EventId,
    ) -> Option<ReachedBack> {
        if !self.lacks(seeker.topics, after) {
            return None;
        }
        let turn = tokio::time::timeout(LONGEST_WAIT, self.readers.acquire()).await;
        let _turn = turn.ok()?.ok()?;
        let (mut entries, mut bytes, mut records) = (VecDeque::new(), 0, 0);
        let mut through = after;
        while self.lacks(seeker.topics, through) {
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
            for entry in read.filter(|entry| seeker.wants(entry)) {
                bytes += entry.weight();
                entries.push_back(Arc::new(entry));
            }
            if records > MOST_RECORDS as u64 || bytes > seeker.limits.bytes {
                return None;
            }
        }
        if seeker.policy == SlowConsumer::Conflate {
            keep_newest(&mut entries);
        }
        self.counters.reached_back.add(1);
        Some(ReachedBack { entries, through })
    }

    /// Whether history may lack events on these topics after an event of this epoch.
    fn lacks(&self, topics: &Topics, after: EventId) -> bool {
        let matched = self.matched(topics);
        let ledger = self.ledger.lock();
        let known = ledger.position.epoch() == after.epoch();
        known && ledger.missed(after.offset(), topics, &matched, 0).lost_through.is_some()
    }
}

impl Seeker<'_> {
    fn wants(&self, entry: &Entry) -> bool {
        entry.topic().is_none_or(|topic| self.topics.cover(topic)) && !entry.leaves_out(self.id)
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
            key.is_none_or(|key| seen.insert((entry.topic().cloned(), key)))
        })
        .collect();
    kept.make_contiguous().reverse();
    *entries = kept;
}
