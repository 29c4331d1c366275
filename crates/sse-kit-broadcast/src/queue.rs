//! What waits for one connection.

use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;
use sse_kit_event::control::{Gap, GapReason};
use sse_kit_event::{ConnectionId, Epoch, EventId};
use tokio::time::Instant;

use crate::delivery::Delivery;
use crate::ending::{CloseReason, ConnectionState, Goodbye};
use crate::entry::Entry;
use crate::offer::{Offer, Taken};
use crate::replay::Missed;
use crate::slow_consumer::SlowConsumer;
use crate::waiting::{Item, Waiting};

/// The bounded queue of one connection, its waker, and where it stands in the log.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: Waiting,
    limits: QueueLimits,
    policy: SlowConsumer,
    waker: Option<Waker>,
    /// Somebody will wake it, some time later.
    deferred: bool,
    mode: Mode,
    /// What comes before all that waits is being read, and nobody takes anything meanwhile.
    held: bool,
    end: Option<CloseReason>,
    goodbye: Option<Goodbye>,
    /// The end comes once the connection has all that was published before this was set.
    draining: Option<Goodbye>,
    /// The newest event dropped from the front, since a gap was last told.
    dropped_through: Option<EventId>,
    /// Events up to here were put into the queue, or are not for this connection.
    offered_through: u64,
    /// The position that the client knows: that of the newest event that was taken out, or of a
    /// heartbeat. It may be of an epoch that has ended meanwhile.
    delivered_through: EventId,
    taken_events: u64,
    last_activity: Instant,
    /// What the offsets here are of.
    epoch: Epoch,
}

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueLimits {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

#[derive(Clone, Copy, Debug)]
enum Mode {
    /// Events are put into the queue as they are published.
    Live,
    /// Events after this one come from history, once the queue is empty. Of those that history has
    /// lost, the ones up to `gap_told_through` have been told already.
    Behind { after: u64, gap_told_through: u64, reason: GapReason, in_order: bool },
}

/// Where a connection has to catch up from, and how much it has room for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Behind {
    pub(crate) after: u64,
    pub(crate) gap_told_through: u64,
    pub(crate) room: usize,
    /// Its pages are read in the order of the log.
    pub(crate) in_order: bool,
    pub(crate) epoch: Epoch,
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
            dropped_through: None,
            offered_through: start.offset(),
            delivered_through: start,
            taken_events: 0,
            last_activity: Instant::now(),
            epoch: start.epoch(),
        }
    }

    /// A published event, in the order of the log. Whoever offers it wakes the connection.
    pub(crate) fn offer(&mut self, entry: &Arc<Entry>, to: &ConnectionId, now: Instant) -> Offer {
        let offset = entry.id.offset();
        let over = entry.id.epoch() != self.epoch;
        if over || self.is_behind() || self.end.is_some() || offset <= self.offered_through {
            return Offer::NotWanted;
        }
        let before = std::mem::replace(&mut self.offered_through, offset);
        if entry.leaves_out(to) {
            return Offer::NotWanted;
        }
        let replaced = self.waiting.replace_same(entry);
        let mut dropped = 0;
        while self.is_full_for(&entry.frame) {
            // One that is held is not slow: it catches up from history afterwards.
            match if self.held { SlowConsumer::Heal } else { self.policy } {
                SlowConsumer::Heal | SlowConsumer::Conflate => {
                    self.mode = Mode::behind(before, GapReason::Lagged);
                    return Offer::Lagged;
                }
                SlowConsumer::DropOldest => {
                    if !self.drop_oldest() {
                        break; // only messages to this connection alone are left, and they stay
                    }
                    dropped += 1;
                }
                SlowConsumer::Disconnect => {
                    self.end = Some(CloseReason::TooSlow);
                    self.wake();
                    return Offer::TooSlow;
                }
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

    /// An event for this connection alone; false when there is no room, or the connection ends.
    pub(crate) fn offer_direct(&mut self, frame: Bytes) -> bool {
        let takes = !self.is_ending() && !self.is_full_for(&frame);
        if takes {
            self.waiting.push(Item::Direct(Box::new(frame)));
            self.last_activity = Instant::now();
            self.wake();
        }
        takes
    }

    /// A sign of life, when nothing else is on its way. All events up to `position` were offered
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

    /// Ends the stream after what is queued.
    pub(crate) fn end(&mut self, reason: CloseReason, goodbye: Option<Goodbye>) {
        if self.end.is_none() {
            self.end = Some(reason);
            self.goodbye = goodbye;
            self.wake();
        }
    }

    /// Ends the stream after all that was published before: once [`Queue::drained`] is called, or the
    /// connection has caught up.
    pub(crate) fn end_when_drained(&mut self, goodbye: Goodbye) {
        if self.end.is_none() {
            self.draining.get_or_insert(goodbye);
        }
    }

    /// All events were offered that were published before [`Queue::end_when_drained`].
    pub(crate) fn drained(&mut self) {
        if !self.is_behind()
            && let Some(goodbye) = self.draining.take()
        {
            self.end(CloseReason::Shutdown, Some(goodbye));
        }
    }

    /// The connection is off all lists: what is queued is all it gets. Returns why it went.
    pub(crate) fn leave(&mut self) -> CloseReason {
        self.mode = Mode::Live;
        self.end.unwrap_or(CloseReason::ClientGone)
    }

    /// Why the stream ends, once that is decided.
    pub(crate) fn ending(&self) -> Option<CloseReason> {
        self.end
    }

    pub(crate) fn is_gap_next(&self) -> bool {
        matches!(self.waiting.front(), Some(Item::Gap(_)))
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.end.is_some()
    }

    /// From now on events after `after` come from history.
    pub(crate) fn fall_behind(&mut self, after: Option<EventId>, reason: GapReason) {
        if !self.is_behind() && !self.has_all() {
            let after = after.filter(|after| after.epoch() == self.epoch).map(EventId::offset);
            self.mode = Mode::behind(after.unwrap_or(0).max(self.offered_through), reason);
            self.wake();
        }
    }

    /// Begins in the past, when it resumes.
    pub(crate) fn begin_after(&mut self, after: EventId) {
        self.mode = Mode::behind(after.offset(), GapReason::Trimmed);
        self.delivered_through = after;
    }

    /// Lets everything wait, from now on, until what comes between `after` and now is at hand.
    pub(crate) fn hold(&mut self, after: EventId) {
        self.delivered_through = after;
        self.held = true;
    }

    /// Goes on with what waits: everything before it is at hand.
    pub(crate) fn release(&mut self) {
        self.held = false;
    }

    /// Goes on after `after`, with events from history: those that wait come again from there.
    pub(crate) fn release_after(&mut self, after: EventId) {
        self.held = false;
        self.waiting.remove_entries_of(after);
        if after.epoch() == self.epoch {
            self.begin_after(after);
        }
    }

    /// Begins with everything that history has. What it no longer has was never promised.
    pub(crate) fn begin_with_history(&mut self) {
        let (after, gap_told_through) = (0, self.offered_through);
        let reason = GapReason::Trimmed;
        self.mode = Mode::Behind { after, gap_told_through, reason, in_order: false };
    }

    /// Begins after an event that has not come yet.
    pub(crate) fn start_ahead(&mut self, after: EventId) {
        self.offered_through = after.offset();
        self.delivered_through = after;
    }

    /// No event after `position` was ever published; a connection that claims to have seen one gets a
    /// gap and goes on from here.
    pub(crate) fn rewind_to(&mut self, position: EventId) {
        let at = match self.mode {
            Mode::Live => self.offered_through,
            Mode::Behind { after, .. } => after,
        };
        if self.has_all() || self.epoch != position.epoch() || at <= position.offset() {
            return;
        }
        let from = Some(self.id(at));
        self.push_gap(Gap { from, to: position, reason: GapReason::Future });
        self.offered_through = position.offset();
        self.delivered_through = position;
        if let Mode::Behind { reason, .. } = self.mode {
            self.mode = Mode::behind(position.offset(), reason);
        }
    }

    /// Goes on in another epoch of the log. What is queued is still given, and then a gap: whatever
    /// else there was of the old epoch is not to be had any more.
    pub(crate) fn begin_epoch(&mut self, position: EventId) {
        if self.has_all() {
            return;
        }
        let from = match self.mode {
            Mode::Live => self.offered_through,
            Mode::Behind { after, .. } => after,
        };
        let gap = Gap { from: Some(self.id(from)), to: position, reason: GapReason::UnknownEpoch };
        self.mode = Mode::Live;
        (self.offered_through, self.epoch) = (position.offset(), position.epoch());
        self.push_gap(gap);
        self.drained();
    }

    /// Where it has to catch up from, if it is behind.
    pub(crate) fn behind(&self) -> Option<Behind> {
        match self.mode {
            Mode::Live => None,
            Mode::Behind { after, gap_told_through, in_order, .. } => {
                let (room, epoch) = (self.limits.events, self.epoch);
                Some(Behind { after, gap_told_through, room, in_order, epoch })
            }
        }
    }

    /// Takes a page of history, as much of it as there is room for. When that was all, and no more
    /// pages follow, the connection is live again from `now_at` on.
    ///
    /// Returns how many events newer ones of the same key replaced.
    pub(crate) fn catch_up(&mut self, missed: &Missed, now_at: u64, to: &ConnectionId) -> u64 {
        let Mode::Behind { mut after, mut gap_told_through, reason, .. } = self.mode else {
            return 0;
        };
        let in_order = missed.in_order;
        if let Some(lost) = missed.lost_through.filter(|lost| *lost > gap_told_through) {
            self.push_gap(Gap { from: Some(self.id(after)), to: self.id(lost), reason });
            gap_told_through = lost;
        }
        let (mut fits, mut conflated) = (true, 0);
        for entry in &missed.entries {
            if !self.waiting.has_room_for(&entry.frame, self.limits.bytes) {
                fits = false;
                break;
            }
            after = entry.id.offset();
            if entry.leaves_out(to) {
                continue;
            }
            conflated += u64::from(self.waiting.replace_same(entry));
            self.waiting.push(Item::Entry(Arc::clone(entry)));
        }
        match missed.more_after {
            Some(more_after) if fits => {
                self.mode = Mode::Behind { after: more_after, gap_told_through, reason, in_order };
            }
            None if fits => {
                self.mode = Mode::Live;
                self.offered_through = now_at.max(after); // it may be ahead of this node
                self.drained();
            }
            _ => self.mode = Mode::Behind { after, gap_told_through, reason, in_order },
        }
        conflated
    }

    /// As [`Queue::catch_up`], with a page that was read without the lock of the hub's state, and after
    /// which there is more. It is of no use where the queue has gone on meanwhile.
    pub(crate) fn take_page(&mut self, from: &Behind, missed: &Missed, to: &ConnectionId) -> u64 {
        let is_there =
            self.behind().is_some_and(|now| now.epoch == from.epoch && now.after == from.after);
        if is_there { self.catch_up(missed, from.after, to) } else { 0 }
    }

    pub(crate) fn push_gap(&mut self, gap: Gap) {
        self.waiting.push(Item::Gap(Box::new(gap)));
        self.wake();
    }

    /// The next delivery, or the reason why there is none; `waker` is kept when there is nothing.
    pub(crate) fn take(&mut self, waker: &Waker) -> Taken {
        if let Some(through) = self.dropped_through.take() {
            let from = Some(self.delivered_through);
            let gap = Gap { from, to: through, reason: GapReason::Dropped };
            return Taken::Delivery(Delivery::Gap(gap));
        }
        if let Some(item) = self.waiting.pop() {
            return Taken::Delivery(self.taken(item));
        }
        // A shutdown lets a stream catch up; one that ends for another reason resumes later.
        if self.is_behind() && matches!(self.end, None | Some(CloseReason::Shutdown)) {
            return Taken::Behind;
        }
        if let Some(goodbye) = self.goodbye.take() {
            return Taken::Delivery(Delivery::Goodbye(goodbye));
        }
        if self.end.is_some() {
            return Taken::End;
        }
        self.keep_waker(waker);
        Taken::Nothing
    }

    /// Keeps the waker of a subscriber that waits for something.
    fn keep_waker(&mut self, waker: &Waker) {
        match &mut self.waker {
            Some(kept) => kept.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    pub(crate) fn state(&self) -> ConnectionState {
        if self.is_ending() || self.draining.is_some() {
            return ConnectionState::Ending;
        }
        match self.mode {
            Mode::Behind { .. } => ConnectionState::CatchingUp,
            Mode::Live => ConnectionState::Live,
        }
    }

    pub(crate) fn taken_events(&self) -> u64 {
        self.taken_events
    }

    pub(crate) fn last_activity(&self) -> Instant {
        self.last_activity
    }

    /// It ends after what is queued, and nothing more comes: the goodbye may have been given already.
    fn has_all(&self) -> bool {
        self.is_ending() && !self.is_behind() && !self.held
    }

    fn is_behind(&self) -> bool {
        matches!(self.mode, Mode::Behind { .. })
    }

    fn taken(&mut self, item: Item) -> Delivery {
        match item {
            Item::Entry(entry) => {
                self.delivered_through = entry.id;
                self.taken_events += 1;
                Delivery::Entry(entry)
            }
            Item::Direct(frame) => {
                self.taken_events += 1;
                Delivery::Direct(*frame)
            }
            Item::Gap(gap) => Delivery::Gap(*gap),
            Item::Heartbeat => Delivery::Heartbeat { position: self.new_position() },
        }
    }

    /// The position up to which the client has everything, where it does not know it yet: only when
    /// nothing waits that it must have first.
    fn new_position(&mut self) -> Option<EventId> {
        let position = self.id(self.offered_through);
        let is_new = position != self.delivered_through;
        let has_all =
            self.waiting.is_empty() && !self.is_behind() && self.dropped_through.is_none();
        if !is_new || !has_all {
            return None;
        }
        self.delivered_through = position;
        Some(position)
    }

    /// One event always fits, however large.
    fn is_full_for(&self, frame: &Bytes) -> bool {
        self.waiting.events() >= self.limits.events
            || !self.waiting.has_room_for(frame, self.limits.bytes)
    }

    fn drop_oldest(&mut self) -> bool {
        let oldest = self.waiting.remove_oldest_entry();
        if let Some(entry) = &oldest {
            self.dropped_through = Some(entry.id);
        }
        oldest.is_some()
    }

    /// Wakes the connection, if it waits.
    pub(crate) fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Lets the connection wait until [`Queue::wake_deferred`], if it waits for something that is
    /// there; `false` when that is so already.
    pub(crate) fn defer_wake(&mut self) -> bool {
        let defers = !self.deferred && self.waker.is_some() && !self.waiting.is_empty();
        self.deferred |= defers;
        defers
    }

    /// Wakes a connection whose wake-up was deferred.
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

impl Mode {
    fn behind(after: u64, reason: GapReason) -> Self {
        Self::Behind { after, gap_told_through: after, reason, in_order: false }
    }
}
