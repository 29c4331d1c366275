//! What all handles of one hub share: all that lies behind the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sse_kit_event::control::GapReason;
use sse_kit_event::{Audience, Event, EventId, Topics};

use crate::connection::Connection;
use crate::connection_set::ConnectionSet;
use crate::counters::{Counters, Stats};
use crate::ending::{CloseReason, Goodbye};
use crate::hub_state::{CatchUp, HubState, InletError};
use crate::inlet::Mark;
use crate::lifecycle::Lifecycle;
use crate::lists::ListIds;
use crate::queue::{Behind, QueueLimits};
use crate::record::Record;
use crate::replay::{Loss, Newest};
use crate::ring::{RingMessage, UnloggedEvent};
use crate::shard::Shard;

/// One node behind its log: the state, the ring, and the shards with the connections.
///
/// Locks are taken in this order, and none is held across an await: the log's own, the state, a
/// shard's lists, a connection's queue.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) state: Mutex<HubState>,
    /// Carries the log to the few that need all of it: the fan-out tasks, and taps.
    pub(crate) ring: async_broadcast::Sender<RingMessage>,
    pub(crate) shards: Box<[Arc<Shard>]>,
    pub(crate) next_shard: AtomicUsize,
    pub(crate) lifecycle: Option<Lifecycle>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) queue_limits: QueueLimits,
    pub(crate) heartbeat: Option<Duration>,
    /// Other nodes deliver from the same log, and may be further than this one.
    pub(crate) shares_log: bool,
}

impl Node {
    /// Takes in a record that came back from the log, and all that follow it: together, so that a
    /// shutdown does not come in between. Returns how many connections are to get the first one.
    pub(crate) fn deliver(
        &self,
        id: EventId,
        record: Record,
        follow_ups: impl IntoIterator<Item = Record>,
    ) -> Result<usize, InletError> {
        let mut state = self.state.lock();
        let position = state.open_at()?;
        if id.epoch() != position.epoch() || id.offset() <= position.offset() {
            tracing::error!(%id, %position, "the log delivers out of order");
            return Err(InletError::OutOfOrder { id, position });
        }
        let receivers = self.take_in(&mut state, id, record);
        for (offset, follow_up) in (id.offset()..=u64::MAX).skip(1).zip(follow_ups) {
            self.take_in(&mut state, EventId::new(id.epoch(), offset), follow_up);
        }
        Ok(receivers)
    }

    fn take_in(&self, state: &mut HubState, id: EventId, record: Record) -> usize {
        let (entry, lists, subscribers) = state.record(id, record);
        let receivers = self.receivers(state, &entry.audience, &lists, subscribers, &entry.except);
        self.send(RingMessage::Entry(entry, lists));
        self.counters.published.add(1);
        receivers
    }

    /// Goes on in a new epoch of the log, with nothing in history, and tells every stream.
    ///
    /// No connection is behind afterwards, and what is on its way to the queues from before is skipped
    /// there: it is in the gap.
    pub(crate) fn begin_epoch(&self, position: EventId) -> Result<(), InletError> {
        let mut state = self.state.lock();
        let before = state.open_at()?;
        if before.epoch() == position.epoch() {
            tracing::error!(%position, %before, "the log begins an epoch that has begun");
            return Err(InletError::OutOfOrder { id: position, position: before });
        }
        tracing::info!(%before, %position, "the log goes on in a new epoch");
        state.begin_epoch(position);
        for connection in state.connections.values() {
            connection.queue.lock().begin_epoch(position);
        }
        Ok(())
    }

    /// Records up to this offset are gone for good: open streams find that out in history.
    pub(crate) fn mark_lost_through(&self, offset: u64) -> Result<(), InletError> {
        let mut state = self.state.lock();
        state.open_at()?;
        if state.mark_lost_through(offset) {
            for connection in state.connections.values() {
                connection.queue.lock().fall_behind(None, GapReason::Trimmed);
            }
        }
        Ok(())
    }

