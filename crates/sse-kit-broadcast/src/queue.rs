//! The queue of one connection.

mod taking;

use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;
use sse_kit_event::control::{Gap, GapReason};
use sse_kit_event::{ConnectionId, Epoch, EventId};
use tokio::time::Instant;

use crate::connection_stats::ConnectionStats;
use crate::ending::{CloseReason, ConnectionState, Goodbye};
use crate::entry::Entry;
use crate::mode::{Behind, CatchingUp, CaughtUp, Mode};
use crate::offer::Offer;
use crate::queue_limits::QueueLimits;
use crate::replay::Missed;
use crate::slow_consumer::SlowConsumer;
use crate::waiting::{Item, Waiting};

/// The bounded queue of one connection, its waker, and its position in the log.
///
/// While a connection is `Live`, the fan-out puts events into its queue. While it is `Behind`, it
/// reads history instead, a page whenever the queue is empty, until it has caught up. Resuming, lag
/// and drain share this mechanism, so a queue never exceeds its limits.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: Waiting,
    limits: QueueLimits,
    policy: SlowConsumer,
    waker: Option<Waker>,
    /// `true` while a coalescer has deferred the wake-up.
    deferred: bool,
    mode: Mode,
    /// `true` while earlier events are being backfilled; the connection takes nothing meanwhile.
    held: bool,
    end: Option<CloseReason>,
    goodbye: Option<Goodbye>,
    /// The goodbye of a drain, sent once the client has everything published before the drain.
    draining: Option<Goodbye>,
    /// The newest event dropped from the front since the last gap was sent.
    dropped: Option<Dropped>,
    /// The offset through which all events were queued or found not to be for this connection.
    offered_through: u64,
    /// The position that the client knows, by an event or a heartbeat. Its epoch may have ended.
    delivered_through: EventId,
    taken_events: u64,
    /// The events of history that were queued since the connection fell behind.
    replayed: usize,
    last_activity: Instant,
    /// The epoch of the offsets in this queue.
    epoch: Epoch,
}

/// An event that was dropped, with all entries before it.
#[derive(Clone, Copy, Debug)]
struct Dropped {
    /// Its id, which may be of an epoch before that of the queue.
    through: EventId,
    /// The number of gaps that still wait before its place.
    gaps_before: usize,
}

impl Queue {
    pub(crate) fn new(start: EventId, limits: QueueLimits, policy: SlowConsumer) -> Self {
        Self {
            waiting: Waiting::new(policy),
            limits,
            policy,
            waker: None,
            deferred: false,
            mode: Mode::Live,
            held: false,
            end: None,
            goodbye: None,
            draining: None,
            dropped: None,
            offered_through: start.offset(),
            delivered_through: start,
            taken_events: 0,
            replayed: 0,
            last_activity: Instant::now(),
            epoch: start.epoch(),
        }
    }

    /// Offers a published event, in log order. The caller wakes the connection.
    pub(crate) fn offer(&mut self, entry: &Arc<Entry>, to: &ConnectionId, now: Instant) -> Offer {
        let (offset, over) = (entry.id.offset(), entry.id.epoch() != self.epoch);
        if over || self.is_behind() || self.end.is_some() || offset <= self.offered_through {
            return Offer::NotWanted;
        }
        let before = std::mem::replace(&mut self.offered_through, offset);
        if entry.leaves_out(to) {
            return Offer::NotWanted;
        }
        let replaced = self.waiting.replace_same(entry);
        let mut dropped = 0;
        if self.is_full_for(&entry.frame) {
            // A held connection is not slow: it catches up from history after its release.
            let policy = if self.held { SlowConsumer::Heal } else { self.policy };
            match policy.make_room(self, &entry.frame, before) {
                Ok(events) => dropped = events,
                Err(offer) => return offer,
            }
        }
        self.waiting.push(Item::Entry(Arc::clone(entry)));
        self.last_activity = now;
        match (replaced, dropped) {
            (true, _) => Offer::Conflated,
            (_, 0) => Offer::Queued,
            (_, dropped) => Offer::Dropped(dropped),
        }
    }

