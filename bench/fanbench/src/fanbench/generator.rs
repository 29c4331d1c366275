//! All clients on one thread and one epoll.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fastrand::Rng;
use mio::{Events, Interest, Poll, Token};

use crate::ledger::Ledger;
use crate::options::Options;
use crate::publisher::Publisher;
use crate::subscriber::{Habit, Subscriber};

/// Tokens below are subscribers.
const FIRST_PUBLISHER: usize = 1 << 24;

/// Subscribers that may wait for their response's head at once: less than any server's backlog.
const OPENING_AT_ONCE: usize = 64;

/// The same where they leave as soon as they have it.
const CHURNING_AT_ONCE: u32 = 32;

/// After how long without a delivery a server is thought to have lost the rest.
const STALL: Duration = Duration::from_secs(3);

/// Between two looks at epoll while spinning, so that its lock is mostly the server's.
const BETWEEN_LOOKS: Duration = Duration::from_micros(20);

const TURN: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) struct Generator<'a> {
    options: &'a Options,
    start: Instant,
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    waiting: Waiting,
    pub(crate) subscribers: Vec<Subscriber>,
    /// The places of subscribers whose streams opened in the last turn.
    opened: Vec<usize>,
    publishers: Vec<Publisher>,
    pub(crate) ledger: Ledger,
    /// The number of messages sent to each topic.
    sent: Vec<u32>,
    topics: Rng,
}

/// The way to wait while there is nothing to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Waiting {
    Sleep,
    Spin,
}

impl<'a> Generator<'a> {
    pub(crate) fn new(options: &'a Options) -> Result<Self> {
        let start = Instant::now();
        let listening = options.connections - options.slow_connections();
        let ledger = Ledger::new(start, options.topics, listening / options.topics);
        Ok(Self {
            options,
            start,
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            buffer: vec![0; 256 << 10],
            waiting: Waiting::Sleep,
            subscribers: Vec::new(),
            opened: Vec::new(),
            publishers: Vec::new(),
            ledger,
            sent: vec![0; options.topics as usize],
            // The same topics in the same order for every server.
            topics: Rng::with_seed(1),
        })
    }

    /// Opens all subscribers, and waits until each has its response's head.
    pub(crate) fn connect(&mut self) -> Result<()> {
        let mut opening = 0;
        for nth in 0..self.options.connections {
            let subscriber = self.open_subscriber(nth, nth as usize)?;
            self.subscribers.push(subscriber);
            opening += 1;
            while opening == OPENING_AT_ONCE {
                self.turn()?;
                opening -= self.opened.len();
            }
        }
        while opening > 0 {
            self.turn()?;
            opening -= self.opened.len();
        }
        Ok(())
    }

    /// Opens so many subscribers, some at a time, and closes each once it has its response's head.
    pub(crate) fn churn(&mut self, cycles: u32) -> Result<()> {
        let mut begun = cycles.min(CHURNING_AT_ONCE);
        for nth in 0..begun {
            let subscriber = self.open_subscriber(nth, nth as usize)?;
            self.subscribers.push(subscriber);
        }
        let mut done = 0;
        while done < cycles {
            self.turn()?;
            for place in std::mem::take(&mut self.opened) {
                done += 1;
                if begun < cycles {
                    self.subscribers[place] = self.open_subscriber(begun, place)?;
                    begun += 1;
                }
            }
        }
        self.subscribers.clear();
        Ok(())
    }

    /// Opens the publishers, which are none of the connections that are measured idle.
    pub(crate) fn connect_publishers(&mut self) -> Result<()> {
        for nth in 0..self.options.publishers {
            let mut publisher = Publisher::open(self.options, nth, self.start)?;
            let token = Token(FIRST_PUBLISHER + nth as usize);
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(publisher.source(), token, interest)?;
            self.publishers.push(publisher);
        }
        Ok(())
    }

    /// Sets the way to wait from now on.
    pub(crate) fn wait_by(&mut self, waiting: Waiting) {
        self.waiting = waiting;
    }

