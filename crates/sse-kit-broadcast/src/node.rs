//! The part of a hub that receives from the log, shared by all its handles.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sse_kit_event::control::GapReason;
use sse_kit_event::{Audience, Epoch, Event, EventId, Topics};

use crate::connection::Connection;
use crate::connection_set::ConnectionSet;
use crate::connection_watch::{ConnectionEvent, ConnectionWatchers};
use crate::counters::{Counters, Stats};
use crate::ending::{CloseReason, Goodbye};
use crate::hub_state::{CatchUp, HubState, InletError};
use crate::inlet::Mark;
use crate::lifecycle::Lifecycle;
use crate::lists::ListIds;
use crate::mode::{CatchingUp, CaughtUp};
use crate::queue_limits::QueueLimits;
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
    /// The ring that carries all messages to the fan-out tasks and the taps.
    pub(crate) ring: async_broadcast::Sender<RingMessage>,
    pub(crate) shards: Box<[Arc<Shard>]>,
    pub(crate) next_shard: AtomicUsize,
    pub(crate) lifecycle: Option<Lifecycle>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) watchers: ConnectionWatchers,
    pub(crate) queue_limits: QueueLimits,
    pub(crate) heartbeat: Option<Duration>,
    /// `true` if other nodes deliver from the same log and may be ahead of this one.
    pub(crate) shares_log: bool,
}

impl Node {
    /// Accepts a record from the log together with its follow-ups, so that a shutdown cannot come
    /// in between. Returns the number of connections that receive the record.
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

    /// Begins a new epoch with an empty history and sends a gap to every stream.
    ///
    /// Afterwards no connection is behind. Queues reject older events that are still on their way;
    /// the gap covers them.
    pub(crate) fn begin_epoch(&self, position: EventId) -> Result<(), InletError> {
        let mut state = self.state.lock();
        let before = state.open_at()?;
        if before.epoch() == position.epoch() {
            tracing::error!(%position, %before, "the log begins an epoch that has begun");
            return Err(InletError::OutOfOrder { id: position, position: before });
        }
        tracing::info!(%before, %position, "the log continues in a new epoch");
        state.begin_epoch(position);
        for connection in state.connections.values() {
            connection.queue.lock().begin_epoch(position, None);
        }
        Ok(())
    }

    /// Begins a new epoch that continues the current one up to this offset. Returns the position.
    ///
    /// Streams up to that offset catch up from history: the ring may still hold events for them,
    /// whose ids are of the epoch before.
    pub(crate) fn begin_epoch_after(
        &self,
        epoch: Epoch,
        shared_through: u64,
    ) -> Result<EventId, InletError> {
        let mut state = self.state.lock();
        let before = state.open_at()?;
        if before.epoch() == epoch {
            let id = EventId::new(epoch, shared_through);
            tracing::error!(%id, %before, "the log begins an epoch that has begun");
            return Err(InletError::OutOfOrder { id, position: before });
        }
        let position = state.begin_epoch_after(epoch, shared_through);
        tracing::info!(%before, %position, shared_through, "the log continues in a new epoch");
        for connection in state.connections.values() {
            connection.queue.lock().begin_epoch(position, Some(shared_through));
        }
        Ok(position)
    }

    /// Returns the position in the current epoch that an id names, or the id if it names none.
    pub(crate) fn translate(&self, id: EventId) -> EventId {
        self.state.lock().translate(id).unwrap_or(id)
    }

    /// Marks records up to this offset as lost. Open streams detect the loss when they catch up
    /// from history.
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

