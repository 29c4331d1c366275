//! One subscriber, and the rules that its sequence must obey.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use sse_kit_broadcast::{CloseReason, Delivery, Entry, Goodbye, SlowConsumer, Subscription};
use sse_kit_event::control::Gap;
use sse_kit_event::{EventId, EventKey, Topics};

use crate::chronicle::{Chronicle, Written};
use crate::epochs::Epochs;
use crate::gaps::Told;

pub(crate) type Checked<T = ()> = Result<T, TestCaseError>;

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) subscription: Stream,
    /// Tells connections apart that have the same id.
    pub(crate) serial: u64,
    /// The number of a client that has an id of its own.
    pub(crate) number: Option<usize>,
    pub(crate) topics: Topics,
    pub(crate) policy: SlowConsumer,
    pub(crate) queue: usize,
    pub(crate) queue_bytes: usize,
    /// It is no longer among the connections.
    pub(crate) gone: bool,
    /// The events for it that were published, and neither delivered nor seen to be lost.
    pub(crate) due: VecDeque<u64>,
    /// The events that may be delivered too: those of an epoch that has ended, and of a start within history.
    welcome: BTreeSet<u64>,
    directs: VecDeque<Bytes>,
    /// The number of the newest event that it saw, or of the one it resumed from.
    pub(crate) last: u64,
    /// The id that it would resume from.
    pub(crate) seen: EventId,
    /// The position after which gaps begin. The events of a start within history are before it.
    pub(crate) known: EventId,
    /// The gap that must be told before the first event.
    pub(crate) gap_first: Option<Gap>,
    pub(crate) told: Vec<Told>,
    /// The newest epoch of which it was told.
    pub(crate) epoch: usize,
    /// The newest epoch of which it must be told before it gets anything of it.
    pub(crate) owed_epoch: usize,
    begins: Begins,
    /// It resumed, and has not been up to date since.
    pub(crate) resuming: bool,
    /// More waited for it than its queue can hold, since it was last up to date.
    pub(crate) overflowed: bool,
    pub(crate) lags_seen: u64,
    waiting: Option<Arc<Flag>>,
    goodbye: Option<Goodbye>,
    /// The goodbye to this client alone.
    pub(crate) last_word: Option<Goodbye>,
    pub(crate) entries_taken: u64,
    pub(crate) gaps_taken: u64,
}

/// The position at which a client begins.
#[derive(Clone, Debug)]
pub(crate) enum Begins {
    Now,
    After(EventId),
    WithGap(Gap),
    /// With all that history has.
    WithHistory,
    /// With some of it.
    WithSome,
}

/// A subscription that a failure does not print the whole hub of.
pub(crate) struct Stream(Subscription);

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.connection().stats().fmt(f)
    }
}

impl Deref for Stream {
    type Target = Subscription;

    fn deref(&self) -> &Subscription {
        &self.0
    }
}

#[derive(Debug, Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The state of the world when a client takes something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances<'a> {
    pub(crate) chronicle: &'a Chronicle,
    /// The fan-out tasks have nothing left to do.
    pub(crate) settled: bool,
    pub(crate) fan_out_lags: u64,
    pub(crate) heartbeats: bool,
    pub(crate) goodbye: Option<Goodbye>,
}

impl Client {
    /// A client that has just joined.
    pub(crate) fn new(
        subscription: Subscription,
        number: Option<usize>,
        (policy, queue, queue_bytes): (SlowConsumer, usize, usize),
        begins: Begins,
        world: &Circumstances<'_>,
    ) -> Self {
        let topics = subscription.connection().topics().clone();
        let serial =
            subscription.connection().metadata::<u64>().copied().expect("we gave it a number");
        let epochs = &world.chronicle.epochs;
        let position = world.chronicle.position();
        let now_at = epochs.id(position);
        let (known, resuming) = match begins {
            Begins::After(id) => (id, true),
            Begins::WithHistory => (EventId::new(now_at.epoch(), 0), true),
            Begins::Now | Begins::WithGap(_) | Begins::WithSome => (now_at, false),
        };
        let last = match begins {
            Begins::After(id) => epochs.number(id).unwrap_or(0),
            Begins::WithHistory | Begins::WithSome => 0,
            Begins::Now | Begins::WithGap(_) => position,
        };
        let mut client = Self {
            subscription: Stream(subscription),
            serial,
            number,
            topics,
            policy,
            queue,
            queue_bytes,
            gone: false,
            due: VecDeque::new(),
            welcome: BTreeSet::new(),
            directs: VecDeque::new(),
            last,
            seen: known,
            known,
            gap_first: if let Begins::WithGap(gap) = &begins { Some(gap.clone()) } else { None },
            told: Vec::new(),
            epoch: epochs.count() - 1,
            owed_epoch: epochs.count() - 1,
            begins,
            resuming,
            overflowed: false,
            lags_seen: world.fan_out_lags,
            waiting: None,
            goodbye: None,
            last_word: None,
            entries_taken: 0,
            gaps_taken: 0,
        };
        client.begins_with(world.chronicle);
        client
    }

