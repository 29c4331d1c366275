//! The rules for what a client takes: its sequence, and that nothing is missing from it.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use sse_kit_broadcast::{CloseReason, Delivery, Entry, SlowConsumer, Subscription};
use sse_kit_event::EventId;

use crate::chronicle::Chronicle;
use crate::circumstances::Circumstances;
use crate::client::{Checked, Client};
use crate::stream::{Flag, Stream, Waiting};

impl Client {
    /// Takes this many deliveries, or as many as there are.
    pub(crate) fn take(&mut self, many: usize, world: &Circumstances<'_>) -> Checked {
        if !self.is_open(world)? {
            return Ok(());
        }
        for _ in 0..many {
            // A task of its own each time: the newest is the one to be woken.
            let flag = Arc::new(Flag::default());
            let waker = Waker::from(Arc::clone(&flag));
            match self.poll(&mut Context::from_waker(&waker)) {
                // It gave up its turn, and goes on at once.
                Poll::Pending if flag.is_woken() => {}
                Poll::Pending => {
                    self.waiting = Some(Waiting { flag, since: world.chronicle.position() });
                    return if world.settled { self.is_up_to_date(world) } else { Ok(()) };
                }
                Poll::Ready(delivery) => {
                    self.was_woken(delivery.as_ref(), world)?;
                    let Some(delivery) = delivery else { return self.has_ended(world) };
                    self.takes(delivery, world)?;
                    self.has_what_it_is_said_to_have(world.chronicle)?;
                }
            }
        }
        Ok(())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        match &mut self.stream {
            Stream::Open(subscription) => subscription.poll_recv(cx),
            Stream::Backfilling(_) => Poll::Pending,
        }
    }

    /// Lets it be read for, if it is not open yet. Returns `true` once it is open.
    pub(crate) fn is_open(&mut self, world: &Circumstances<'_>) -> Checked<bool> {
        let Stream::Backfilling(backfilling) = &mut self.stream else { return Ok(true) };
        let Poll::Ready(opened) = backfilling.poll() else { return Ok(false) };
        let subscription = opened.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(subscription.cursor(), backfilling.cursor);
        let is_hindered = backfilling.is_hindered
            || backfilling.ended.is_some()
            || world.is_narrow
            || backfilling.has_waited_long()
            || world.deleted > backfilling.cursor.offset();
        let joined_at = backfilling.joined_at;
        let waits = self.due.iter().filter(|number| **number > joined_at).count();
        let overflows = waits + self.directs.len() > self.queue;
        self.is_backfilled(subscription, (is_hindered, overflows), world)?;
        Ok(true)
    }

    /// Everything that the log has is read, unless something came between: it misses nothing then, however
    /// short history is.
    fn is_backfilled(
        &mut self,
        subscription: Subscription,
        (is_hindered, overflows): (bool, bool),
        world: &Circumstances<'_>,
    ) -> Checked {
        let begins_with_gap = subscription.begins_with_gap() && self.gap_first.is_none();
        prop_assert!(subscription.ending() != Some(CloseReason::TooSlow), "slow: {self:#?}");
        self.stream = Stream::Open(Box::new(subscription));
        prop_assert!(is_hindered || !begins_with_gap, "a gap, though the log has all: {self:#?}");
        // Once its queue is full, later events are in history, which may drop them.
        let may_lack = overflows || world.fan_out_lags > self.lags_seen;
        if !is_hindered && !may_lack && self.gap_first.is_none() {
            let gaps = self.gaps_taken;
            self.take(usize::MAX, world)?;
            prop_assert_eq!(self.gaps_taken, gaps, "a gap, though nothing is lost: {:#?}", self);
        }
        Ok(())
    }

