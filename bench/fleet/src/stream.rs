//! One client that listens, and comes back after the end of its stream.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use memchr::memmem;
use mio::net::TcpStream;

use crate::body::Body;
use crate::clock;
use crate::control::Ends;
use crate::latencies::Latencies;
use crate::stream_events::{StreamEvent, StreamEvents};
use crate::tally::Tally;

/// A response's head is shorter.
const MAX_HEAD: usize = 16 << 10;

/// The wait of a client to which no hub has told a time.
const RETRY: Duration = Duration::from_secs(1);

/// The measurements of all streams of a generator together.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) all: Latencies,
    pub(crate) groups: Latencies,
    /// To streams that were not open when the message was due.
    pub(crate) replayed: Latencies,
    pub(crate) away: Latencies,
    pub(crate) reopening: Latencies,
    pub(crate) ends: Ends,
    pub(crate) received: u64,
    pub(crate) gaps: u64,
}

/// The state of a stream after it was read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    pub(crate) greeted: bool,
    pub(crate) ended: bool,
}

#[derive(Debug)]
pub(crate) struct Stream {
    group: u32,
    connection: Option<Connection>,
    seen: Seen,
}

#[derive(Debug)]
struct Connection {
    socket: TcpStream,
    hub: SocketAddr,
    state: State,
    events: StreamEvents,
}

#[derive(Debug)]
enum State {
    Connecting,
    /// The head of the response, as far as it has come.
    Answering(Vec<u8>),
    Open(Body),
}

/// The state that a client keeps from one stream to the next.
#[derive(Debug)]
struct Seen {
    last_id: Vec<u8>,
    retry: Duration,
    all: Tally,
    of_group: Tally,
    is_open: bool,
    /// A hub has said goodbye on this stream.
    told: bool,
    /// The time at which the last stream ended, and the time until which its hub told the client to wait.
    away: Option<(Duration, Duration)>,
    /// The time of the hello of this stream.
    greeted: Duration,
}

impl Stream {
    pub(crate) fn new(group: u32) -> Self {
        let seen = Seen {
            last_id: Vec::new(),
            retry: RETRY,
            all: Tally::default(),
            of_group: Tally::default(),
            is_open: false,
            told: false,
            away: None,
            greeted: Duration::ZERO,
        };
        Self { group, connection: None, seen }
    }

    /// Takes a socket that connects to a hub.
    pub(crate) fn connect(&mut self, socket: TcpStream, hub: SocketAddr) -> &mut TcpStream {
        self.seen.told = false;
        let (state, events) = (State::Connecting, StreamEvents::default());
        &mut self.connection.insert(Connection { socket, hub, state, events }).socket
    }

    pub(crate) fn is_open(&self) -> bool {
        self.seen.is_open
    }

    pub(crate) fn all(&self) -> &Tally {
        &self.seen.all
    }

    /// Returns the number of the group, and what has come of it.
    pub(crate) fn of_group(&self) -> (u32, &Tally) {
        (self.group, &self.seen.of_group)
    }

    /// Goes on when the socket has something to say.
    pub(crate) fn advance(
        &mut self,
        buffer: &mut [u8],
        measured: &mut Measured,
    ) -> Result<Progress> {
        let was_open = self.seen.is_open;
        let Some(connection) = &mut self.connection else { return Ok(Progress::default()) };
        let has_ended = connection.advance(self.group, &mut self.seen, buffer, measured)?;
        Ok(Progress { greeted: self.seen.is_open && !was_open, ended: has_ended })
    }

    /// Closes the connection. Returns the hub and the time at which the client comes back.
    pub(crate) fn end(&mut self, measured: &mut Measured) -> Option<(SocketAddr, Duration)> {
        let connection = self.connection.take()?;
        let (seen, now) = (&mut self.seen, clock::now());
        let due = now + seen.retry;
        if seen.is_open {
            let ends = &mut measured.ends;
            *(if seen.told { &mut ends.told } else { &mut ends.cut }) += 1;
            seen.away = Some((now, due));
        } else if !seen.told {
            measured.ends.failed += 1;
        }
        seen.is_open = false;
        Some((connection.hub, due))
    }
}

