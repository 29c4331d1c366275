//! Taking from a queue: the next delivery, and the position that the client has with it.

use std::task::Waker;

use sse_kit_event::EventId;
use sse_kit_event::control::{Gap, GapReason};

use super::{Dropped, Queue};
use crate::delivery::Delivery;
use crate::offer::Taken;
use crate::waiting::Item;

impl Queue {
    /// Returns the next delivery, or why there is none; stores `waker` if nothing is waiting.
    pub(crate) fn take(&mut self, waker: &Waker) -> Taken {
        if let Some(dropped) = self.dropped
            && !self.is_gap_before(dropped)
        {
            self.dropped = None;
            let from = Some(self.delivered_through);
            let gap = Gap::new(from, dropped.through, GapReason::Dropped);
            return Taken::Delivery(Delivery::Gap(gap));
        }
        if let Some(item) = self.waiting.pop() {
            return Taken::Delivery(self.taken(item));
        }
        if self.behind().is_some() {
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

    /// Stores the waker of a waiting subscriber; reuses the old one if both wake the same task.
    fn keep_waker(&mut self, waker: &Waker) {
        match &mut self.waker {
            Some(kept) => kept.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
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
            Item::Gap(gap) => Delivery::Gap(self.taken_gap(*gap)),
            Item::Heartbeat => Delivery::Heartbeat { position: self.new_position() },
        }
    }

    /// Continues after a gap whose end the client knows by its id. If the events before the end of an
    /// epoch were dropped, the gap reports these too.
    fn taken_gap(&mut self, gap: Gap) -> Gap {
        if let Some(dropped) = &mut self.dropped {
            dropped.gaps_before = dropped.gaps_before.saturating_sub(1);
        }
        if gap.reason != GapReason::UnknownEpoch {
            return gap;
        }
        let before = std::mem::replace(&mut self.delivered_through, gap.to);
        let drops = self.dropped.is_some() && before.epoch() != gap.to.epoch();
        if drops { Gap::new(Some(before), gap.to, gap.reason) } else { gap }
    }

    /// Returns `true` if a gap that ends before this dropped event comes next, or after direct
    /// messages.
    fn is_gap_before(&self, dropped: Dropped) -> bool {
        let Some(gap) = self.waiting.leading_gap() else { return false };
        if gap.to.epoch() == dropped.through.epoch() {
            return gap.to.offset() <= dropped.through.offset();
        }
        // Ids of two epochs do not compare: an event of history has the id of the epoch in which it was
        // published, which may be older than the one that the gap ends.
        dropped.gaps_before > 0
    }

    /// Returns the position through which everything was taken; `None` if more is there to take.
    pub(crate) fn taken_through(&self) -> Option<EventId> {
        let has_all = self.waiting.is_empty() && !self.is_behind() && self.dropped.is_none();
        has_all.then(|| self.id(self.offered_through))
    }

    /// Returns the position through which the client has everything, if it does not know it yet.
    fn new_position(&mut self) -> Option<EventId> {
        let position = self.taken_through().filter(|new| *new != self.delivered_through)?;
        self.delivered_through = position;
        Some(position)
    }
}