    /// A client that waits is woken when there is something. Events may wait for others for a while, but
    /// not if they fill half of the queue.
    fn was_woken(&mut self, delivery: Option<&Delivery>, world: &Circumstances<'_>) -> Checked {
        let Some(waiting) = self.waiting.take() else { return Ok(()) };
        if waiting.flag.is_woken() {
            return Ok(());
        }
        let Some(Delivery::Entry(entry)) = delivery else {
            return Err(TestCaseError::fail(format!("nobody woke {self:#?} for {delivery:?}")));
        };
        let number = world.chronicle.epochs.number(entry.id()).unwrap_or(0);
        let waits = world.chronicle.at(number).is_some_and(|event| world.may_wait_since(event.at));
        prop_assert!(waits, "nobody woke {self:#?} for {entry:?} in time");
        let all_are_there = world.settled && self.policy != SlowConsumer::Conflate;
        let new = self.due.iter().filter(|number| **number > waiting.since).count();
        let is_half_full = all_are_there && 2 * new >= self.queue;
        prop_assert!(!is_half_full, "nobody woke {self:#?}, though its queue is half full");
        Ok(())
    }

    fn takes(&mut self, delivery: Delivery, world: &Circumstances<'_>) -> Checked {
        prop_assert!(self.goodbye.is_none(), "{delivery:?} after the goodbye");
        match delivery {
            Delivery::Entry(entry) => self.takes_entry(&entry, world),
            Delivery::Direct(frame) => {
                prop_assert_eq!(Some(frame), self.directs.pop_front());
                self.entries_taken += 1;
                Ok(())
            }
            Delivery::Gap(gap) => self.takes_gap(&gap, world),
            Delivery::Heartbeat { position } => self.takes_heartbeat(position, world),
            Delivery::Goodbye(goodbye) => {
                self.goodbye = Some(goodbye);
                if self.stream.ending() != Some(CloseReason::Shutdown) {
                    prop_assert_eq!(Some(goodbye), self.last_word);
                    return Ok(());
                }
                prop_assert_eq!(Some(goodbye), world.goodbye);
                self.nothing_is_missing_at_shutdown(world.chronicle)
            }
            other => Err(TestCaseError::fail(format!("unexpected: {other:?}"))),
        }
    }

    fn takes_entry(&mut self, entry: &Entry, world: &Circumstances<'_>) -> Checked {
        let number = world.chronicle.epochs.number(entry.id()).unwrap_or(0);
        prop_assert!(number > self.last, "{number} after {} at {self:#?}", self.last);
        let written = world.chronicle.at(number);
        prop_assert!(written.is_some(), "{entry:?} was never published");
        let written = written.expect("checked");
        prop_assert_eq!(entry.frame(), &written.frame_with(entry.id()));
        prop_assert_eq!(entry.audience(), &written.audience);
        prop_assert_eq!(entry.key(), written.key.as_ref());
        let is_due = self.due.contains(&number);
        prop_assert!(is_due || self.welcome.contains(&number), "{entry:?} is not for {self:#?}");
        let begins = !is_due && written.lost.is_none(); // of a start within history
        let is_old = world.chronicle.epochs.index_of(entry.id().epoch()) < Some(self.owed_epoch);
        prop_assert!(
            begins || is_old || written.lost.is_some() || !self.is_beyond(),
            "{entry:?} before the gap of its epoch at {self:#?}"
        );
        prop_assert!(begins || self.gap_first.is_none(), "{entry:?} before the gap at {self:#?}");
        self.is_after_what_was_dropped(number)?;
        self.nothing_is_missing(Some(number), world.chronicle)?;
        self.due.retain(|due| *due > number);
        self.owed_epoch = self.owed_epoch.max(written.lost.unwrap_or(0));
        (self.last, self.seen) = (number, entry.id());
        if number > world.chronicle.epochs.number(self.known).unwrap_or(0) {
            self.known = entry.id();
        }
        self.entries_taken += 1;
        Ok(())
    }

