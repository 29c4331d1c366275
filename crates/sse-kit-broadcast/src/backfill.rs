//! Backfill: reads from the log what history no longer holds.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use sse_kit_event::EventId;

use crate::budget::{Budget, Share};
use crate::connection::Connection;
use crate::entry::Entry;
use crate::log::{Log, LogPage};
use crate::node::Node;
use crate::opening::Backfilled;
use crate::pending_subscription::MissingRange;
use crate::queue_limits::QueueLimits;
use crate::slow_consumer::SlowConsumer;
use crate::subscribe::SubscribeError;
use crate::turns::{Crowded, Turn, Turns};

/// The number of records in one read.
const PAGE: usize = 256;

/// The number of streams that backfill more than one page at a time. The limit keeps clients that
/// reconnect after an outage from reading the log all at once.
const LONG_READERS: usize = 3;

/// The number of streams that backfill at most one page at a time. They have a turn of their own,
/// so that a client that missed little does not wait for clients that missed much.
const SHORT_READERS: usize = 1;

/// The number of long backfills of one client at a time.
const SHARE: usize = 2;

/// The maximum wait for a turn. A gap is better than a page that stays empty for long.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// The maximum time for a backfill, including the wait for a turn. A log that does not answer must
/// not keep the turns from other streams.
const MAX_TIME: Duration = Duration::from_secs(10);

/// Backfills streams that resume from before this node's history.
#[derive(Debug)]
pub(crate) struct Backfill {
    log: Arc<dyn Log>,
    node: Arc<Node>,
    long: Arc<Turns>,
    short: Arc<Turns>,
    /// The memory for all backfilled events that clients have not taken yet.
    budget: Arc<Budget>,
}

/// The settings of the subscription that bound its backfill.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BackfillRequest {
    pub(crate) policy: SlowConsumer,
    pub(crate) limits: QueueLimits,
}

/// The progress of one backfill.
struct Filling<'a> {
    connection: &'a Connection,
    limits: QueueLimits,
    /// The newest event to read. Later events wait in the queue of the connection.
    last: EventId,
    /// The event through which the log was read.
    through: EventId,
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    /// The memory for the entries, which no other connection shares.
    share: Share,
}

impl Backfill {
    /// Creates the backfill of a hub, which keeps at most so many bytes for its clients.
    pub(crate) fn new(log: Arc<dyn Log>, node: Arc<Node>, bytes: usize) -> Self {
        let long = Turns::new(LONG_READERS, SHARE);
        let short = Turns::new(SHORT_READERS, SHORT_READERS);
        Self { log, node, long, short, budget: Budget::new(bytes) }
    }

