//! Clients that join: the place from which they do, and the events that the model says they are given.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use sse_kit_broadcast::{CloseReason, SlowConsumer, Start, SubscribeError};
use sse_kit_event::control::{Gap, GapReason};
use sse_kit_event::{Epoch, EventId, LastEventId, Topics};

use crate::actions::{Join, Resume};
use crate::chronicle::id_of;
use crate::client::{Begins, Checked, Client};
use crate::stream::Stream;
use crate::world::World;

impl World {
    pub(crate) fn join(&mut self, join: &Join) -> Checked {
        let topics = Topics::parse(&join.topics).expect("they are right");
        let number = Some(join.client);
        if self.goodbye.is_some() {
            let subscribe = self.hub.subscribe(topics).id(id_of(join.client));
            prop_assert_eq!(subscribe.open().err(), Some(SubscribeError::Closed));
            return Ok(());
        }
        let old = self.clients[join.client].take();
        if join.replaces {
            if let Some(mut old) = old {
                let why = old.stream.ending().unwrap_or(CloseReason::Replaced);
                old.stream.note_end(why);
                if !old.gone {
                    old.gone = true;
                    self.has_gone(old.serial, why);
                }
                self.remember(&old);
                self.others.push(old);
            }
        } else if let Some(old) = old {
            self.leaves(old);
        }
        let from = (&join.resume, join.start, join.backfills);
        let client = self.open(number, topics, from, (join.policy, join.queue))?;
        self.memory.insert(join.client, (join.clone(), client.seen));
        self.clients[join.client] = Some(client);
        Ok(())
    }

    pub(crate) fn open(
        &mut self,
        number: Option<usize>,
        topics: Topics,
        (resume, start, backfills): (&Resume, Start, bool),
        (policy, queue): (SlowConsumer, usize),
    ) -> Checked<Client> {
        let cursor = self.hub.cursor();
        let sent = self.last_id(number, resume);
        let begins = self.begins(cursor, sent.as_ref(), start);
        let subscribe = self.hub.subscribe(topics).metadata(self.serials).start(start);
        let subscribe = subscribe.slow_consumer(policy).queue(queue).resume(sent);
        let subscribe = match number {
            Some(number) => subscribe.id(id_of(number)),
            None => subscribe,
        };
        let begin = if let Begins::After(id) = begins { id } else { cursor };
        let failed = |error: SubscribeError| TestCaseError::fail(error.to_string());
        let mut stream = if backfills {
            let pending = subscribe.join().map_err(failed)?;
            Stream::backfilling(pending, begin, self.chronicle.position())
        } else {
            let subscription = subscribe.open().map_err(failed)?;
            prop_assert_eq!(subscription.cursor(), begin);
            Stream::Open(Box::new(subscription))
        };
        if cursor.offset().saturating_sub(begin.offset()) > self.settings.log.max_backfill {
            stream.hinder();
        }
        let limits = (policy, queue, self.settings.queue_bytes.unwrap_or(usize::MAX));
        let mut client = Client::new(stream, number, limits, begins, &self.circumstances());
        self.has_come(&client);
        self.serials += 1;
        // One that nothing is read for is open now, as any other.
        client.is_open(&self.circumstances())?;
        Ok(client)
    }

    /// The last id that the client sends.
    fn last_id(&self, number: Option<usize>, resume: &Resume) -> Option<LastEventId> {
        let cursor = self.hub.cursor();
        let id = |offset| EventId::new(cursor.epoch(), offset);
        let known = match resume {
            Resume::No => return None,
            Resume::Garbage => return LastEventId::parse(b"x\0"),
            Resume::Beginning => id(0),
            Resume::Now => cursor,
            Resume::LastSeen => {
                let seen = number.and_then(|number| self.memory.get(&number));
                seen.map_or(id(0), |(_, seen)| *seen)
            }
            Resume::Somewhere(index) => {
                let offsets = usize::try_from(cursor.offset()).expect("small") + 1;
                id(index.index(offsets) as u64)
            }
            Resume::Future(by) => id(cursor.offset() + by),
            Resume::OtherEpoch(offset) => EventId::new(Epoch::new(0), *offset),
        };
        Some(LastEventId::Known(known))
    }

    fn begins(&self, cursor: EventId, sent: Option<&LastEventId>, start: Start) -> Begins {
        let gap = |from, reason| Begins::WithGap(Gap::new(from, cursor, reason));
        match sent {
            None => match start {
                Start::Now => Begins::Now,
                Start::All => Begins::WithHistory,
                _ => Begins::WithSome,
            },
            Some(LastEventId::Known(id)) => match self.chronicle.epochs.translate(*id) {
                None => gap(Some(*id), GapReason::UnknownEpoch),
                Some(here) if here.offset() <= cursor.offset() => Begins::After(here),
                // Another node may be ahead of this one, and the client may come from there.
                Some(here) if self.settings.log.is_late => Begins::After(here),
                Some(here) => gap(Some(here), GapReason::Future),
            },
            Some(_) => gap(None, GapReason::Malformed),
        }
    }
}
