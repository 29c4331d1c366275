//! One subscriber, and the rules that its sequence must obey.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use sse_kit_broadcast::{CloseReason, Delivery, Entry, Goodbye, SlowConsumer, Subscription};
use sse_kit_event::control::{Gap, GapReason};
use sse_kit_event::{EventId, EventKey, Topics};

use crate::chronicle::{Chronicle, Written, offset_in};

pub(crate) type Checked<T = ()> = Result<T, TestCaseError>;

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) subscription: Subscription,
    /// Tells connections apart that have the same id.
    pub(crate) serial: u64,
    /// Which of the clients with an id of their own it is.
    pub(crate) number: Option<usize>,
    pub(crate) topics: Topics,
    pub(crate) policy: SlowConsumer,
    pub(crate) queue: usize,
    pub(crate) queue_bytes: usize,
    /// It is no longer among the connections.
    pub(crate) gone: bool,
    /// What was published, was for it, and was neither delivered nor seen to be lost.
    due: VecDeque<u64>,
    directs: VecDeque<Bytes>,
    /// The newest event that it saw, or the one it resumed from.
    pub(crate) last: u64,
    /// The gap that must be told before the first event.
    gap_first: Option<Gap>,
    told: Vec<Told>,
    /// It resumed, and has not been up to date since.
    resuming: bool,
    /// More waited for it than its queue can hold, since it was last up to date.
    overflowed: bool,
    lags_seen: u64,
    waiting: Option<Arc<Flag>>,
    goodbye: Option<Goodbye>,
    pub(crate) entries_taken: u64,
    pub(crate) gaps_taken: u64,
}

/// A gap that it was told of, `(from, to]`.
#[derive(Debug)]
struct Told {
    from: u64,
    to: u64,
    reason: GapReason,
}