    /// Offers a direct message. Returns `false` if there is no room or the connection is ending.
    pub(crate) fn offer_direct(&mut self, frame: Bytes) -> bool {
        let takes = !self.is_ending() && !self.is_full_for(&frame);
        if takes {
            self.waiting.push(Item::Direct(Box::new(frame)));
            self.last_activity = Instant::now();
            self.wake();
        }
        takes
    }

    /// Queues a heartbeat if nothing else is waiting. All events up to `position` were offered
    /// before.
    pub(crate) fn offer_heartbeat(&mut self, position: EventId) {
        if !self.waiting.is_empty() || self.is_ending() || self.held {
            return;
        }
        if position.epoch() == self.epoch && !self.is_behind() {
            self.offered_through = self.offered_through.max(position.offset());
        }
        self.waiting.push(Item::Heartbeat);
        self.wake();
    }

    /// Ends the stream after the queued items.
    pub(crate) fn end(&mut self, reason: CloseReason, goodbye: Option<Goodbye>) {
        if self.end.is_none() {
            self.end = Some(reason);
            self.goodbye = goodbye;
            self.wake();
        }
    }

    /// Ends the stream after everything published so far: when [`Queue::drained`] is called, or
    /// when the connection has caught up.
    pub(crate) fn end_when_drained(&mut self, goodbye: Goodbye) {
        if self.end.is_none() {
            self.draining.get_or_insert(goodbye);
        }
    }

    /// Declares that all events published before [`Queue::end_when_drained`] were offered.
    pub(crate) fn drained(&mut self) {
        if !self.is_behind()
            && let Some(goodbye) = self.draining.take()
        {
            self.end(CloseReason::Shutdown, Some(goodbye));
        }
    }

    /// Returns the time of the last event that entered the queue, or of its beginning.
    pub(crate) fn last_activity(&self) -> Instant {
        self.last_activity
    }

    /// Returns the reason for the end, once it is decided.
    pub(crate) fn ending(&self) -> Option<CloseReason> {
        self.end
    }

    pub(crate) fn is_gap_next(&self) -> bool {
        matches!(self.waiting.front(), Some(Item::Gap(_)))
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.end.is_some()
    }

    /// Switches to history: events after `after` come from there.
    pub(crate) fn fall_behind(&mut self, after: Option<EventId>, reason: GapReason) {
        if !self.is_behind() && !self.has_all() {
            let after = after.filter(|after| after.epoch() == self.epoch).map(EventId::offset);
            self.mode = Mode::behind(after.unwrap_or(0).max(self.offered_through), reason);
            self.wake();
        }
    }

    /// Lets the connection catch up from history, from `after` on, once it has taken its queue.
    pub(crate) fn heal_from(&mut self, after: u64) {
        self.mode = Mode::behind(after, GapReason::Lagged);
    }

    /// Ends the stream as too slow. The client has been offered nothing after `before`.
    pub(crate) fn end_too_slow(&mut self, before: u64) {
        self.offered_through = before;
        self.end(CloseReason::TooSlow, None);
    }

    /// Starts in the past, for a subscription that resumes.
    pub(crate) fn begin_after(&mut self, after: EventId) {
        self.mode = Mode::behind(after.offset(), GapReason::Trimmed);
        self.delivered_through = after;
    }

    /// Holds all items until the events between `after` and now are backfilled.
    pub(crate) fn hold(&mut self, after: EventId) {
        self.delivered_through = after;
        self.held = true;
    }

    /// Releases the queue: all earlier events are backfilled.
    pub(crate) fn release(&mut self) {
        self.held = false;
    }

    /// Releases the queue and continues after `after` from history, which delivers the queued
    /// events again. A connection that has ended meanwhile gets nothing after `after`.
    pub(crate) fn release_after(&mut self, after: EventId) {
        self.held = false;
        self.waiting.remove_entries_of(after);
        if after.epoch() == self.epoch {
            self.mode = Mode::behind(after.offset(), GapReason::Trimmed);
        }
    }

    /// Notes that the client takes a backfilled event, before anything in the queue.
    pub(crate) fn note_backfilled(&mut self, id: EventId) {
        self.delivered_through = id;
    }