    /// Adds the events for it that were published before it came.
    fn begins_with(&mut self, chronicle: &Chronicle) {
        for number in self.last + 1..=chronicle.position() {
            let Some(written) = chronicle.at(number).filter(|written| written.lost.is_none())
            else {
                continue;
            };
            let in_history = !written.trimmed && self.wants(written);
            match self.begins {
                Begins::WithSome if in_history => _ = self.welcome.insert(number),
                Begins::WithHistory if in_history => self.published(number, chronicle),
                Begins::After(_) => self.published(number, chronicle),
                _ => {}
            }
        }
        if matches!(self.begins, Begins::WithSome) {
            // A client that has begun so, and saw nothing, has no id.
            self.seen = EventId::new(self.seen.epoch(), 0);
        }
    }

    /// An epoch begins, which shares what was published through this number.
    pub(crate) fn epoch_begins(&mut self, shared_through: u64, epochs: &Epochs) {
        let begun = epochs.count() - 1;
        let told_of = if self.is_beyond() { epochs.began_at(self.owed_epoch) } else { None };
        let is_at = epochs.number(told_of.unwrap_or(self.known)).unwrap_or(0);
        // A stream that has ended is only given what its queue holds.
        let goes_on = self.subscription.ending().is_none();
        if goes_on && (!epochs.continues(begun) || is_at > shared_through) {
            self.owed_epoch = begun;
        }
        let shared = self.due.partition_point(|number| *number <= shared_through);
        self.welcome.extend(self.due.drain(shared..));
        // What comes after that is something else.
        for told in &mut self.told {
            told.to = told.to.min(shared_through);
        }
        // Its queue may still hold the old events, and it continues from history.
        (self.resuming, self.overflowed) = (true, true);
    }

    /// Returns `true` if it was promised all of history, and is told of each event dropped after it has begun.
    pub(crate) fn was_promised_all(&self) -> bool {
        matches!(self.begins, Begins::WithHistory)
    }

    /// Returns `true` if it has events that an epoch lacks of which it was not told.
    fn is_beyond(&self) -> bool {
        self.owed_epoch > self.epoch
    }

    /// Returns `true` if it asked for this event.
    pub(crate) fn covers(&self, written: &Written) -> bool {
        written.address.as_ref().is_none_or(|topic| self.topics.cover(topic))
    }

    pub(crate) fn wants(&self, written: &Written) -> bool {
        let left_out = self.number.is_some_and(|number| written.except.contains(&number));
        self.covers(written) && !left_out
    }

    /// It was there when this was published, or resumes from before.
    pub(crate) fn published(&mut self, offset: u64, chronicle: &Chronicle) {
        if chronicle.at(offset).is_some_and(|written| self.wants(written)) {
            self.due.push_back(offset);
            self.overflowed |= self.is_full(chronicle, 0);
        }
    }

    /// Something was sent to it alone, and `taken` or refused.
    pub(crate) fn sent(&mut self, frame: Bytes, taken: bool, chronicle: &Chronicle) -> Checked {
        if taken {
            self.directs.push_back(frame);
            self.overflowed |= self.is_full(chronicle, 0);
        } else {
            prop_assert!(self.is_full(chronicle, frame.len()), "refused, though there was room");
        }
        Ok(())
    }

    /// Returns `true` if its queue may be too small for all that may wait for it, and one event more.
    fn is_full(&self, chronicle: &Chronicle, one_more: usize) -> bool {
        let old = self.welcome.range(self.last + 1..).filter_map(|number| chronicle.at(*number));
        let due = self.due.iter().filter_map(|number| chronicle.at(*number));
        let due: Vec<_> = due.chain(old.filter(|old| old.lost.is_some())).collect();
        let waiting = due.len() + self.directs.len() + usize::from(one_more > 0);
        let bytes: usize = due.iter().map(|written| written.frame.len()).sum();
        let directs: usize = self.directs.iter().map(Bytes::len).sum();
        let bytes = bytes + directs + one_more;
        waiting > self.queue || (bytes > self.queue_bytes && waiting > 1)
    }

