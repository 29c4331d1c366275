//! What waits for one connection.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;
use sse_kit_event::control::{Gap, GapReason};
use sse_kit_event::{Epoch, EventId};
use tokio::time::Instant;

use crate::connection::{ConnectionId, ConnectionState, Departure};
use crate::delivery::{Delivery, Goodbye};
use crate::entry::Entry;
use crate::history::Missed;

/// What happens when a subscriber is so slow that its queue is full. Others never notice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlowConsumer {
    /// It catches up from history once it has taken what is queued. Only what history has dropped
    /// by then is lost, and it is told so by one gap event.
    #[default]
    Heal,
    /// Of events with the same [key](sse_kit_event::EventKey) and topic only the newest waits for
    /// it, whether its queue is full or not; what it is given from history is thinned in the same
    /// way, a page at a time. Beyond that as `Heal`.
    Conflate,
    /// The oldest event in its queue is dropped, and it is told so by a gap event.
    DropOldest,
    /// It is ended, after what is queued. A client resumes when it comes back.
    Disconnect,
}

/// The bounded queue of one connection, its waker, and where it stands in the log.
#[derive(Debug)]
pub(crate) struct Queue {
    items: VecDeque<Item>,
    /// How many of the items are events, and what these weigh: the rest is not held to the limits.
    events: usize,
    bytes: usize,
    limits: QueueLimits,
    policy: SlowConsumer,
    waker: Option<Waker>,
    /// Somebody will wake it, some time later.
    held: bool,
    mode: Mode,
    end: Option<Departure>,
    goodbye: Option<Goodbye>,
    /// The newest event dropped from the front, since a gap was last told.
    dropped_through: Option<EventId>,
    /// Events up to here were put into the queue, or are not for this connection.
    handed: u64,
    /// The newest event that was taken out. It may be of an epoch that has ended meanwhile.
    taken: EventId,
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
    /// lost, the ones up to `told` have been told already.
    Behind { after: u64, told: u64, reason: GapReason },
}

/// Kept small: most queues are empty most of the time, but their memory stays.
#[derive(Debug)]
enum Item {
    Entry(Arc<Entry>),
    Direct(Box<Bytes>),
    Gap(Box<Gap>),
    Heartbeat,
}

/// What became of an event that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    Queued,
    /// It was queued in place of an older one.
    Conflated,
    /// It was queued, and this many older ones were dropped.
    Dropped(usize),
    /// It was not queued, but comes later from history.
    Lagged,
    /// It was not queued, and the connection ends.
    TooSlow,
    /// It is not for this connection, or was handed to it before.
    NotWanted,
}

/// What a subscriber finds.
pub(crate) enum Taken {
    Delivery(Delivery),
    /// Nothing is queued, but history has more.
    Behind,
    Nothing,
    End,
}

impl Queue {
    pub(crate) fn new(start: EventId, limits: QueueLimits, policy: SlowConsumer) -> Self {
        Self {
            items: VecDeque::new(),
            events: 0,
            bytes: 0,
            limits,
            policy,
            waker: None,
            held: false,
            mode: Mode::Live,
            end: None,
            goodbye: None,
            dropped_through: None,
            handed: start.offset(),
            taken: start,
            taken_events: 0,
            last_activity: Instant::now(),
            epoch: start.epoch(),
        }
    }

