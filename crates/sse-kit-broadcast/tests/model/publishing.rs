//! Publishing, and what the log does with it: at once, or later.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use sse_kit_broadcast::{
    BoxFuture, ConnectionSet, PublishError, Reach, Receipt, Record, SendError,
};
use sse_kit_event::{Audience, Event, EventId};
use tokio::task::coop::unconstrained;

use crate::actions::Answer;
use crate::chronicle::id_of;
use crate::client::Checked;
use crate::world::{World, topic};

/// Somebody who publishes, and has no answer yet.
pub(crate) struct Publishing {
    outcome: BoxFuture<'static, Result<Receipt, PublishError>>,
    id: EventId,
    audience: Audience,
    except: ConnectionSet,
}

impl World {
    pub(crate) fn publish(
        &mut self,
        topics: &[&str],
        key: Option<&str>,
        except: &[usize],
        size: usize,
    ) -> Checked {
        let end = self.log.end();
        let id = EventId::new(end.epoch(), end.offset() + 1);
        let mut event = Event::new(format!("{} {}", id.offset(), "x".repeat(size)));
        if let Some(key) = key {
            event = event.with_key(key.parse().expect("it is right"));
        }
        let audience = Audience::several(topics.iter().map(|text| topic(text)));
        let audience = audience.unwrap_or(Audience::Everyone);
        let left_out: Vec<_> = except.iter().map(|number| id_of(*number)).collect();
        let except = ConnectionSet::new(left_out.clone()).expect("they are few");
        // The tasks of the hub run when the story says so, and not in here.
        let (hub, to) = (self.hub.clone(), audience.clone());
        let mut outcome: BoxFuture<'static, _> = Box::pin(unconstrained(async move {
            match (&to, left_out.is_empty()) {
                (Audience::Everyone, true) => hub.broadcast(event).await,
                (Audience::Everyone, false) => hub.except(left_out).broadcast(event).await,
                (topics, true) => hub.publish(topics, event).await,
                (topics, false) => hub.except(left_out).publish(topics, event).await,
            }
        }));
        match poll(&mut outcome) {
            Poll::Pending => {
                prop_assert!(self.settings.log.is_late && self.goodbye.is_none());
                self.publishing.push(Publishing { outcome, id, audience, except });
                Ok(())
            }
            Poll::Ready(published) if self.goodbye.is_some() => {
                prop_assert!(matches!(published, Err(PublishError::Closed)), "{published:?}");
                Ok(())
            }
            Poll::Ready(published) => {
                let record = self.log.newest().expect("it was just published");
                let receivers = self.is_delivered(&record);
                is_receipt_of(published, id, receivers)
            }
        }
    }

    /// The hub is given a record. Returns the number of clients that will get it.
    fn is_delivered(&mut self, record: &Record) -> usize {
        let number = self.chronicle.write(record);
        self.settled = false;
        let receivers = self.count(&record.audience, &record.except);
        for client in self.clients.iter_mut().flatten().chain(&mut self.others) {
            if client.stream.ending().is_none() {
                client.published(number, &self.chronicle);
            }
        }
        receivers
    }

    /// Returns the number of clients who are there now and in an audience, each once.
    fn count(&self, audience: &Audience, except: &ConnectionSet) -> usize {
        let clients = self.clients.iter().flatten().chain(&self.others);
        clients.filter(|client| !client.gone && client.is_among(audience, except)).count()
    }

    pub(crate) fn deliver(&mut self, many: usize) -> Checked {
        for _ in 0..many {
            let Some((record, delivered)) = self.log.deliver() else { break };
            if self.goodbye.is_some() {
                prop_assert!(delivered.is_err(), "delivered after the end");
                break;
            }
            prop_assert_eq!(delivered, Ok(self.is_delivered(&record)));
        }
        Ok(())
    }

    /// The log answers somebody. It may have delivered the event before, and may deliver it later.
    pub(crate) fn answer(&mut self, place: prop::sample::Index, how: Answer) -> Checked {
        if self.publishing.is_empty() {
            return Ok(());
        }
        self.answer_at(place.index(self.publishing.len()), how)
    }

    fn answer_at(&mut self, place: usize, how: Answer) -> Checked {
        let Publishing { mut outcome, id, audience, except } = self.publishing.remove(place);
        match how {
            Answer::Confirm => {
                prop_assert!(self.log.answer(place, Ok(id)));
                match poll(&mut outcome) {
                    Poll::Ready(published) => {
                        is_receipt_of(published, id, self.count(&audience, &except))
                    }
                    Poll::Pending => Err(TestCaseError::fail(format!("{id} waits for ever"))),
                }
            }
            Answer::Shrug => {
                prop_assert!(self.log.answer(place, Err("no answer")));
                let published = poll(&mut outcome);
                let is_ambiguous = |error: &PublishError| error.is_ambiguous();
                let is_told = matches!(&published, Poll::Ready(Err(e)) if is_ambiguous(e));
                prop_assert!(is_told, "{id}: {published:?}");
                Ok(())
            }
            Answer::GiveUp => {
                drop(outcome);
                prop_assert!(!self.log.answer(place, Ok(id)), "it still waits");
                Ok(())
            }
        }
    }

    /// The log deletes what it has not delivered. Everybody who wants it must be told.
    pub(crate) fn lose(&mut self, many: usize) {
        if self.goodbye.is_some() {
            return;
        }
        for record in self.log.lose(many) {
            let number = self.chronicle.write_unseen(&record);
            self.settled = false;
            for client in self.clients.iter_mut().flatten().chain(&mut self.others) {
                client.stream.hinder();
                if client.stream.ending().is_none() {
                    client.published(number, &self.chronicle);
                    client.resuming = true;
                }
            }
        }
    }

    pub(crate) fn mark(&mut self) {
        self.log.mark();
        self.marked = self.serials;
    }

    pub(crate) fn catch_up(&mut self) -> Checked {
        let Some(lacks) = self.log.lacks_to_mark().filter(|_| self.goodbye.is_none()) else {
            return Ok(());
        };
        self.deliver(usize::try_from(lacks).expect("small"))?;
        self.log.caught_up();
        for client in self.clients.iter_mut().flatten().chain(&mut self.others) {
            if client.serial < self.marked {
                client.log_caught_up(&self.chronicle);
            }
        }
        Ok(())
    }

    pub(crate) fn answer_read(&mut self, succeeds: bool) {
        if self.log.answer_read(succeeds) && !succeeds {
            for client in self.clients.iter_mut().flatten().chain(&mut self.others) {
                client.stream.hinder();
            }
        }
    }

    /// The log does all that it has put off.
    pub(crate) fn log_does_all(&mut self) -> Checked {
        self.mark();
        self.catch_up()?;
        while !self.publishing.is_empty() {
            self.answer_at(0, Answer::Confirm)?;
        }
        Ok(())
    }

    pub(crate) fn begin_epoch(&mut self, lacks: Option<u64>) -> Checked {
        let Some(epoch) = self.chronicle.epochs.next().filter(|_| self.goodbye.is_none()) else {
            return Ok(());
        };
        let end = self.log.end();
        let at = |lacks| EventId::new(end.epoch(), end.offset().saturating_sub(lacks));
        let shared = lacks.map(at);
        let begun = self.log.begin_epoch(epoch, shared.map(EventId::offset));
        prop_assert!(begun.is_ok(), "{begun:?}");
        let through = self.chronicle.begin_epoch(epoch, shared);
        self.settled = false;
        for client in self.clients.iter_mut().flatten().chain(&mut self.others) {
            client.epoch_begins(through, &self.chronicle.epochs);
        }
        Ok(())
    }

    pub(crate) fn send_to(&mut self, number: usize) -> Checked {
        let event = Event::new("for you");
        let sent = self.hub.send_to(&id_of(number), &event);
        let client = self.clients[number].as_mut().filter(|client| !client.gone);
        match client.filter(|client| client.stream.ending().is_none()) {
            None => prop_assert_eq!(sent, Err(SendError::NotConnected)),
            Some(client) => {
                prop_assert!(matches!(sent, Ok(()) | Err(SendError::QueueFull)), "{sent:?}");
                client.sent(event.encode().finish(None), sent.is_ok(), &self.chronicle)?;
            }
        }
        Ok(())
    }
}

fn poll<T>(future: &mut BoxFuture<'static, T>) -> Poll<T> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn is_receipt_of(
    published: Result<Receipt, PublishError>,
    id: EventId,
    receivers: usize,
) -> Checked {
    let receipt = published.map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
    prop_assert_eq!((receipt.id, receipt.reach), (id, Reach::Everywhere));
    prop_assert!(!receipt.repeated);
    prop_assert_eq!(receipt.receivers, receivers, "receivers of {}", id);
    Ok(())
}
