//! One client that listens.

use std::io::{ErrorKind, Read};

use anyhow::{Result, bail, ensure};
use memchr::memmem;
use mio::event::Source;
use mio::net::TcpStream;

use crate::body::Body;
use crate::connect::{Room, connect};
use crate::ledger::Ledger;
use crate::marker::{Marker, Scanner};
use crate::options::Options;

/// A response's head is shorter.
const MAX_HEAD: usize = 64 << 10;

#[derive(Debug)]
pub(crate) struct Subscriber {
    socket: TcpStream,
    topic: u32,
    habit: Habit,
    state: State,
    /// The received part of the response's head.
    head: Vec<u8>,
    body: Body,
    scanner: Scanner,
    tally: Tally,
}

/// The behaviour of a client once its stream is open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Habit {
    Reads,
    NeverReads,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Opening,
    Open,
    Closed,
}

/// The received messages, by the numbers that they bear.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    /// The number after the highest that came.
    next: u32,
    received: u32,
    /// Of these, how many came again or after a later one.
    twice: u32,
}

impl Subscriber {
    /// Connects and asks for its topic; the answer is read by [`receive`](Self::receive).
    pub(crate) fn open(options: &Options, nth: u32, habit: Habit) -> Result<Self> {
        let Options { server, topics, patterns, gzip, .. } = *options;
        let topic = nth % topics;
        let name = if patterns { format!("t{topic}:*") } else { format!("t{topic}") };
        let accept = if gzip { "Accept-Encoding: gzip\r\n" } else { "" };
        let request = format!(
            "GET /events?topic={name} HTTP/1.1\r\nHost: {server}\r\n\
             Accept: text/event-stream\r\n{accept}\r\n"
        );
        let room = match habit {
            Habit::Reads => Room::Usual,
            Habit::NeverReads => Room::Small,
        };
        Ok(Self {
            socket: connect(server, nth, room, &request)?,
            topic,
            habit,
            state: State::Opening,
            head: Vec::new(),
            body: Body::AsItComes,
            scanner: Scanner::default(),
            tally: Tally::default(),
        })
    }

    pub(crate) fn source(&mut self) -> &mut impl Source {
        &mut self.socket
    }

    pub(crate) fn topic(&self) -> u32 {
        self.topic
    }

    pub(crate) fn reads(&self) -> bool {
        self.habit == Habit::Reads
    }

    pub(crate) fn is_opening(&self) -> bool {
        self.state == State::Opening
    }

    /// Returns `true` if the server ended the stream, which no client asks for. It stays `false`
    /// for clients that never read: the end comes after the bytes that they have not read.
    pub(crate) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Returns the number of the topic's messages that never came, or came too late to be in order.
    pub(crate) fn lost(&self, sent: u32) -> u32 {
        sent.saturating_sub(self.tally.received - self.tally.twice)
    }

    /// Returns the number of messages that came again, or after a later one.
    pub(crate) fn twice(&self) -> u32 {
        self.tally.twice
    }

    /// Reads what has come.
    pub(crate) fn receive(&mut self, buffer: &mut [u8], ledger: &mut Ledger) -> Result<()> {
        if self.state == State::Open && self.habit == Habit::NeverReads {
            return Ok(());
        }
        while self.state != State::Closed {
            match self.socket.read(buffer) {
                Ok(0) => self.close()?,
                Ok(length) => {
                    self.take(&buffer[..length], ledger)?;
                    // This has emptied the socket; later bytes come with another event of epoll.
                    if length < buffer.len() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.close()?,
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        ensure!(!self.is_opening(), "the server closed a connection instead of answering");
        self.state = State::Closed;
        Ok(())
    }

    fn take(&mut self, bytes: &[u8], ledger: &mut Ledger) -> Result<()> {
        if !self.is_opening() {
            return self.scan(bytes, ledger);
        }
        self.head.extend_from_slice(bytes);
        let Some(end) = memmem::find(&self.head, b"\r\n\r\n") else {
            ensure!(self.head.len() < MAX_HEAD, "the server's head has no end");
            return Ok(());
        };
        let head = std::mem::take(&mut self.head);
        if !head.starts_with(b"HTTP/1.1 200") {
            bail!("the server refused a subscriber:\n{}", String::from_utf8_lossy(&head));
        }
        self.state = State::Open;
        self.body = Body::of(&head[..end]);
        self.scan(&head[end + 4..], ledger)
    }

    fn scan(&mut self, bytes: &[u8], ledger: &mut Ledger) -> Result<()> {
        let now = ledger.now();
        ledger.received(bytes.len());
        self.body.read(bytes, |bytes| {
            self.scanner.scan(bytes, |marker| {
                self.tally.count(marker);
                ledger.delivered(self.topic, marker, now);
            })
        })
    }
}

impl Tally {
    fn count(&mut self, marker: Marker) {
        self.received += 1;
        if marker.number < self.next {
            self.twice += 1;
        } else {
            self.next = marker.number + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_comes_again_or_late_is_told_from_what_is_missing() {
        let mut tally = Tally::default();
        for number in [0, 1, 3, 3, 2] {
            tally.count(Marker { number, sent: Duration::ZERO });
        }
        assert_eq!((tally.received, tally.twice, tally.next), (5, 2, 4));
    }
}