    /// A published event, in the order of the log. Whoever offers it wakes the connection.
    pub(crate) fn offer(&mut self, entry: &Arc<Entry>, to: &ConnectionId, now: Instant) -> Offer {
        let offset = entry.id.offset();
        let over = entry.id.epoch() != self.epoch;
        if over || self.is_behind() || self.end.is_some() || offset <= self.handed {
            return Offer::NotWanted;
        }
        let before = std::mem::replace(&mut self.handed, offset);
        if entry.leaves_out(to) {
            return Offer::NotWanted;
        }
        let replaced = self.policy == SlowConsumer::Conflate && self.remove_same(entry);
        let mut dropped = 0;
        while self.is_full_for(&entry.frame) {
            match self.policy {
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
                    self.end = Some(Departure::TooSlow);
                    self.wake();
                    return Offer::TooSlow;
                }
            }
        }
        self.push(Item::Entry(Arc::clone(entry)));
        self.last_activity = now;
        match (replaced, dropped) {
            (true, _) => Offer::Conflated,
            (_, 0) => Offer::Queued,
            (_, dropped) => Offer::Dropped(dropped),
        }
    }

    /// An event for this connection alone; false when there is no room.
    pub(crate) fn offer_direct(&mut self, frame: Bytes) -> bool {
        let full = self.is_full_for(&frame);
        if !full {
            self.push(Item::Direct(Box::new(frame)));
            self.last_activity = Instant::now();
            self.wake();
        }
        !full
    }

    /// A sign of life, when nothing else is on its way.
    pub(crate) fn offer_heartbeat(&mut self) {
        if self.items.is_empty() && self.end.is_none() {
            self.push(Item::Heartbeat);
            self.wake();
        }
    }

    /// Ends the stream after what is queued.
    pub(crate) fn end(&mut self, departure: Departure, goodbye: Option<Goodbye>) {
        if self.end.is_none() {
            self.end = Some(departure);
            self.goodbye = goodbye;
            self.wake();
        }
    }

    /// Ends the stream after all that was published before. What the fan-out has not handed to it
    /// yet comes from history.
    pub(crate) fn end_caught_up(&mut self, goodbye: Goodbye) {
        if self.end.is_none() {
            self.fall_behind(None, GapReason::Trimmed);
            self.end(Departure::Shutdown, Some(goodbye));
        }
    }

    /// The connection is off all lists: what is queued is all it gets. Returns why it went.
    pub(crate) fn leave(&mut self) -> Departure {
        self.mode = Mode::Live;
        self.end.unwrap_or(Departure::Left)
    }

    /// Why the stream ends, once that is decided.
    pub(crate) fn ending(&self) -> Option<Departure> {
        self.end
    }

    pub(crate) fn is_gap_next(&self) -> bool {
        matches!(self.items.front(), Some(Item::Gap(_)))
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.end.is_some()
    }

    /// From now on events after `after` come from history.
    pub(crate) fn fall_behind(&mut self, after: Option<EventId>, reason: GapReason) {
        if !self.is_behind() {
            let after = after.filter(|after| after.epoch() == self.epoch).map(EventId::offset);
            self.mode = Mode::behind(after.unwrap_or(0).max(self.handed), reason);
            self.wake();
        }
    }

    /// Begins in the past, when it resumes.
    pub(crate) fn begin_after(&mut self, after: EventId) {
        self.mode = Mode::behind(after.offset(), GapReason::Trimmed);
        self.taken = after;
    }

    /// Begins after an event that has not come yet.
    pub(crate) fn begin_ahead(&mut self, after: EventId) {
        self.handed = after.offset();
        self.taken = after;
    }

    /// No event after `position` was ever published; if it says that it has seen one, it begins here.
    pub(crate) fn come_back_to(&mut self, position: EventId) {
        if self.epoch == position.epoch() && self.handed > position.offset() && !self.is_behind() {
            let from = Some(self.id(self.handed));
            self.push_gap(Gap { from, to: position, reason: GapReason::Future });
            self.handed = position.offset();
            self.taken = position;
        }
    }

    /// Goes on in another epoch of the log. What is queued is still given, and then a gap: whatever
    /// else there was of the old epoch is not to be had any more.
    pub(crate) fn begin_epoch(&mut self, position: EventId) {
        let from = match self.mode {
            Mode::Live => self.handed,
            Mode::Behind { after, .. } => after,
        };
        let gap = Gap { from: Some(self.id(from)), to: position, reason: GapReason::UnknownEpoch };
        (self.mode, self.handed, self.epoch) = (Mode::Live, position.offset(), position.epoch());
        self.push_gap(gap);
    }

    /// Where it has to catch up from, if it is behind, and how many events it has room for.
    pub(crate) fn behind(&self) -> Option<(u64, usize)> {
        match self.mode {
            Mode::Live => None,
            Mode::Behind { after, .. } => Some((after, self.limits.events)),
        }
    }

    /// Takes a page of history, as much of it as there is room for. When that was all, and no `more`
    /// pages follow, the connection is live again from `now_at` on.
    ///
    /// Returns how many events newer ones of the same key replaced.
    pub(crate) fn catch_up(&mut self, missed: &Missed, now_at: u64, to: &ConnectionId) -> u64 {
        let Mode::Behind { mut after, mut told, reason } = self.mode else { return 0 };
        if let Some(lost) = missed.lost_through.filter(|lost| *lost > told) {
            self.push_gap(Gap { from: Some(self.id(after)), to: self.id(lost), reason });
            told = lost;
        }
        let (mut more, mut conflated) = (missed.more, 0);
        for entry in &missed.entries {
            if self.events > 0 && self.bytes + entry.frame.len() > self.limits.bytes {
                more = true;
                break;
            }
            after = entry.id.offset();
            if entry.leaves_out(to) {
                continue;
            }
            if self.policy == SlowConsumer::Conflate && self.remove_same(entry) {
                conflated += 1;
            }
            self.push(Item::Entry(Arc::clone(entry)));
        }
        if more {
            self.mode = Mode::Behind { after, told, reason };
        } else {
            self.mode = Mode::Live;
            self.handed = now_at.max(after); // it may be ahead of this node
        }
        conflated
    }

    pub(crate) fn push_gap(&mut self, gap: Gap) {
        self.push(Item::Gap(Box::new(gap)));
        self.wake();
    }

    /// The next delivery, or the reason why there is none; `waker` is kept when there is nothing.
    pub(crate) fn take(&mut self, waker: &Waker) -> Taken {
        if let Some(through) = self.dropped_through.take() {
            let gap = Gap { from: Some(self.taken), to: through, reason: GapReason::Dropped };
            return Taken::Delivery(Delivery::Gap(gap));
        }
        if let Some(item) = self.items.pop_front() {
            return Taken::Delivery(self.taken(item));
        }
        // A shutdown lets a stream catch up; whoever is ended for another reason resumes later.
        if self.is_behind() && matches!(self.end, None | Some(Departure::Shutdown)) {
            return Taken::Behind;
        }
        if let Some(goodbye) = self.goodbye.take() {
            return Taken::Delivery(Delivery::Goodbye(goodbye));
        }
        if self.end.is_some() {
            return Taken::End;
        }
        match &mut self.waker {
            Some(kept) => kept.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        Taken::Nothing
    }

    pub(crate) fn state(&self) -> ConnectionState {
        match (self.end, self.mode) {
            (Some(_), _) => ConnectionState::Ending,
            (None, Mode::Behind { .. }) => ConnectionState::CatchingUp,
            (None, Mode::Live) => ConnectionState::Live,
        }
    }

    pub(crate) fn taken_events(&self) -> u64 {
        self.taken_events
    }

    pub(crate) fn last_activity(&self) -> Instant {
        self.last_activity
    }

    fn is_behind(&self) -> bool {
        matches!(self.mode, Mode::Behind { .. })
    }

    fn taken(&mut self, item: Item) -> Delivery {
        self.gone(&item);
        match item {
            Item::Entry(entry) => {
                self.taken = entry.id;
                self.taken_events += 1;
                Delivery::Entry(entry)
            }
            Item::Direct(frame) => {
                self.taken_events += 1;
                Delivery::Direct(*frame)
            }
            Item::Gap(gap) => Delivery::Gap(*gap),
            Item::Heartbeat => Delivery::Heartbeat,
        }
    }

    fn push(&mut self, item: Item) {
        if let Some(frame) = item.frame() {
            self.events += 1;
            self.bytes += frame.len();
        }
        self.items.push_back(item);
    }

    /// Takes an item that was taken out off the books.
    fn gone(&mut self, item: &Item) {
        if let Some(frame) = item.frame() {
            self.events -= 1;
            self.bytes -= frame.len();
        }
    }

    /// One event always fits, however large.
    fn is_full_for(&self, frame: &Bytes) -> bool {
        self.events >= self.limits.events
            || (self.events > 0 && self.bytes + frame.len() > self.limits.bytes)
    }

    /// Removes the older event that `entry` stands in for. The newer one goes to the end of the
    /// queue, not to the older one's place, as ids must not go back.
    fn remove_same(&mut self, entry: &Entry) -> bool {
        let same = |item: &Item| match item {
            Item::Entry(older) => {
                entry.key.is_some() && older.key == entry.key && older.topic == entry.topic
            }
            _ => false,
        };
        let Some(older) = self.items.iter().rposition(same) else { return false };
        if let Some(item) = self.items.remove(older) {
            self.gone(&item);
        }
        true
    }

    fn drop_oldest(&mut self) -> bool {
        let oldest = self.items.iter().position(|item| matches!(item, Item::Entry(_)));
        let Some(item) = oldest.and_then(|at| self.items.remove(at)) else { return false };
        self.gone(&item);
        if let Item::Entry(entry) = item {
            self.dropped_through = Some(entry.id);
        }
        true
    }

    /// Wakes the connection, if it waits.
    pub(crate) fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Lets the connection wait until it is [released](Self::release), if there is something that can;
    /// false when it waits already.
    pub(crate) fn hold(&mut self) -> bool {
        let holds = !self.held && self.waker.is_some() && !self.items.is_empty();
        self.held |= holds;
        holds
    }

    /// Wakes a connection that was held.
    pub(crate) fn release(&mut self) {
        self.held = false;
        self.wake();
    }

    pub(crate) fn is_half_full(&self) -> bool {
        self.events * 2 >= self.limits.events || self.bytes * 2 >= self.limits.bytes
    }

    fn id(&self, offset: u64) -> EventId {
        EventId::new(self.epoch, offset)
    }
}

impl Mode {
    fn behind(after: u64, reason: GapReason) -> Self {
        Self::Behind { after, told: after, reason }
    }
}

impl Item {
    /// The bytes of an event; what the hub itself has to say is none.
    fn frame(&self) -> Option<&Bytes> {
        match self {
            Self::Entry(entry) => Some(&entry.frame),
            Self::Direct(frame) => Some(frame),
            Self::Gap(_) | Self::Heartbeat => None,
        }
    }
}