    /// Names the connections that have joined so far.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.state.lock().next_number)
    }

    /// Resolves subscriptions that resumed ahead of this node, of those that joined before the mark:
    /// the log has confirmed that no such event exists, so each gets a gap and goes on from the
    /// current position.
    pub(crate) fn caught_up(&self, mark: Mark) {
        let mut state = self.state.lock();
        let position = state.position;
        let later = state.ahead.split_off(&mark.0);
        for connection in std::mem::replace(&mut state.ahead, later).into_values() {
            connection.queue.lock().rewind_to(position);
        }
    }

    /// Hands an event, without an id, to those who are here now. Returns the position of the node, and
    /// how many they are.
    pub(crate) fn deliver_here(
        &self,
        audience: &Audience,
        event: &Event,
        except: &ConnectionSet,
    ) -> Result<(EventId, usize), InletError> {
        let frame = event.encode().finish(None);
        let mut state = self.state.lock();
        let position = state.open_at()?;
        let (lists, subscribers) = state.lists_for(audience);
        let receivers = self.receivers(&state, audience, &lists, subscribers, except);
        let unlogged = UnloggedEvent { frame, lists, except: except.clone() };
        self.send(RingMessage::Unlogged(Arc::new(unlogged)));
        self.counters.published_here.add(1);
        Ok((position, receivers))
    }

    /// Counts the connections that an event for this audience would go to.
    pub(crate) fn count_receivers(&self, audience: &Audience, except: &ConnectionSet) -> usize {
        let mut state = self.state.lock();
        let (lists, subscribers) = state.lists_for(audience);
        self.receivers(&state, audience, &lists, subscribers, except)
    }

    fn receivers(
        &self,
        state: &HubState,
        audience: &Audience,
        lists: &ListIds,
        subscribers: usize,
        except: &ConnectionSet,
    ) -> usize {
        // Only subscribers of several topics can be counted twice.
        let subscribers = match audience {
            Audience::Topic(_) | Audience::Everyone => subscribers,
            _ => self.shards.iter().map(|shard| shard.count(lists)).sum(),
        };
        subscribers - state.left_out(except, audience)
    }

    /// The newest id that a record for this audience may have.
    pub(crate) fn newest(&self, audience: &Audience) -> Result<EventId, InletError> {
        let state = self.state.lock();
        state.open_at()?;
        Ok(state.newest(audience))
    }

    /// Takes a connection in. Its queue is set up under the same lock, so that nothing falls between
    /// what history gives it and what the fan-out does.
    pub(crate) fn join(&self, state: &mut HubState, connection: &Arc<Connection>) {
        let lists = state.enter(&connection.topics);
        self.shards[connection.shard].join(connection, &lists);
        let replaced = state.connections.insert(connection.id.clone(), Arc::clone(connection));
        if let Some(replaced) = replaced {
            replaced.queue.lock().end(CloseReason::Replaced, None);
            self.remove(state, &replaced);
        }
        self.counters.opened.add(1);
        state.watched.joined(connection);
        if let Some(lifecycle) = &self.lifecycle {
            lifecycle.connected(connection);
        }
    }

    /// Lets a connection go; the second time nothing happens.
    pub(crate) fn leave(&self, connection: &Arc<Connection>) {
        self.remove(&mut self.state.lock(), connection);
    }

    fn remove(&self, state: &mut HubState, connection: &Arc<Connection>) {
        if connection.left.swap(true, Ordering::AcqRel) {
            return;
        }
        if state.connections.get(&connection.id).is_some_and(|c| Arc::ptr_eq(c, connection)) {
            state.connections.remove(&connection.id);
        }
        state.ahead.remove(&connection.number);
        self.shards[connection.shard].leave(connection);
        let why = connection.queue.lock().leave();
        state.exit(&connection.topics);
        state.watched.left(connection, why);
        self.counters.closed.add(1);
        self.counters.evicted.add(u64::from(why == CloseReason::TooSlow));
        if let Some(lifecycle) = &self.lifecycle {
            lifecycle.disconnected(connection, why);
        }
    }

    /// Lets a connection that was held go on after this event, with what history has.
    ///
    /// Returns `false`, and does nothing, where history has lost some of that by now; unless it is to
    /// be told so.
    pub(crate) fn release_after(
        &self,
        connection: &Connection,
        after: EventId,
        tell: bool,
    ) -> bool {
        let state = self.state.lock();
        let is_over = state.position.epoch() != after.epoch();
        let replay = state.replay(&connection.topics);
        if !tell && !is_over && matches!(replay.loss(after.offset()), Loss::Some) {
            return false;
        }
        connection.queue.lock().release_after(after);
        let step = state.catch_up(connection);
        drop(state);
        self.finish_catching_up(connection, step);
        true
    }

    /// Gives a connection that is behind its next page of history.
    pub(crate) fn catch_up(&self, connection: &Connection) {
        let step = self.state.lock().catch_up(connection);
        self.finish_catching_up(connection, step);
    }

    /// Reads the page of a connection that is behind, where that was left to be done without the lock.
    pub(crate) fn finish_catching_up(&self, connection: &Connection, step: CatchUp) {
        let conflated = match step {
            CatchUp::Done { conflated } => conflated,
            CatchUp::Read(behind, stretch) => {
                let Behind { after, gap_told_through, room, .. } = behind;
                let missed = stretch.read(&connection.topics, after, gap_told_through, room);
                connection.queue.lock().take_page(&behind, &missed, &connection.id)
            }
        };
        self.counters.conflated.add(conflated);
    }

    /// Reads the newest events on these topics before a position; none of an epoch that has ended.
    pub(crate) fn newest_before(&self, topics: &Topics, before: EventId, limit: usize) -> Newest {
        let state = self.state.lock();
        if state.position.epoch() != before.epoch() {
            return Newest::default();
        }
        state.replay(topics).newest(before.offset(), limit)
    }

    /// Returns `true` if history may lack events on these topics after an event of this epoch.
    ///
    /// It looks through a page at a time, and lets others run in between.
    pub(crate) async fn lacks(&self, topics: &Topics, after: EventId) -> bool {
        let mut offset = after.offset();
        loop {
            match self.loss(topics, EventId::new(after.epoch(), offset)) {
                Loss::None => return false,
                Loss::Some => return true,
                Loss::Unknown { after } => offset = after,
            }
            tokio::task::yield_now().await;
        }
    }

    fn loss(&self, topics: &Topics, after: EventId) -> Loss {
        let state = self.state.lock();
        if state.position.epoch() != after.epoch() {
            return Loss::None;
        }
        state.replay(topics).loss(after.offset())
    }

    /// Ends all streams once they have what was published before, and refuses what comes after.
    pub(crate) fn shut_down(&self, goodbye: Option<Goodbye>) {
        let mut state = self.state.lock();
        state.draining = true;
        if !std::mem::replace(&mut state.closed, true) {
            self.send(RingMessage::End(goodbye));
        }
    }

    /// Ends these connections once they have what was published before.
    pub(crate) fn end_after_now(&self, connections: Vec<Arc<Connection>>, goodbye: Goodbye) {
        let state = self.state.lock();
        for connection in &connections {
            connection.queue.lock().end_when_drained(goodbye);
        }
        // After a shutdown its own end is the last message on the ring.
        if !state.closed {
            self.send(RingMessage::Drained(connections.into()));
        }
    }

    pub(crate) fn send_heartbeat(&self) {
        let state = self.state.lock();
        if !state.closed {
            self.send(RingMessage::Heartbeat(state.position));
        }
    }

    pub(crate) fn next_shard(&self) -> usize {
        self.next_shard.fetch_add(1, Ordering::Relaxed) % self.shards.len()
    }

    pub(crate) fn stats(&self) -> Stats {
        let counters = &self.counters;
        let delivered = self.shards.iter().map(|shard| shard.delivered.get()).sum();
        let state = self.state.lock();
        let (history, history_bytes) = state.history.size();
        Stats {
            connections: state.connections.len(),
            topics: state.topics.len(),
            patterns: state.interests.patterns(),
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
            backfilled: counters.backfilled.get(),
            gaps: counters.gaps.get(),
            lagged: counters.lagged.get(),
            conflated: counters.conflated.get(),
            dropped: counters.dropped.get(),
            evicted: counters.evicted.get(),
            hook_failures: counters.hook_failures.get(),
            fan_out_lags: counters.fan_out_lags.get(),
        }
    }

    /// Called under the lock of the state, so that messages are in the order of the log.
    fn send(&self, message: RingMessage) {
        // It cannot be full, as the oldest gives way; and the fan-out tasks hold it open.
        let _ = self.ring.try_broadcast(message);
    }
}