    /// Reads the events that history no longer holds and lets the connection continue after them.
    /// If the log no longer has them either, or they are too many, the connection continues with a
    /// gap.
    ///
    /// If the log takes longer than [`MAX_TIME`], it continues with a gap as well. No lock is held
    /// during the read. Events that history drops meanwhile are read from the log as well.
    pub(crate) async fn fill(
        &self,
        connection: &Connection,
        lacking: &MissingRange,
    ) -> Result<Backfilled, SubscribeError> {
        let reading = tokio::time::timeout(MAX_TIME, self.read(connection, lacking));
        let read = reading.await.unwrap_or_else(|_elapsed| {
            tracing::warn!(after = %lacking.after, "the log took too long for a backfill");
            Ok(None)
        });
        match read {
            Ok(Some(mut backfilled)) => {
                self.node.counters.backfill.observe(backfilled.entries.len());
                if lacking.request.policy.conflates() {
                    keep_newest(&mut backfilled);
                }
                Ok(backfilled)
            }
            Ok(None) => {
                self.node.release_after(connection, lacking.after, true);
                Ok(Backfilled { entries: VecDeque::new(), share: self.budget.share() })
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
        lacking: &MissingRange,
    ) -> Result<Option<Backfilled>, Crowded> {
        let mut filling = Filling::new(connection, lacking, self.budget.share());
        let mut turn = None;
        while !self.releases(&filling).await {
            if turn.is_none() {
                turn = self.turn(lacking).await?;
            }
            if turn.is_none() {
                return Ok(None);
            }
            match self.log.read_topics(filling.through, &connection.topics, PAGE).await {
                Ok(page) => {
                    if !filling.take(page) {
                        return Ok(None);
                    }
                }
                Err(error) => {
                    let through = filling.through;
                    tracing::debug!(%error, %through, "the log no longer holds the events to backfill");
                    return Ok(None);
                }
            }
        }
        self.node.counters.backfilled.add(u64::from(turn.is_some()));
        let Filling { entries, share, .. } = filling;
        Ok(Some(Backfilled { entries, share }))
    }

    /// Releases the connection as soon as the events read so far, history, and the connection's
    /// queue together leave no hole.
    async fn releases(&self, filling: &Filling<'_>) -> bool {
        let Filling { connection, through, last, .. } = filling;
        if through.offset() >= last.offset() {
            connection.queue.lock().release();
            return true;
        }
        !self.node.lacks(&connection.topics, *through).await
            && self.node.release_after(connection, *through, false)
    }

    /// Waits for a turn at the log; returns `None` if the stream is too far behind or waited too
    /// long.
    async fn turn(&self, lacking: &MissingRange) -> Result<Option<Turn>, Crowded> {
        let MissingRange { after, through, client, .. } = lacking;
        let distance = through.offset().saturating_sub(after.offset());
        if distance > self.log.max_backfill() {
            return Ok(None);
        }
        let readers = if distance <= PAGE as u64 { &self.short } else { &self.long };
        tokio::time::timeout(MAX_WAIT, readers.take(client)).await.ok().transpose()
    }
}

impl<'a> Filling<'a> {
    fn new(connection: &'a Connection, lacking: &MissingRange, share: Share) -> Self {
        Self {
            connection,
            limits: lacking.request.limits,
            last: lacking.through,
            through: lacking.after,
            entries: VecDeque::new(),
            bytes: 0,
            share,
        }
    }

    /// Adds a page. Returns `false` if the page makes no progress, or if it does not fit.
    fn take(&mut self, page: LogPage) -> bool {
        let leads_on = page.through.offset() > self.through.offset();
        self.through = page.through;
        for (id, record) in page.records {
            let entry = Entry::new(id, record);
            // Later events wait in the queue, or come from history.
            if id.offset() <= self.last.offset() && self.wants(&entry) && !self.push(entry) {
                return false;
            }
        }
        leads_on
    }

    /// Adds an entry if it fits. As in a queue, a single entry fits, however large, unless all
    /// backfills of the hub together have no room for it.
    fn push(&mut self, entry: Entry) -> bool {
        let bytes = self.bytes.saturating_add(entry.weight());
        let fits = self.entries.is_empty() || bytes <= self.limits.bytes;
        if !fits || !self.share.take(entry.weight()) {
            return false;
        }
        self.bytes = bytes;
        self.entries.push_back(Arc::new(entry));
        true
    }

    fn wants(&self, entry: &Entry) -> bool {
        let Connection { topics, id, .. } = self.connection;
        topics.include(entry.audience()) && !entry.leaves_out(id)
    }
}

/// Keeps only the newest event of each key and audience.
fn keep_newest(backfilled: &mut Backfilled) {
    let Backfilled { entries, share } = backfilled;
    let mut seen = HashSet::new();
    let mut kept: VecDeque<_> = std::mem::take(entries)
        .into_iter()
        .rev()
        .filter(|entry| {
            let key = entry.key().cloned();
            let is_kept = key.is_none_or(|key| seen.insert((entry.audience().clone(), key)));
            if !is_kept {
                share.give_back(entry.weight());
            }
            is_kept
        })
        .collect();
    kept.make_contiguous().reverse();
    *entries = kept;
}