impl Connection {
    /// Returns whether the connection has ended.
    fn advance(
        &mut self,
        group: u32,
        seen: &mut Seen,
        buffer: &mut [u8],
        measured: &mut Measured,
    ) -> Result<bool> {
        if matches!(self.state, State::Connecting) && !self.ask(group, seen) {
            return Ok(self.has_failed());
        }
        loop {
            match self.socket.read(buffer) {
                Ok(0) => return Ok(true),
                Ok(length) => {
                    let is_over = self.take(&buffer[..length], group, seen, measured)?;
                    // A read that is not full has emptied the socket; more comes with another event.
                    if is_over || length < buffer.len() {
                        return Ok(is_over);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Ok(true),
            }
        }
    }

    fn has_failed(&self) -> bool {
        !matches!(self.socket.take_error(), Ok(None))
    }

    /// Sends the request, if the connection is there. Returns whether it is.
    fn ask(&mut self, group: u32, seen: &Seen) -> bool {
        if self.has_failed() || self.socket.peer_addr().is_err() {
            return false;
        }
        let mut request = format!(
            "GET /events?topic=all&topic=groups:{group} HTTP/1.1\r\nHost: {}\r\n\
             Accept: text/event-stream\r\n",
            self.hub
        )
        .into_bytes();
        if !seen.last_id.is_empty() {
            request.extend_from_slice(b"Last-Event-ID: ");
            request.extend_from_slice(&seen.last_id);
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        // An empty socket has room for it.
        let is_sent = self.socket.write(&request).is_ok_and(|length| length == request.len());
        if is_sent {
            self.state = State::Answering(Vec::new());
        }
        is_sent
    }

    /// Returns whether the body is complete.
    fn take(
        &mut self,
        bytes: &[u8],
        group: u32,
        seen: &mut Seen,
        measured: &mut Measured,
    ) -> Result<bool> {
        let head;
        let mut rest = bytes;
        if let State::Answering(begun) = &mut self.state {
            begun.extend_from_slice(bytes);
            let Some(end) = memmem::find(begun, b"\r\n\r\n") else {
                ensure!(begun.len() < MAX_HEAD, "the head of a response has no end");
                return Ok(false);
            };
            head = std::mem::take(begun);
            self.state = State::Open(body(&head[..end + 4])?);
            rest = &head[end + 4..];
        }
        let State::Open(body) = &mut self.state else { return Ok(false) };
        let (events, now) = (&mut self.events, clock::now());
        body.read(rest, |bytes| {
            events.read(bytes, |event| seen.take(event, group, now, measured))
        })?;
        Ok(body.is_complete())
    }
}

/// Returns the reader of the body after a head.
fn body(head: &[u8]) -> Result<Body> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    response.parse(head).context("a response's head is malformed")?;
    if response.code != Some(200) {
        bail!("a hub refused a stream:\n{}", String::from_utf8_lossy(head));
    }
    let is_chunked = response.headers.iter().any(|header| {
        header.name.eq_ignore_ascii_case("transfer-encoding")
            && header.value.eq_ignore_ascii_case(b"chunked")
    });
    Ok(if is_chunked { Body::chunked() } else { Body::Plain })
}

impl Seen {
    fn take(
        &mut self,
        event: StreamEvent<'_>,
        group: u32,
        now: Duration,
        measured: &mut Measured,
    ) -> Result<()> {
        if let Some(retry) = event.retry_ms {
            self.retry = Duration::from_millis(retry.into());
        }
        match event.name {
            // A comment, or a heartbeat as an event.
            b"" if event.data.is_empty() => {}
            b"sse-kit:heartbeat" => {}
            b"" => self.count(event.data, group, now, measured)?,
            b"sse-kit:hello" => self.greet(now, measured),
            b"sse-kit:gap" => measured.gaps += 1,
            b"sse-kit:busy" => {
                self.told = true;
                measured.ends.busy += 1;
            }
            b"sse-kit:shutdown" => self.told = true,
            other => bail!("unexpected event `{}`", String::from_utf8_lossy(other)),
        }
        if let Some(id) = event.id {
            self.last_id.clear();
            self.last_id.extend_from_slice(id);
        }
        Ok(())
    }

    fn greet(&mut self, now: Duration, measured: &mut Measured) {
        (self.is_open, self.greeted) = (true, now);
        if let Some((ended, due)) = self.away.take() {
            measured.away.add(now.saturating_sub(ended));
            measured.reopening.add(now.saturating_sub(due));
        }
    }

    fn count(
        &mut self,
        data: &[u8],
        group: u32,
        now: Duration,
        measured: &mut Measured,
    ) -> Result<()> {
        let message = Message::parse(data).context("a message is damaged")?;
        let latency = now.saturating_sub(message.due);
        if let Some(of) = message.group {
            ensure!(of == group, "a stream of group {group} got a message of group {of}");
            self.of_group.count(message.number);
        } else {
            self.all.count(message.number);
        }
        let latencies = match message.group {
            _ if message.due < self.greeted => &mut measured.replayed,
            Some(_) => &mut measured.groups,
            None => &mut measured.all,
        };
        latencies.add(latency);
        measured.received += 1;
        Ok(())
    }
}

/// The contents of a message: its topic, its number there, and the time at which it was due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Message {
    /// None is the topic `all`.
    pub(crate) group: Option<u32>,
    pub(crate) number: u32,
    pub(crate) due: Duration,
}

impl Message {
    /// Returns data of at least so many bytes.
    pub(crate) fn data(self, length: usize) -> String {
        let topic = self.group.map_or_else(|| "all".to_owned(), |group| group.to_string());
        let mut data = format!("{topic} {} {} ", self.number, self.due.as_micros());
        while data.len() < length {
            data.push(char::from(b'a' + u8::try_from(data.len() % 26).unwrap_or(0)));
        }
        data
    }