    /// Starts with everything in history after so many trims. It reports no gap for events that were
    /// trimmed before: they were never promised.
    pub(crate) fn begin_with_history(&mut self, promised_from: u64) {
        self.mode = Mode::Behind(CatchingUp {
            after: 0,
            gap_told_through: self.offered_through,
            promised_from,
            promise_told_through: 0,
            reason: GapReason::Trimmed,
            in_order: false,
        });
        self.delivered_through = self.id(0);
    }

    /// Starts after an event that this node has not received yet.
    pub(crate) fn start_ahead(&mut self, after: EventId) {
        self.offered_through = after.offset();
        self.delivered_through = after;
    }

    /// Rewinds a connection that claims to have seen an event after `position`, which was never
    /// published. It gets a gap and continues from `position`.
    pub(crate) fn rewind_to(&mut self, position: EventId) {
        let at = self.reached();
        if self.has_all() || self.epoch != position.epoch() || at <= position.offset() {
            return;
        }
        let from = Some(self.id(at));
        self.push_gap(Gap::new(from, position, GapReason::Future));
        self.offered_through = position.offset();
        self.delivered_through = position;
        if let Mode::Behind(at) = self.mode {
            self.mode = Mode::behind(position.offset(), at.reason);
        }
    }

    /// Switches to another epoch of the log. Queued items are still delivered, followed by a gap
    /// for everything else of the old epoch.
    ///
    /// If both epochs share everything up to an offset, a connection up to there gets no gap. It
    /// continues from history: the ring may still hold events for it that have old ids.
    pub(crate) fn begin_epoch(&mut self, position: EventId, shared_through: Option<u64>) {
        if self.has_all() {
            return;
        }
        let at = self.reached();
        let gap = Gap::new(Some(self.id(at)), position, GapReason::UnknownEpoch);
        self.epoch = position.epoch();
        if let Some(through) = shared_through.filter(|through| !self.held && at <= *through) {
            match &mut self.mode {
                // The offsets after that are given again, to events that no gap has reported.
                Mode::Behind(at) => {
                    at.gap_told_through = at.gap_told_through.min(through);
                    at.promise_told_through = at.promise_told_through.min(through);
                }
                Mode::Live => self.mode = Mode::behind(at, GapReason::Trimmed),
            }
            self.wake();
            return;
        }
        self.mode = Mode::Live;
        self.offered_through = position.offset();
        self.push_gap(gap);
        self.drained();
    }

    /// Returns the offset through which the connection has everything, in its queue or before.
    fn reached(&self) -> u64 {
        match self.mode {
            Mode::Live => self.offered_through,
            Mode::Behind(at) => at.after,
        }
    }

    /// Returns the position to catch up from, if the connection is behind and may catch up.
    ///
    /// One that may not stays behind: no position may claim that the client has what it lacks.
    pub(crate) fn behind(&self) -> Option<Behind> {
        match self.mode {
            Mode::Behind(at) if self.may_catch_up() => {
                Some(Behind { at, room: self.limits.events, epoch: self.epoch })
            }
            _ => None,
        }
    }

    /// Queues a page of history, as far as there is room. If everything fits and no page follows,
    /// the connection is live again from `now_at` on.
    pub(crate) fn catch_up(&mut self, missed: &Missed, now_at: u64, to: &ConnectionId) -> CaughtUp {
        let Mode::Behind(mut at) = self.mode else { return CaughtUp::default() };
        at.in_order = missed.in_order;
        let lost = missed.lost_through.filter(|lost| *lost > at.gap_told_through);
        let broken = missed.broken_promise.filter(|broken| *broken > at.promise_told_through);
        if let Some(lost) = lost.max(broken) {
            self.push_gap(Gap::new(Some(self.id(at.after)), self.id(lost), at.reason));
            at.gap_told_through = at.gap_told_through.max(lost);
            at.promise_told_through = at.promise_told_through.max(lost);
        }
        let (mut fits, mut caught_up) = (true, CaughtUp::default());
        for entry in &missed.entries {
            if !self.waiting.has_room_for(&entry.frame, self.limits.bytes) {
                fits = false;
                break;
            }
            at.after = entry.id.offset();
            if entry.leaves_out(to) {
                continue;
            }
            caught_up.conflated += u64::from(self.waiting.replace_same(entry));
            self.replayed += 1;
            self.waiting.push(Item::Entry(Arc::clone(entry)));
        }
        match missed.more_after {
            Some(more_after) if fits => at.after = more_after,
            None if fits => {
                self.mode = Mode::Live;
                self.offered_through = now_at.max(at.after); // it may be ahead of this node
                caught_up.replayed = Some(std::mem::take(&mut self.replayed));
                self.drained();
                return caught_up;
            }
            _ => {}
        }
        self.mode = Mode::Behind(at);
        caught_up
    }