    /// A heartbeat may say that the client is further than its last event, if nothing is missing.
    fn takes_heartbeat(&mut self, position: Option<EventId>, world: &Circumstances<'_>) -> Checked {
        prop_assert!(world.heartbeats);
        let Some(position) = position else { return Ok(()) };
        let number = world.chronicle.epochs.number(position).unwrap_or(0);
        let reached = world.chronicle.epochs.reached(position).unwrap_or(0);
        let is_news = reached >= self.last && position != self.known;
        prop_assert!(is_news, "{position} after {} at {self:#?}", self.known);
        let exists = number <= world.chronicle.position() || number == self.last;
        prop_assert!(exists, "{position} is in the future of {self:#?}");
        prop_assert!(self.gap_first.is_none(), "{position} before the gap at {self:#?}");
        let is_old = world.chronicle.epochs.index_of(position.epoch()) < Some(self.owed_epoch);
        prop_assert!(
            is_old || !self.is_beyond(),
            "{position} before the gap of its epoch at {self:#?}"
        );
        prop_assert!(self.directs.is_empty(), "{position} before a message at {self:#?}");
        self.nothing_is_missing(Some(number + 1), world.chronicle)?;
        self.due.retain(|due| *due > number);
        (self.last, self.seen, self.known) = (self.last.max(number), position, position);
        Ok(())
    }

    /// The position that the hub names, whether the client is told of it or not.
    fn has_what_it_is_said_to_have(&self, chronicle: &Chronicle) -> Checked {
        let Some(position) = self.stream.delivered_through() else { return Ok(()) };
        match chronicle.epochs.number(position) {
            Some(number) => self.nothing_is_missing(Some(number + 1), chronicle),
            None => Err(TestCaseError::fail(format!("{position} is no position at {self:#?}"))),
        }
    }

    /// All that was due before `number`, or ever, is accounted for.
    fn nothing_is_missing(&self, before: Option<u64>, chronicle: &Chronicle) -> Checked {
        for number in &self.due {
            if before.is_some_and(|before| *number >= before) {
                break;
            }
            let missing = chronicle.at(*number).expect("what is due was published");
            let newer = (number + 1..=chronicle.position()).filter_map(|newer| chronicle.at(newer));
            let replaced = self.policy == SlowConsumer::Conflate
                && missing.key.is_some()
                && newer
                    .filter(|newer| self.wants(newer) && !newer.is_unseen)
                    .any(|newer| newer.key == missing.key && newer.audience == missing.audience);
            let is_trimmed = !missing.is_in_history_of(&self.topics);
            prop_assert!(
                replaced || self.was_told(*number, is_trimmed),
                "{number} for {} is lost at {before:?} for {self:#?}",
                missing.audience
            );
        }
        Ok(())
    }

    /// Checks that nothing is missing. A client that was disconnected as well catches up when it comes back.
    fn nothing_is_missing_at_shutdown(&self, chronicle: &Chronicle) -> Checked {
        if self.gone { Ok(()) } else { self.nothing_is_missing(None, chronicle) }
    }

    /// Nothing is waiting, and nothing is on its way.
    fn is_up_to_date(&mut self, world: &Circumstances<'_>) -> Checked {
        prop_assert!(self.gap_first.is_none(), "untold at {self:#?}");
        prop_assert!(!self.is_beyond(), "not told of its epoch at {self:#?}");
        prop_assert!(self.directs.is_empty(), "not delivered at {self:#?}");
        self.nothing_is_missing(None, world.chronicle)?;
        self.due.clear();
        (self.resuming, self.overflowed, self.lags_seen) = (false, false, world.fan_out_lags);
        Ok(())
    }

    fn has_ended(&mut self, world: &Circumstances<'_>) -> Checked {
        prop_assert!(self.gap_first.is_none(), "untold at {self:#?}");
        prop_assert!(self.directs.is_empty(), "not delivered at {self:#?}");
        match self.stream.ending() {
            Some(CloseReason::TooSlow) => self.may_be_evicted(),
            Some(CloseReason::Shutdown) => {
                prop_assert_eq!(self.goodbye, world.goodbye);
                self.nothing_is_missing_at_shutdown(world.chronicle)
            }
            // It resumes when it comes back.
            Some(CloseReason::Replaced | CloseReason::Disconnected | CloseReason::Expired) => {
                prop_assert_eq!(self.goodbye, self.last_word);
                Ok(())
            }
            why => Err(TestCaseError::fail(format!("ended because of {why:?}"))),
        }
    }
}
