//! What all handles of one broadcaster share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use sse_kit_event::control::GapReason;
use sse_kit_event::{Event, EventId, Topics};

use crate::connection::{Connection, ConnectionId, Departure};
use crate::counters::{Counters, Stats};
use crate::delivery::Goodbye;
use crate::history::{Address, Candidates};
use crate::hooks::{Guard, Hooks, Lifecycle};
use crate::ledger::Ledger;
use crate::log::{InletError, Log, Record};
use crate::publish::LogFailure;
use crate::queue::QueueLimits;
use crate::shard::{Local, Shard, Signal};

/// The parts of a broadcaster.
///
/// Locks are taken in this order, and none is held across an await: the log's, the ledger, a
/// shard's lists, a connection's queue.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) ledger: Mutex<Ledger>,
    pub(crate) log: Box<dyn Log>,
    /// Carries the log to the few that need all of it: the fan-out tasks, and taps.
    pub(crate) signals: async_broadcast::Sender<Signal>,
    pub(crate) shards: Box<[Arc<Shard>]>,
    pub(crate) next_shard: AtomicUsize,
    pub(crate) hooks: Arc<Hooks>,
    pub(crate) guard: Guard,
    pub(crate) lifecycle: Option<Lifecycle>,
    /// Held by whoever runs broadcast hooks, so that they cannot reorder events.
    pub(crate) turn: tokio::sync::Mutex<()>,
    /// Who may read the log for a stream that has been away for long.
    pub(crate) readers: tokio::sync::Semaphore,
    pub(crate) counters: Arc<Counters>,
    pub(crate) queue_limits: QueueLimits,
    pub(crate) heartbeat: Option<std::time::Duration>,
    pub(crate) log_failure: LogFailure,
}

impl Core {
    /// Takes in what came back from the log, and returns how many connections are to get it.
    pub(crate) fn deliver(&self, id: EventId, record: Record) -> Result<usize, InletError> {
        let mut ledger = self.ledger.lock();
        let position = ledger.open_at()?;
        if id.epoch() != position.epoch() || id.offset() <= position.offset() {
            tracing::error!(%id, %position, "the log delivers out of order");
            return Err(InletError::OutOfOrder { id, position });
        }
        let (entry, lists, receivers) = ledger.record(id, record);
        self.signal(Signal::Entry(entry, lists));
        self.counters.published.add(1);
        Ok(receivers)
    }

    /// Goes on in a new epoch of the log, with nothing in history, and tells every stream.
    ///
    /// Nobody is behind afterwards, and what is on its way to the queues from before is skipped
    /// there: it is in the gap.
    pub(crate) fn begin_epoch(&self, position: EventId) -> Result<(), InletError> {
        let mut ledger = self.ledger.lock();
        let before = ledger.open_at()?;
        if before.epoch() == position.epoch() {
            tracing::error!(%position, %before, "the log begins an epoch that has begun");
            return Err(InletError::OutOfOrder { id: position, position: before });
        }
        tracing::info!(%before, %position, "the log goes on in a new epoch");
        ledger.begin_epoch(position);
        for connection in ledger.connections.values() {
            connection.queue.lock().begin_epoch(position);
        }
        Ok(())
    }

    /// Records up to this offset are gone for good: open streams find that out in history.
    pub(crate) fn lose_through(&self, offset: u64) -> Result<(), InletError> {
        let mut ledger = self.ledger.lock();
        ledger.open_at()?;
        if ledger.lose_through(offset) {
            for connection in ledger.connections.values() {
                connection.queue.lock().fall_behind(None, GapReason::Trimmed);
            }
        }
        Ok(())
    }

    /// Those who claim to have seen more than there is have not.
    pub(crate) fn settle(&self) {
        let mut ledger = self.ledger.lock();
        if std::mem::take(&mut ledger.anyone_ahead) {
            for connection in ledger.connections.values() {
                connection.queue.lock().come_back_to(ledger.position);
            }
        }
    }

    /// Hands an event, without an id, to those who are here now. Returns where the node is, and how many
    /// they are.
    pub(crate) fn deliver_here(
        &self,
        address: &Address,
        event: &Event,
        except: &[ConnectionId],
    ) -> Result<(EventId, usize), InletError> {
        let frame = event.encode().finish(None);
        let mut ledger = self.ledger.lock();
        let position = ledger.open_at()?;
        let (lists, _) = ledger.lists_of(address);
        self.signal(Signal::Local(Arc::new(Local { frame, lists, except: except.into() })));
        self.counters.published_here.add(1);
        Ok((position, ledger.receivers(address, except)))
    }

