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
    publishers: Vec<Publisher>,
    pub(crate) ledger: Ledger,
    /// How many messages each topic was sent.
    sent: Vec<u32>,
    topics: Rng,
}

/// What is done while there is nothing to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Waiting {
    Sleep,
    Spin,
}

impl<'a> Generator<'a> {
    pub(crate) fn new(options: &'a Options) -> Result<Self> {
        let start = Instant::now();
        let listening = options.connections - options.slow_connections();
        let ledger =
            Ledger::new(start, options.warm_up + options.messages, listening / options.topics());
        Ok(Self {
            options,
            start,
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            buffer: vec![0; 256 << 10],
            waiting: Waiting::Sleep,
            subscribers: Vec::new(),
            publishers: Vec::new(),
            ledger,
            sent: vec![0; options.topics() as usize],
            // The same topics in the same order for every server.
            topics: Rng::with_seed(1),
        })
    }

    /// Opens all subscribers, and waits until each has its response's head.
    pub(crate) fn connect(&mut self) -> Result<()> {
        let mut opening = 0;
        for nth in 0..self.options.connections {
            self.open_subscriber(nth)?;
            opening += 1;
            while opening == OPENING_AT_ONCE {
                opening -= self.turn()?;
            }
        }
        while opening > 0 {
            opening -= self.turn()?;
        }
        Ok(())
    }

    /// Opens the publishers, which are none of the connections that are measured idle.
    pub(crate) fn connect_publishers(&mut self) -> Result<()> {
        for nth in 0..self.options.publishers {
            let payload = self.options.payload as usize;
            let mut publisher = Publisher::open(self.options.server, nth, payload, self.start)?;
            let token = Token(FIRST_PUBLISHER + nth as usize);
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(publisher.source(), token, interest)?;
            self.publishers.push(publisher);
        }
        Ok(())
    }

    /// How to wait from now on.
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

    /// Publishes so many messages, as many at a time as the window allows, and waits until all
    /// have come or the server has stalled.
    pub(crate) fn publish(&mut self, messages: u32) -> Result<()> {
        let finished_before = self.ledger.finished();
        let mut sent = 0;
        let mut progress = (self.ledger.deliveries(), Instant::now());
        loop {
            let finished = self.ledger.finished() - finished_before;
            while sent < messages && sent < finished + self.options.window {
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

    /// How many messages a subscriber should have had.
    pub(crate) fn sent_to(&self, subscriber: &Subscriber) -> u32 {
        self.sent[subscriber.topic() as usize]
    }

    fn open_subscriber(&mut self, nth: u32) -> Result<()> {
        let Options { connections, server, .. } = *self.options;
        // Spread evenly among the others: slow when the share so far passes another whole one.
        let slow_before = |nth: u32| nth * self.options.slow_connections() / connections;
        let habit =
            if slow_before(nth + 1) > slow_before(nth) { Habit::NeverReads } else { Habit::Reads };
        let mut subscriber = Subscriber::open(server, nth, nth % self.options.topics(), habit)?;
        let token = Token(nth as usize);
        self.poll.registry().register(subscriber.source(), token, Interest::READABLE)?;
        self.subscribers.push(subscriber);
        Ok(())
    }

    fn publish_one(&mut self) -> Result<()> {
        let topic = self.topics.usize(..self.sent.len());
        let number = self.sent[topic];
        self.sent[topic] += 1;
        // Always the same publisher for a topic, or its messages would not be in order.
        let publisher = topic % self.publishers.len();
        let topic = u32::try_from(topic).expect("there are no more topics than connections");
        self.publishers[publisher].publish(topic, number)
    }

    /// Deals with what has come, or waits a moment for it. Returns how many streams opened.
    fn turn(&mut self) -> Result<usize> {
        let timeout = self.options.timeout();
        ensure!(
            self.start.elapsed() < timeout,
            "it was not over in {timeout:?}: {} streams and {} deliveries",
            self.subscribers.len(),
            self.ledger.deliveries()
        );
        self.wait()?;
        let mut opened = 0;
        for event in &self.events {
            let Token(token) = event.token();
            if let Some(publisher) = token.checked_sub(FIRST_PUBLISHER) {
                self.publishers[publisher].advance()?;
                continue;
            }
            let subscriber = &mut self.subscribers[token];
            let was_opening = subscriber.is_opening();
            subscriber.receive(&mut self.buffer, &mut self.ledger)?;
            opened += usize::from(was_opening && !subscriber.is_opening());
        }
        Ok(opened)
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