    fn parse(data: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(data).ok()?.split(' ');
        let group = match words.next()? {
            "all" => None,
            group => Some(group.parse().ok()?),
        };
        let number = words.next()?.parse().ok()?;
        let due = Duration::from_micros(words.next()?.parse().ok()?);
        Some(Self { group, number, due })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(10);

    fn message(group: Option<u32>, number: u32, due: u64) -> String {
        Message { group, number, due: Duration::from_secs(due) }.data(128)
    }

    fn event<'a>(name: &'a str, data: &'a str, id: &'a str) -> StreamEvent<'a> {
        let (name, data, id) = (name.as_bytes(), data.as_bytes(), Some(id.as_bytes()));
        StreamEvent { name, data, id, retry_ms: None }
    }

    #[test]
    fn a_message_says_what_it_was_made_of() {
        for group in [None, Some(7)] {
            let (data, due) = (message(group, 3, 9), Duration::from_secs(9));
            assert_eq!(data.len(), 128);
            assert_eq!(Message::parse(data.as_bytes()), Some(Message { group, number: 3, due }));
        }
        assert_eq!(Message::parse(b"hello"), None);
    }

    #[test]
    fn a_client_knows_what_it_has_seen() -> Result<()> {
        let (mut stream, mut measured) = (Stream::new(7), Measured::default());
        let seen = &mut stream.seen;
        seen.away = Some((Duration::from_secs(2), Duration::from_secs(6)));
        let messages = [message(Some(7), 0, 12), message(None, 1, 9), message(Some(8), 0, 12)];
        seen.take(event("sse-kit:hello", "{}", "a-0"), 7, NOW, &mut measured)?;
        let late = Duration::from_secs(13);
        let mut take = |event: StreamEvent<'_>| seen.take(event, 7, late, &mut measured);
        take(event("", &messages[0], "a-1"))?;
        take(event("", &messages[1], "a-2"))?;
        take(event("", "", "a-2"))?;
        take(StreamEvent { retry_ms: Some(2_716), ..event("sse-kit:shutdown", "{}", "a-3") })?;
        assert!(take(event("", &messages[2], "a-4")).is_err(), "of another group");
        assert!(take(event("", "hello", "a-4")).is_err() && take(event("x", "", "a-4")).is_err());
        assert_eq!((seen.last_id.as_slice(), seen.retry.as_millis()), (&b"a-3"[..], 2_716));
        assert!(seen.is_open && seen.told);
        let (all, (group, of_group)) = (stream.all().lost(2), stream.of_group());
        assert_eq!((all, group, of_group.lost(1)), (1, 7, 0));
        let Measured { away, reopening, replayed, groups, all, .. } = &measured;
        let seconds = [away, reopening, replayed, groups]
            .map(|latencies| (latencies.quantile(1.0).as_millis() + 500) / 1_000);
        assert_eq!((seconds, all.len()), ([8, 4, 4, 1], 0));
        assert_eq!(measured.received, 2);
        Ok(())
    }

    #[test]
    fn a_head_says_whether_the_body_is_chunked() -> Result<()> {
        assert_eq!(body(b"HTTP/1.1 200 OK\r\n\r\n")?, Body::Plain);
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(body(head)?, Body::chunked());
        assert!(body(b"HTTP/1.1 403 Forbidden\r\n\r\n").is_err());
        Ok(())
    }
}