    /// Queues a page that was read without the lock of the hub's state and is not the last one. It
    /// is discarded if the queue has moved on meanwhile.
    pub(crate) fn take_page(
        &mut self,
        from: &Behind,
        missed: &Missed,
        to: &ConnectionId,
    ) -> CaughtUp {
        let is_there = self
            .behind()
            .is_some_and(|now| now.epoch == from.epoch && now.at.after == from.at.after);
        if is_there { self.catch_up(missed, from.at.after, to) } else { CaughtUp::default() }
    }

    pub(crate) fn push_gap(&mut self, gap: Gap) {
        self.waiting.push(Item::Gap(Box::new(gap)));
        self.wake();
    }

    pub(crate) fn state(&self) -> ConnectionState {
        if self.is_ending() || self.draining.is_some() {
            return ConnectionState::Ending;
        }
        if self.is_behind() { ConnectionState::CatchingUp } else { ConnectionState::Live }
    }

    pub(crate) fn stats(&self) -> ConnectionStats {
        ConnectionStats {
            state: self.state(),
            queued: self.waiting.events(),
            queued_bytes: self.waiting.bytes(),
            sent: self.taken_events,
            delivered_through: self.delivered_through,
            behind_at: self.behind().map(|behind| self.id(behind.at.after)),
            last_activity: self.last_activity,
        }
    }

    /// Returns `true` if the connection ends after the queued items and nothing more comes.
    fn has_all(&self) -> bool {
        self.is_ending() && !self.is_behind() && !self.held
    }

    pub(crate) fn is_behind(&self) -> bool {
        matches!(self.mode, Mode::Behind { .. })
    }

    /// After a shutdown a stream still catches up; after any other end the client resumes later.
    fn may_catch_up(&self) -> bool {
        matches!(self.end, None | Some(CloseReason::Shutdown))
    }

    /// Returns `true` if there is no room for a frame. A single event always fits, however large.
    pub(crate) fn is_full_for(&self, frame: &Bytes) -> bool {
        self.waiting.events() >= self.limits.events
            || !self.waiting.has_room_for(frame, self.limits.bytes)
    }

    /// Drops the oldest queued event. Returns `false` if there is none.
    pub(crate) fn drop_oldest(&mut self) -> bool {
        let oldest = self.waiting.remove_oldest_entry();
        let Some((entry, gaps_before)) = oldest else { return false };
        self.dropped = Some(Dropped { through: entry.id, gaps_before });
        true
    }

    /// Wakes the subscriber, if it is waiting.
    pub(crate) fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Defers the wake-up until [`Queue::wake_deferred`] if the subscriber waits and has items.
    /// Returns `false` if there is nothing to defer, or it is already deferred.
    pub(crate) fn defer_wake(&mut self) -> bool {
        let defers = !self.deferred && self.waker.is_some() && !self.waiting.is_empty();
        self.deferred |= defers;
        defers
    }

    /// Wakes a subscriber whose wake-up was deferred.
    pub(crate) fn wake_deferred(&mut self) {
        self.deferred = false;
        self.wake();
    }

    pub(crate) fn is_half_full(&self) -> bool {
        self.waiting.events() >= self.limits.events.div_ceil(2)
            || self.waiting.bytes() >= self.limits.bytes.div_ceil(2)
    }

    fn id(&self, offset: u64) -> EventId {
        EventId::new(self.epoch, offset)
    }
}