    /// Returns a mark for the connections that have joined so far.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.state.lock().next_number)
    }

    /// Resolves subscriptions that joined before the mark and had resumed *ahead of* this node: the
    /// log has confirmed that no such event exists, so each gets a gap and continues from the
    /// current position.
    pub(crate) fn caught_up(&self, mark: Mark) {
        let mut state = self.state.lock();
        let position = state.position;
        let later = state.ahead.split_off(&mark.0);
        for connection in std::mem::replace(&mut state.ahead, later).into_values() {
            connection.queue.lock().rewind_to(position);
        }
    }

    /// Offers an event without an id to the current subscribers. Returns the position of the node
    /// and the number of receivers.
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

    /// Counts the connections that an event for this audience goes to.
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
        // Only a subscriber of several topics can be counted more than once.
        let subscribers = match audience {
            Audience::Topic(_) | Audience::Everyone => subscribers,
            _ => self.shards.iter().map(|shard| shard.count(lists)).sum(),
        };
        subscribers - state.left_out(except, audience)
    }

    /// Returns an upper bound for the newest id of a record for this audience.
    pub(crate) fn newest(&self, audience: &Audience) -> Result<EventId, InletError> {
        let state = self.state.lock();
        state.open_at()?;
        Ok(state.newest(audience))
    }

    /// Adds a connection. Its queue is set up under the same lock, so that no event falls between
    /// history and fan-out.
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
        self.watchers.tell(|| ConnectionEvent::Opened(Arc::clone(connection)));
        if let Some(lifecycle) = &self.lifecycle {
            lifecycle.connected(connection);
        }
    }

    /// Removes a connection. Further calls do nothing.
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
        let why = connection.queue.lock().ending().unwrap_or(CloseReason::ClientGone);
        state.exit(&connection.topics);
        state.watched.left(connection, why);
        self.watchers.tell(|| ConnectionEvent::Closed(Arc::clone(connection), why));
        self.counters.closed.add(1);
        self.counters.evicted.add(u64::from(why == CloseReason::TooSlow));
        if let Some(lifecycle) = &self.lifecycle {
            lifecycle.disconnected(connection, why);
        }
    }

    /// Releases a held connection: it continues after `after` with events from history.
    ///
    /// If history has lost some of these events by now, it does nothing and returns `false`; with
    /// `tell`, it releases the connection anyway, which then gets a gap.
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

    /// Completes a catch-up step; reads the page if that must happen without the lock.
    pub(crate) fn finish_catching_up(&self, connection: &Connection, step: CatchUp) {
        let CaughtUp { conflated, replayed } = match step {
            CatchUp::Done(caught_up) => caught_up,
            CatchUp::Read(behind, stretch) => {
                let CatchingUp { after, gap_told_through, .. } = behind.at;
                let missed = stretch.read(&connection.topics, after, gap_told_through, behind.room);
                connection.queue.lock().take_page(&behind, &missed, &connection.id)
            }
        };
        self.counters.conflated.add(conflated);
        if let Some(events) = replayed {
            self.counters.replay.observe(events);
        }
    }

    /// Reads the newest events on these topics before a position; empty if its epoch has ended.
    pub(crate) fn newest_before(&self, topics: &Topics, before: EventId, limit: usize) -> Newest {
        let state = self.state.lock();
        // The last one that is wanted: what comes after it need not be shared.
        let last = EventId::new(before.epoch(), before.offset().saturating_sub(1));
        let Some(last) = state.translate(last) else { return Newest::default() };
        state.replay(topics).newest(last.offset().saturating_add(1), limit)
    }

    /// Returns `true` if history may lack events on these topics after an event of this epoch.
    ///
    /// It examines one page at a time and yields in between.
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

    /// Ends all streams after everything published before, and rejects everything after.
    pub(crate) fn shut_down(&self, goodbye: Option<Goodbye>) {
        let mut state = self.state.lock();
        state.draining = true;
        if !std::mem::replace(&mut state.closed, true) {
            state.watched.close();
            self.send(RingMessage::End(goodbye));
        }
    }

    /// Ends these connections after everything published before.
    pub(crate) fn end_after_now(&self, connections: Vec<Arc<Connection>>, goodbye: Goodbye) {
        let state = self.state.lock();
        for connection in &connections {
            connection.queue.lock().end_when_drained(goodbye);
        }
        // After a shutdown, `End` stays the last message on the ring.
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
            publish_to_write: counters.publish_to_write.snapshot(),
            queue_depth: counters.queue_depth.snapshot(),
            replay: counters.replay.snapshot(),
            backfill: counters.backfill.snapshot(),
        }
    }

    /// Sends a message on the ring. Called under the lock of the state, so that messages are in log
    /// order.
    fn send(&self, message: RingMessage) {
        // Cannot fail: a full ring drops its oldest message, and the fan-out tasks keep it open.
        let _ = self.ring.try_broadcast(message);
        self.wake_fan_out();
    }

    fn wake_fan_out(&self) {
        for shard in &self.shards {
            shard.fan_out.wake();
        }
    }
}

impl Drop for Node {
    /// Ends the fan-out tasks.
    fn drop(&mut self) {
        // Before they are woken, as they would else find the ring open and wait on.
        self.ring.close();
        self.wake_fan_out();
    }
}
