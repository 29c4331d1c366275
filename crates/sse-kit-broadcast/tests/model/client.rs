//! One subscriber, and what the model says is due to it. The rules for what it takes are in `taking.rs`.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use sse_kit_broadcast::{ConnectionSet, Goodbye, SlowConsumer};
use sse_kit_event::control::{Gap, GapReason};
use sse_kit_event::{Audience, EventId, Topics};

use crate::chronicle::{Chronicle, Written, id_of};
use crate::circumstances::Circumstances;
use crate::epochs::Epochs;
use crate::gaps::Told;
use crate::stream::{Stream, Waiting};

pub(crate) type Checked<T = ()> = Result<T, TestCaseError>;

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) stream: Stream,
    /// Tells connections apart that have the same id.
    pub(crate) serial: u64,
    /// The number of a client that has an id of its own.
    pub(crate) number: Option<usize>,
    pub(crate) topics: Topics,
    pub(crate) policy: SlowConsumer,
    pub(crate) queue: usize,
    queue_bytes: usize,
    /// It is no longer among the connections.
    pub(crate) gone: bool,
    /// The events for it that were published, and neither delivered nor seen to be lost.
    pub(crate) due: VecDeque<u64>,
    /// The events that may be delivered too: those of an epoch that has ended, and of a start within history.
    pub(crate) welcome: BTreeSet<u64>,
    pub(crate) directs: VecDeque<Bytes>,
    /// The number of the newest event that it saw, or of the one it resumed from.
    pub(crate) last: u64,
    /// The id that it would resume from.
    pub(crate) seen: EventId,
    /// The position after which gaps begin. The events of a start within history are before it.
    pub(crate) known: EventId,
    /// The gap that must be told before the next event.
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
    /// Its last poll, if that found nothing.
    pub(crate) waiting: Option<Waiting>,
    pub(crate) goodbye: Option<Goodbye>,
    /// The goodbye to this client alone.
    pub(crate) last_word: Option<Goodbye>,
    pub(crate) entries_taken: u64,
    pub(crate) gaps_taken: u64,
}

/// The position at which a client begins.
#[derive(Clone, Debug)]
pub(crate) enum Begins {
    Now,
    /// After this id, which may be after the position of the hub.
    After(EventId),
    WithGap(Gap),
    /// With all that history has.
    WithHistory,
    /// With some of it.
    WithSome,
}

impl Client {
    /// A client that has just joined.
    pub(crate) fn new(
        stream: Stream,
        number: Option<usize>,
        (policy, queue, queue_bytes): (SlowConsumer, usize, usize),
        begins: Begins,
        world: &Circumstances<'_>,
    ) -> Self {
        let topics = stream.connection().topics().clone();
        let serial = stream.connection().metadata::<u64>().copied().expect("we gave it a number");
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
            stream,
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
            let in_history = written.is_in_history_of(&self.topics) && self.wants(written);
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
        let goes_on = self.stream.ending().is_none();
        let is_told = !epochs.continues(begun) || is_at > shared_through;
        if goes_on && (is_told || self.stream.is_backfilling()) {
            self.owed_epoch = begun;
            // What it claimed to have seen is not of this epoch.
            self.last = self.last.min(epochs.before(begun));
        }
        self.stream.hinder();
        let shared = self.due.partition_point(|number| *number <= shared_through);
        self.welcome.extend(self.due.drain(shared..));
        // What comes after that is something else.
        for told in &mut self.told {
            told.to = told.to.min(shared_through);
        }
        // Its queue may still hold the old events, and it continues from history.
        (self.resuming, self.overflowed) = (true, true);
    }

    /// The log says that all is delivered that existed when this client came. If it claims to have seen
    /// more, it must be told that this never was.
    pub(crate) fn log_caught_up(&mut self, chronicle: &Chronicle) {
        let position = chronicle.position();
        let goes_on = self.stream.ending().is_none() && !self.is_beyond();
        if goes_on && self.last > position {
            let now_at = chronicle.epochs.id(position);
            let claimed = EventId::new(now_at.epoch(), self.known.offset());
            self.gap_first = Some(Gap::new(Some(claimed), now_at, GapReason::Future));
            (self.last, self.known) = (position, now_at);
        }
    }

    /// Returns `true` if it has events that an epoch lacks of which it was not told.
    pub(crate) fn is_beyond(&self) -> bool {
        self.owed_epoch > self.epoch
    }

    pub(crate) fn wants(&self, written: &Written) -> bool {
        self.is_among(&written.audience, &written.except)
    }

    /// Returns `true` if it is in an audience, and not left out.
    pub(crate) fn is_among(&self, audience: &Audience, except: &ConnectionSet) -> bool {
        let left_out = self.number.is_some_and(|number| except.contains(&id_of(number)));
        self.topics.include(audience) && !left_out
    }

    /// It was there when this was published, or resumes from before.
    pub(crate) fn published(&mut self, number: u64, chronicle: &Chronicle) {
        // One that is ahead claims to have seen it.
        let is_new = number > self.last;
        if is_new && chronicle.at(number).is_some_and(|written| self.wants(written)) {
            self.due.push_back(number);
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

    /// Once everything is handed out, no more waits for it than its queue can hold.
    pub(crate) fn keeps_up_or_is_evicted(&self) -> Checked {
        let patient = self.policy != SlowConsumer::Disconnect || self.resuming;
        let evicted = self.stream.ending().is_some();
        prop_assert!(patient || evicted || self.due.len() <= self.queue, "not evicted: {self:#?}");
        Ok(())
    }

    pub(crate) fn may_be_evicted(&self) -> Checked {
        prop_assert_eq!(self.policy, SlowConsumer::Disconnect);
        prop_assert!(!self.stream.is_backfilling(), "evicted before it could read: {self:#?}");
        prop_assert!(self.overflowed, "ended as too slow, though there was room: {self:#?}");
        Ok(())
    }
}