    /// Looks after the connections for a while, without publishing.
    pub(crate) fn idle(&mut self, time: Duration) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < time {
            self.turn()?;
        }
        Ok(())
    }

    /// Publishes so many messages, as many at a time as the window allows or as the rate demands,
    /// and waits until all have come or the server has stalled.
    pub(crate) fn publish(&mut self, messages: u32) -> Result<()> {
        let finished_before = self.ledger.finished();
        let begun = Instant::now();
        let due = |finished: u32| match self.options.rate {
            Some(rate) => due_by_now(rate, begun.elapsed()),
            None => finished + self.options.window,
        };
        let mut sent = 0;
        let mut progress = (self.ledger.deliveries(), Instant::now());
        loop {
            let finished = self.ledger.finished() - finished_before;
            while sent < messages.min(due(finished)) {
                self.publish_one()?;
                sent += 1;
            }
            let answered = self.publishers.iter().all(Publisher::is_idle);
            if finished >= messages && answered {
                return Ok(());
            }
            self.turn()?;
            if progress.0 != self.ledger.deliveries() {
                progress = (self.ledger.deliveries(), Instant::now());
            } else if progress.1.elapsed() > STALL {
                ensure!(answered, "the server did not answer a publish within {STALL:?}");
                return Ok(());
            }
        }
    }

    /// Returns the number of messages that a subscriber should have received.
    pub(crate) fn sent_to(&self, subscriber: &Subscriber) -> u32 {
        self.sent[subscriber.topic() as usize]
    }

    /// Opens the subscriber of that number, whose place is among the others.
    fn open_subscriber(&self, nth: u32, place: usize) -> Result<Subscriber> {
        let Options { connections, .. } = *self.options;
        // Spread evenly among the others: slow when the share so far passes another whole one.
        let slow_before = |nth: u32| nth * self.options.slow_connections() / connections;
        let habit =
            if slow_before(nth + 1) > slow_before(nth) { Habit::NeverReads } else { Habit::Reads };
        let mut subscriber = Subscriber::open(self.options, nth, habit)?;
        self.poll.registry().register(subscriber.source(), Token(place), Interest::READABLE)?;
        Ok(subscriber)
    }

    fn publish_one(&mut self) -> Result<()> {
        let topic = self.topics.usize(..self.sent.len());
        let number = self.sent[topic];
        self.sent[topic] += 1;
        // Always the same publisher for a topic, or its messages would not be in order.
        let publisher = topic % self.publishers.len();
        let topic = u32::try_from(topic).expect("there are no more topics than connections");
        self.ledger.sent(topic);
        self.publishers[publisher].publish(topic, number)
    }

    /// Deals with what has come, or waits a moment for it.
    fn turn(&mut self) -> Result<()> {
        let timeout = self.options.timeout();
        ensure!(
            self.start.elapsed() < timeout,
            "it was not over in {timeout:?}: {} streams and {} deliveries",
            self.subscribers.len(),
            self.ledger.deliveries()
        );
        self.wait()?;
        self.opened.clear();
        for event in &self.events {
            let Token(token) = event.token();
            if let Some(publisher) = token.checked_sub(FIRST_PUBLISHER) {
                self.publishers[publisher].advance()?;
                continue;
            }
            let subscriber = &mut self.subscribers[token];
            let was_opening = subscriber.is_opening();
            subscriber.receive(&mut self.buffer, &mut self.ledger)?;
            if was_opening && !subscriber.is_opening() {
                self.opened.push(token);
            }
        }
        Ok(())
    }

    fn wait(&mut self) -> Result<()> {
        let begun = Instant::now();
        loop {
            let timeout = if self.waiting == Waiting::Spin { Duration::ZERO } else { TURN };
            match self.poll.poll(&mut self.events, Some(timeout)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                outcome => outcome?,
            }
            if !self.events.is_empty() || begun.elapsed() >= TURN {
                return Ok(());
            }
            let looked = Instant::now();
            while looked.elapsed() < BETWEEN_LOOKS {
                std::hint::spin_loop();
            }
        }
    }
}

/// Returns the number of messages that should have been sent, if the first was due at the start.
fn due_by_now(per_second: u32, elapsed: Duration) -> u32 {
    let due = 1 + elapsed.as_micros() * u128::from(per_second) / 1_000_000;
    due.try_into().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_due_at_their_rate() {
        let due = [0, 99, 100, 2_500].map(|ms| due_by_now(10, Duration::from_millis(ms)));
        assert_eq!(due, [1, 1, 2, 26]);
    }
}