#[derive(Debug, Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What the world knows when a client takes something.
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
    /// A client that has just joined, resuming from `resumed` if that is an id that the log knows,
    /// and otherwise owed this gap.
    pub(crate) fn new(
        subscription: Subscription,
        number: Option<usize>,
        (policy, queue, queue_bytes): (SlowConsumer, usize, usize),
        resumed: Option<u64>,
        gap_first: Option<Gap>,
        world: &Circumstances<'_>,
    ) -> Self {
        let topics = subscription.connection().topics().clone();
        let serial =
            subscription.connection().metadata::<u64>().copied().expect("we gave it a number");
        let position = world.chronicle.position();
        let mut client = Self {
            subscription,
            serial,
            number,
            topics,
            policy,
            queue,
            queue_bytes,
            gone: false,
            due: VecDeque::new(),
            directs: VecDeque::new(),
            last: resumed.unwrap_or(position),
            gap_first,
            told: Vec::new(),
            resuming: resumed.is_some(),
            overflowed: false,
            lags_seen: world.fan_out_lags,
            waiting: None,
            goodbye: None,
            entries_taken: 0,
            gaps_taken: 0,
        };
        for offset in client.last + 1..=position {
            client.published(offset, world.chronicle);
        }
        client
    }

    /// Whether it asked for what is published here.
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

    /// Whether its queue cannot hold what may wait for it, and perhaps one event more.
    fn is_full(&self, chronicle: &Chronicle, one_more: usize) -> bool {
        let waiting = self.due.len() + self.directs.len() + usize::from(one_more > 0);
        let due = self.due.iter().filter_map(|offset| chronicle.at(*offset));
        let bytes: usize = due.map(|written| written.frame.len()).sum();
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
            let polled = self.subscription.poll_recv(&mut Context::from_waker(&waker));
            if polled.is_ready()
                && let Some(waiting) = self.waiting.take()
            {
                prop_assert!(waiting.0.load(Ordering::Relaxed), "nobody woke {self:#?}");
            }
            match polled {
                Poll::Pending => {
                    self.waiting = Some(flag);
                    return if world.settled { self.is_up_to_date(world) } else { Ok(()) };
                }
                Poll::Ready(Some(delivery)) => self.takes(delivery, world)?,
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
                prop_assert_eq!(Some(goodbye), world.goodbye);
                self.goodbye = Some(goodbye);
                self.nothing_is_missing_at_shutdown(world.chronicle)
            }
            other => Err(TestCaseError::fail(format!("unexpected: {other:?}"))),
        }
    }

    fn takes_entry(&mut self, entry: &Entry, world: &Circumstances<'_>) -> Checked {
        let offset = offset_in(self.subscription.cursor(), entry.id()).unwrap_or(0);
        prop_assert!(offset > self.last, "{offset} after {} at {self:#?}", self.last);
        let written = world.chronicle.at(offset);
        prop_assert!(written.is_some(), "{entry:?} was never published");
        let written = written.expect("checked");
        prop_assert_eq!(entry.frame(), &written.frame);
        prop_assert_eq!(entry.topic(), written.address.as_ref());
        prop_assert_eq!(entry.key().map(EventKey::as_str), written.key);
        prop_assert!(self.due.contains(&offset), "{entry:?} is not for {self:#?}");
        prop_assert!(self.gap_first.is_none(), "{entry:?} before the gap at {self:#?}");
        let dropped = self.told.iter().filter(|told| told.reason == GapReason::Dropped);
        let dropped = dropped.map(|told| told.to).max();
        prop_assert!(
            dropped < Some(offset),
            "{entry:?} after younger ones were dropped: {self:#?}"
        );
        self.nothing_is_missing(Some(offset), world.chronicle)?;
        self.due.retain(|due| *due > offset);
        self.last = offset;
        self.entries_taken += 1;
        Ok(())
    }

    /// A heartbeat may say that the client is further than its last event, if nothing is missing.
    fn takes_heartbeat(&mut self, position: Option<EventId>, world: &Circumstances<'_>) -> Checked {
        prop_assert!(world.heartbeats);
        let Some(position) = position else { return Ok(()) };
        let offset = offset_in(self.subscription.cursor(), position).unwrap_or(0);
        prop_assert!(offset > self.last, "{offset} after {} at {self:#?}", self.last);
        prop_assert!(offset <= world.chronicle.position(), "{offset} is in the future");
        prop_assert!(self.gap_first.is_none(), "{position} before the gap at {self:#?}");
        prop_assert!(self.directs.is_empty(), "{position} before a message at {self:#?}");
        self.nothing_is_missing(Some(offset + 1), world.chronicle)?;
        self.due.retain(|due| *due > offset);
        self.last = offset;
        Ok(())
    }

    fn takes_gap(&mut self, gap: &Gap, world: &Circumstances<'_>) -> Checked {
        self.gaps_taken += 1;
        if self.gap_first.as_ref() == Some(gap) {
            self.gap_first = None;
            return Ok(());
        }
        let from = gap.from.and_then(|from| offset_in(self.subscription.cursor(), from));
        let to = offset_in(self.subscription.cursor(), gap.to);
        let (Some(from), Some(to)) = (from, to) else {
            return Err(TestCaseError::fail(format!("{gap:?} names another epoch")));
        };
        prop_assert!(self.last <= from && from < to, "{gap:?} at {self:#?}");
        let written = world.chronicle.at(to).cloned();
        prop_assert!(written.is_some(), "{gap:?} ends in the future");
        let written = written.expect("checked");
        let lagged = self.overflowed || world.fan_out_lags > self.lags_seen;
        match gap.reason {
            GapReason::Dropped => {
                prop_assert_eq!(self.policy, SlowConsumer::DropOldest);
                prop_assert!(self.overflowed, "{gap:?}, though there was room at {self:#?}");
                prop_assert_eq!(from, self.last);
                prop_assert!(self.due.contains(&to), "{gap:?}: nothing was dropped at {self:#?}");
            }
            GapReason::Lagged => {
                prop_assert!(lagged, "{gap:?}, though there was room at {self:#?}");
                prop_assert!(
                    written.trimmed && self.covers(&written),
                    "{gap:?}, though history has {written:?} for {self:#?}"
                );
            }
            GapReason::Trimmed => {
                prop_assert!(self.resuming, "{gap:?}, though it did not resume: {self:#?}");
                prop_assert!(
                    written.trimmed && self.covers(&written),
                    "{gap:?}, though history has {written:?} for {self:#?}"
                );
            }
            _ => prop_assert!(false, "{gap:?} at {self:#?}"),
        }
        let dropped = |told: &&Told| told.reason == GapReason::Dropped;
        let same = |told: &&Told| dropped(told) == (gap.reason == GapReason::Dropped);
        let news = self.told.iter().filter(same).all(|told| told.to < to);
        prop_assert!(news, "{gap:?} is told twice at {self:#?}");
        self.told.push(Told { from, to, reason: gap.reason });
        Ok(())
    }

    /// All that was due before `offset`, or ever, is accounted for.
    fn nothing_is_missing(&self, before: Option<u64>, chronicle: &Chronicle) -> Checked {
        for (at, offset) in self.due.iter().enumerate() {
            if before.is_some_and(|before| *offset >= before) {
                break;
            }
            let missing = chronicle.at(*offset).expect("what is due was published");
            let newer = self.due.range(at + 1..).filter_map(|newer| chronicle.at(*newer));
            let replaced = self.policy == SlowConsumer::Conflate
                && missing.key.is_some()
                && newer
                    .into_iter()
                    .any(|newer| newer.key == missing.key && newer.address == missing.address);
            let told = self.told.iter().any(|told| {
                let dropped = told.reason == GapReason::Dropped;
                told.from < *offset && *offset <= told.to && (dropped || missing.trimmed)
            });
            prop_assert!(
                replaced || told,
                "{offset} of {:?} is lost at {before:?} for {self:#?}",
                missing.address
            );
        }
        Ok(())
    }

    /// Who was disconnected as well does not catch up any more, and resumes when it comes back.
    fn nothing_is_missing_at_shutdown(&self, chronicle: &Chronicle) -> Checked {
        if self.gone { Ok(()) } else { self.nothing_is_missing(None, chronicle) }
    }

    /// Nothing is waiting, and nothing is on its way.
    fn is_up_to_date(&mut self, world: &Circumstances<'_>) -> Checked {
        prop_assert!(self.gap_first.is_none(), "untold at {self:#?}");
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
            Some(CloseReason::Replaced | CloseReason::Disconnected) => Ok(()),
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
