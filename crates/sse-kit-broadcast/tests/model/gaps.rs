//! The gaps that a subscriber is told of, and the rules for them.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use sse_kit_broadcast::SlowConsumer;
use sse_kit_event::control::{Gap, GapReason};

use crate::circumstances::Circumstances;
use crate::client::{Checked, Client};

/// A gap that a client was told of: of the numbers `(from, to]`.
#[derive(Debug)]
pub(crate) struct Told {
    from: u64,
    pub(crate) to: u64,
    reason: GapReason,
    /// The epoch of the client at that time.
    epoch: usize,
}

impl Client {
    pub(crate) fn takes_gap(&mut self, gap: &Gap, world: &Circumstances<'_>) -> Checked {
        self.gaps_taken += 1;
        if self.gap_first.as_ref() == Some(gap) {
            self.gap_first = None;
            self.seen = gap.to;
            return Ok(());
        }
        prop_assert!(self.gap_first.is_none(), "{gap:?} before the first gap at {self:#?}");
        let epochs = &world.chronicle.epochs;
        let from = gap.from.and_then(|from| epochs.number(from));
        let (Some(from), Some(to)) = (from, epochs.number(gap.to)) else {
            return Err(TestCaseError::fail(format!("{gap:?} names another epoch")));
        };
        let reached = gap.from.and_then(|from| epochs.reached(from)).unwrap_or(0);
        prop_assert!(self.last <= reached, "{gap:?} begins before {} at {self:#?}", self.last);
        if gap.reason == GapReason::UnknownEpoch {
            self.takes_gap_of_epoch(gap, world)?;
        } else {
            self.takes_gap_within_epoch(gap, (from, to), world)?;
        }
        self.told.push(Told { from, to, reason: gap.reason, epoch: self.epoch });
        Ok(())
    }

    /// The end of an epoch is told once, and the client continues from where the next one begins.
    fn takes_gap_of_epoch(&mut self, gap: &Gap, world: &Circumstances<'_>) -> Checked {
        let epochs = &world.chronicle.epochs;
        let index = epochs.index_of(gap.to.epoch()).unwrap_or(0);
        prop_assert!(index > self.epoch, "{gap:?} is told twice at {self:#?}");
        prop_assert_eq!(Some(gap.to), epochs.began_at(index), "at {:#?}", self);
        self.epoch = index;
        (self.last, self.seen, self.known) = (epochs.before(index), gap.to, gap.to);
        Ok(())
    }

    fn takes_gap_within_epoch(
        &self,
        gap: &Gap,
        (from, to): (u64, u64),
        world: &Circumstances<'_>,
    ) -> Checked {
        prop_assert!(from < to, "{gap:?} at {self:#?}");
        let written = world.chronicle.at(to).cloned();
        prop_assert!(written.is_some(), "{gap:?} ends in the future");
        let written = written.expect("checked");
        let lagged = self.overflowed || world.fan_out_lags > self.lags_seen;
        // A topic's losses beyond what an epoch shares end there, at an event of any topic. So do those of a
        // log that deletes what the node has not seen.
        let is_lost = world.chronicle.epochs.count() > 1
            || written.is_unseen
            || written.is_trimmed_in(&self.topics);
        match gap.reason {
            GapReason::Dropped => {
                prop_assert_eq!(self.policy, SlowConsumer::DropOldest);
                prop_assert!(self.overflowed, "{gap:?}, though there was room at {self:#?}");
                prop_assert_eq!(gap.from, Some(self.known));
                let is_for_it = self.due.contains(&to) || written.lost.is_some();
                prop_assert!(is_for_it, "{gap:?}: nothing was dropped at {self:#?}");
            }
            GapReason::Lagged => {
                prop_assert!(lagged, "{gap:?}, though there was room at {self:#?}");
                prop_assert!(is_lost, "{gap:?}, though history has {written:?} for {self:#?}");
            }
            GapReason::Trimmed => {
                prop_assert!(self.resuming, "{gap:?}, though it did not resume: {self:#?}");
                prop_assert!(is_lost, "{gap:?}, though history has {written:?} for {self:#?}");
            }
            _ => prop_assert!(false, "{gap:?} at {self:#?}"),
        }
        let dropped = |told: &&Told| told.reason == GapReason::Dropped;
        let same = |told: &&Told| {
            told.epoch == self.epoch && dropped(told) == (gap.reason == GapReason::Dropped)
        };
        let news = self.told.iter().filter(same).all(|told| told.to < to);
        prop_assert!(news, "{gap:?} is told twice at {self:#?}");
        Ok(())
    }

    pub(crate) fn is_after_what_was_dropped(&self, number: u64) -> Checked {
        let here = self.told.iter().filter(|told| told.epoch == self.epoch);
        let dropped = here.filter(|told| told.reason == GapReason::Dropped);
        let dropped = dropped.map(|told| told.to).max();
        prop_assert!(dropped < Some(number), "{number} after younger ones were dropped: {self:#?}");
        Ok(())
    }

    /// Returns `true` if a gap accounts for an event that it did not get. One about history accounts for
    /// events that history has `trimmed`.
    pub(crate) fn was_told(&self, number: u64, trimmed: bool) -> bool {
        self.told.iter().any(|told| {
            let lost = matches!(told.reason, GapReason::Dropped | GapReason::UnknownEpoch);
            told.from < number && number <= told.to && (lost || trimmed)
        })
    }
}
