//! Reading from the log what history does not have any more.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use sse_kit_event::EventId;

use crate::connection::Connection;
use crate::entry::Entry;
use crate::joined::Lacking;
use crate::log::{Log, Page};
use crate::node::Node;
use crate::queue::QueueLimits;
use crate::slow_consumer::SlowConsumer;
use crate::subscribe::SubscribeError;
use crate::turns::{Crowded, Turn, Turns};

/// The number of records that are read at once.
const PAGE: usize = 256;

/// The largest distance from the position of this node at the join, in records of whichever topics, over
/// which the log is read. A client that lacks more gets a gap, before anything is read for it.
const MAX_RECORDS: u64 = 10_000;

/// The number of streams that read more than a page at a time, so that all that come back after an
/// outage do not read the log at once.
const LONG_READERS: usize = 3;

/// The number of streams that read no more than a page at a time. They have readers of their own, so
/// that clients who lack little do not wait for those who lack much.
const SHORT_READERS: usize = 1;

/// The number of streams of one client that read more than a page at a time.
const SHARE: usize = 2;

/// The longest wait for a reader. A gap is better than a page that shows nothing for long.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Reads the log for streams that have been away for longer than history reaches back.
#[derive(Debug)]
pub(crate) struct Backfill {
    log: Arc<dyn Log>,
    node: Arc<Node>,
    long: Arc<Turns>,
    short: Arc<Turns>,
}

/// The bounds of what is read for a subscription.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BackfillRequest {
    pub(crate) policy: SlowConsumer,
    pub(crate) limits: QueueLimits,
}

/// The events read so far, for one connection.
struct Filling<'a> {
    connection: &'a Connection,
    limits: QueueLimits,
    /// The newest event that has to be read: later ones wait in the queue of the connection.
    last: EventId,
    /// The event up to which the log was read.
    through: EventId,
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
}

impl Backfill {
    pub(crate) fn new(log: Arc<dyn Log>, node: Arc<Node>) -> Self {
        let long = Turns::new(LONG_READERS, SHARE);
        let short = Turns::new(SHORT_READERS, SHORT_READERS);
        Self { log, node, long, short }
    }

    /// Reads what history lacks, as far as the log still has all of it and it is not too much, and lets
    /// the connection go on after it. Where the log does not help, the connection goes on with a gap.
    ///
    /// No lock is held meanwhile: what history loses while the log is read is read from there too.
    pub(crate) async fn fill(
        &self,
        connection: &Connection,
        lacking: &Lacking,
    ) -> Result<VecDeque<Arc<Entry>>, SubscribeError> {
        match self.read(connection, lacking).await {
            Ok(Some(mut entries)) => {
                if lacking.request.policy == SlowConsumer::Conflate {
                    keep_newest(&mut entries);
                }
                Ok(entries)
            }
            Ok(None) => {
                self.node.release_after(connection, lacking.after, true);
                Ok(VecDeque::new())
            }
            Err(Crowded) => {
                self.node.counters.refused.add(1);
                Err(SubscribeError::TooManyReplays)
            }
        }
    }

    async fn read(
        &self,
        connection: &Connection,
        lacking: &Lacking,
    ) -> Result<Option<VecDeque<Arc<Entry>>>, Crowded> {
        let mut filling = Filling::new(connection, lacking);
        let mut turn = None;
        while !self.releases(&filling).await {
            if turn.is_none() {
                turn = self.turn(lacking).await?;
            }
            if turn.is_none() {
                return Ok(None);
            }
            match self.log.read(filling.through, PAGE).await {
                Ok(page) => {
                    if !filling.take(page) {
                        return Ok(None);
                    }
                }
                Err(error) => {
                    let through = filling.through;
                    tracing::debug!(%error, %through, "the log does not reach back either");
                    return Ok(None);
                }
            }
        }
        self.node.counters.backfilled.add(u64::from(turn.is_some()));
        Ok(Some(filling.entries))
    }

    /// Lets the connection go on as soon as nothing is lacking between what was read, and what history
    /// has or waits in its queue.
    async fn releases(&self, filling: &Filling<'_>) -> bool {
        let Filling { connection, through, last, .. } = filling;
        if through.offset() >= last.offset() {
            connection.queue.lock().release();
            return true;
        }
        !self.node.lacks(&connection.topics, *through).await
            && self.node.release_after(connection, *through, false)
    }

    /// Waits for a reader, unless the stream lacks too much.
    async fn turn(&self, lacking: &Lacking) -> Result<Option<Turn>, Crowded> {
        let Lacking { after, through, client, .. } = lacking;
        let distance = through.offset().saturating_sub(after.offset());
        if distance > MAX_RECORDS {
            return Ok(None);
        }
        let readers = if distance <= PAGE as u64 { &self.short } else { &self.long };
        tokio::time::timeout(MAX_WAIT, readers.take(client)).await.ok().transpose()
    }
}

impl<'a> Filling<'a> {
    fn new(connection: &'a Connection, lacking: &Lacking) -> Self {
        Self {
            connection,
            limits: lacking.request.limits,
            last: lacking.through,
            through: lacking.after,
            entries: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Takes a page; `false` when it leads no further, or that is too much.
    fn take(&mut self, page: Page) -> bool {
        let leads_on = page.through.offset() > self.through.offset();
        self.through = page.through;
        for (id, record) in page.records {
            let entry = Entry::new(id, record);
            // What comes after it waits in the queue, or comes from history.
            if id.offset() <= self.last.offset() && self.wants(&entry) {
                self.bytes = self.bytes.saturating_add(entry.weight());
                self.entries.push_back(Arc::new(entry));
            }
        }
        leads_on && self.bytes <= self.limits.bytes
    }

    fn wants(&self, entry: &Entry) -> bool {
        let Connection { topics, id, .. } = self.connection;
        topics.include(entry.audience()) && !entry.leaves_out(id)
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