    /// Takes this many deliveries, or as many as there are.
    pub(crate) fn take(&mut self, many: usize, world: &Circumstances<'_>) -> Checked {
        for _ in 0..many {
            // A task of its own each time: the newest is the one to be woken.
            let flag = Arc::new(Flag::default());
            let waker = Waker::from(Arc::clone(&flag));
            let polled = self.subscription.0.poll_recv(&mut Context::from_waker(&waker));
            if polled.is_ready()
                && let Some(waiting) = self.waiting.take()
            {
                prop_assert!(waiting.0.load(Ordering::Relaxed), "nobody woke {self:#?}");
            }
            match polled {
                // It gave up its turn, and goes on at once.
                Poll::Pending if flag.0.load(Ordering::Relaxed) => {}
                Poll::Pending => {
                    self.waiting = Some(flag);
                    return if world.settled { self.is_up_to_date(world) } else { Ok(()) };
                }
                Poll::Ready(Some(delivery)) => {
                    self.takes(delivery, world)?;
                    self.has_what_it_is_said_to_have(world.chronicle)?;
                }
                Poll::Ready(None) => return self.has_ended(world),
            }
        }
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
                if self.subscription.ending() != Some(CloseReason::Shutdown) {
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
        prop_assert_eq!(entry.frame(), &written.frame);
        prop_assert_eq!(entry.topic(), written.address.as_ref());
        prop_assert_eq!(entry.key().map(EventKey::as_str), written.key);
        let is_due = self.due.contains(&number);
        prop_assert!(is_due || self.welcome.contains(&number), "{entry:?} is not for {self:#?}");
        let begins = !is_due && written.lost.is_none(); // of a start within history
        prop_assert!(
            begins || written.lost.is_some() || !self.is_beyond(),
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
        let is_news = number >= self.last && position != self.known;
        prop_assert!(is_news, "{position} after {} at {self:#?}", self.known);
        prop_assert!(number <= world.chronicle.position(), "{position} is in the future");
        prop_assert!(self.gap_first.is_none(), "{position} before the gap at {self:#?}");
        let is_old = world.chronicle.epochs.index_of(position.epoch()) < Some(self.owed_epoch);
        prop_assert!(
            is_old || !self.is_beyond(),
            "{position} before the gap of its epoch at {self:#?}"
        );
        prop_assert!(self.directs.is_empty(), "{position} before a message at {self:#?}");
        self.nothing_is_missing(Some(number + 1), world.chronicle)?;
        self.due.retain(|due| *due > number);
        (self.last, self.seen, self.known) = (number, position, position);
        Ok(())
    }

    /// The position that the hub names, whether the client is told of it or not.
    fn has_what_it_is_said_to_have(&self, chronicle: &Chronicle) -> Checked {
        let Some(position) = self.subscription.delivered_through() else { return Ok(()) };
        match chronicle.epochs.number(position) {
            Some(number) => self.nothing_is_missing(Some(number + 1), chronicle),
            None => Err(TestCaseError::fail(format!("{position} is no position at {self:#?}"))),
        }
    }

    /// All that was due before `offset`, or ever, is accounted for.
    fn nothing_is_missing(&self, before: Option<u64>, chronicle: &Chronicle) -> Checked {
        for offset in &self.due {
            if before.is_some_and(|before| *offset >= before) {
                break;
            }
            let missing = chronicle.at(*offset).expect("what is due was published");
            let newer = (offset + 1..=chronicle.position()).filter_map(|newer| chronicle.at(newer));
            let replaced = self.policy == SlowConsumer::Conflate
                && missing.key.is_some()
                && newer
                    .filter(|newer| self.wants(newer))
                    .any(|newer| newer.key == missing.key && newer.address == missing.address);
            prop_assert!(
                replaced || self.was_told(*offset, missing.trimmed),
                "{offset} of {:?} is lost at {before:?} for {self:#?}",
                missing.address
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
        match self.subscription.ending() {
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

    /// Once everything is handed out, no more waits for it than its queue can hold.
    pub(crate) fn keeps_up_or_is_evicted(&self) -> Checked {
        let patient = self.policy != SlowConsumer::Disconnect || self.resuming;
        let evicted = self.subscription.ending().is_some();
        prop_assert!(patient || evicted || self.due.len() <= self.queue, "not evicted: {self:#?}");
        Ok(())
    }

    pub(crate) fn may_be_evicted(&self) -> Checked {
        prop_assert_eq!(self.policy, SlowConsumer::Disconnect);
        prop_assert!(self.overflowed, "ended as too slow, though there was room: {self:#?}");
        Ok(())
    }
}