    /// Takes a connection in. Its queue is set up under the same lock, so that nothing falls between
    /// what history gives it and what the fan-out does.
    pub(crate) fn join(&self, ledger: &mut Ledger, connection: &Arc<Connection>) {
        let keys = ledger.enter(&connection.topics);
        self.shards[connection.shard].join(connection, &keys);
        let replaced = ledger.connections.insert(connection.id.clone(), Arc::clone(connection));
        if let Some(replaced) = replaced {
            replaced.queue.lock().end(Departure::Replaced, None);
            self.remove(ledger, &replaced);
        }
        self.counters.opened.add(1);
        ledger.watched.joined(connection);
        if let Some(lifecycle) = &self.lifecycle {
            lifecycle.connected(connection);
        }
    }

    /// Lets a connection go; the second time nothing happens.
    pub(crate) fn leave(&self, connection: &Arc<Connection>) {
        self.remove(&mut self.ledger.lock(), connection);
    }

    fn remove(&self, ledger: &mut Ledger, connection: &Arc<Connection>) {
        if connection.left.swap(true, Ordering::AcqRel) {
            return;
        }
        if ledger.connections.get(&connection.id).is_some_and(|c| Arc::ptr_eq(c, connection)) {
            ledger.connections.remove(&connection.id);
        }
        // The lists go first: once a key is free it may be given to another topic.
        self.shards[connection.shard].leave(connection);
        let why = connection.queue.lock().leave();
        ledger.exit(&connection.topics);
        ledger.watched.left(connection, why);
        self.counters.closed.add(1);
        self.counters.evicted.add(u64::from(why == Departure::TooSlow));
        if let Some(lifecycle) = &self.lifecycle {
            lifecycle.disconnected(connection, why);
        }
    }

    /// Gives a connection that is behind its next page of history.
    pub(crate) fn catch_up(&self, connection: &Connection) {
        let matched = self.matched(&connection.topics);
        let ledger = self.ledger.lock();
        connection.catch_up(&ledger, &matched, &self.counters);
    }

    /// The topics of a subscription that its patterns match.
    ///
    /// Only a list of topics is made under the lock. Matching them is the subscriber's own time: many
    /// topics and many patterns take milliseconds, for which publishers would wait.
    pub(crate) fn matched(&self, topics: &Topics) -> Candidates {
        let patterns = topics.patterns();
        if patterns.is_empty() {
            return Candidates::default();
        }
        let candidates = self.ledger.lock().history.candidates(patterns);
        candidates.matching(patterns)
    }

    /// Ends all streams once they have what was published before, and refuses what comes after.
    pub(crate) fn shut_down(&self, goodbye: Option<Goodbye>) {
        let mut ledger = self.ledger.lock();
        ledger.draining = true;
        if !std::mem::replace(&mut ledger.closed, true) {
            self.signal(Signal::End(goodbye));
        }
        drop(ledger); // the log's own lock comes before it
        self.log.close();
    }

    pub(crate) fn send_heartbeat(&self) {
        let ledger = self.ledger.lock();
        if !ledger.closed {
            self.signal(Signal::Heartbeat);
        }
    }

    pub(crate) fn next_shard(&self) -> usize {
        self.next_shard.fetch_add(1, Ordering::Relaxed) % self.shards.len()
    }

    pub(crate) fn stats(&self) -> Stats {
        let counters = &self.counters;
        let delivered = self.shards.iter().map(|shard| shard.delivered.get()).sum();
        let ledger = self.ledger.lock();
        let (topics, history, history_bytes) = ledger.history.size();
        Stats {
            connections: ledger.connections.len(),
            topics: topics - 1, // everybody's is none
            patterns: ledger.interests.patterns(),
            history,
            history_bytes,
            opened: counters.opened.get(),
            closed: counters.closed.get(),
            refused: counters.refused.get(),
            published: counters.published.get(),
            published_here: counters.published_here.get(),
            vetoed: counters.vetoed.get(),
            delivered,
            sent_direct: counters.sent_direct.get(),
            resumed: counters.resumed.get(),
            reached_back: counters.reached_back.get(),
            gaps: counters.gaps.get(),
            lagged: counters.lagged.get(),
            conflated: counters.conflated.get(),
            dropped: counters.dropped.get(),
            evicted: counters.evicted.get(),
            hook_failures: counters.hook_failures.get(),
            fan_out_lags: counters.fan_out_lags.get(),
        }
    }

    /// Called under the ledger's lock, so that signals are in the order of the log.
    fn signal(&self, signal: Signal) {
        // It cannot be full, as the oldest gives way; and the fan-out tasks hold it open.
        let _ = self.signals.try_broadcast(signal);
    }
}
