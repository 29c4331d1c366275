//! One client that publishes, on one connection that is kept.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use memchr::memmem;
use mio::event::Source;
use mio::net::TcpStream;

use crate::connect::{Room, connect};
use crate::marker::Marker;
use crate::options::Options;

#[derive(Debug)]
pub(crate) struct Publisher {
    socket: TcpStream,
    server: SocketAddr,
    payload: u32,
    patterns: bool,
    start: Instant,
    /// Messages that wait for the answer to the one under way.
    waiting: VecDeque<Message>,
    state: State,
    request: Vec<u8>,
    reply: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Message {
    topic: u32,
    number: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Idle,
    Sending { written: usize },
    Awaiting,
}

impl Publisher {
    pub(crate) fn open(options: &Options, nth: u32, start: Instant) -> Result<Self> {
        let Options { server, payload, patterns, .. } = *options;
        Ok(Self {
            socket: connect(server, nth, Room::Usual, "")?,
            server,
            payload,
            patterns,
            start,
            waiting: VecDeque::new(),
            state: State::Idle,
            request: Vec::new(),
            reply: Vec::new(),
        })
    }

    pub(crate) fn source(&mut self) -> &mut impl Source {
        &mut self.socket
    }

    /// Returns `true` if everything is published and answered.
    pub(crate) fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    /// Publishes a message, after those that came before it.
    pub(crate) fn publish(&mut self, topic: u32, number: u32) -> Result<()> {
        self.waiting.push_back(Message { topic, number });
        if self.is_idle() { self.begin() } else { Ok(()) }
    }

    /// Goes on when the socket has something to say.
    pub(crate) fn advance(&mut self) -> Result<()> {
        self.send()?;
        self.read()?;
        if self.state == State::Awaiting && is_complete(&self.reply)? {
            let reply = String::from_utf8_lossy(&self.reply);
            ensure!(reply.starts_with("HTTP/1.1 2"), "the server did not publish:\n{reply}");
            self.state = State::Idle;
            self.begin()?;
        }
        Ok(())
    }

    /// Sends the next message. Its time begins here: not to have waited for the answer before
    /// would be the publisher's choice.
    fn begin(&mut self) -> Result<()> {
        let Some(Message { topic, number }) = self.waiting.pop_front() else { return Ok(()) };
        let payload = Marker { number, sent: self.start.elapsed() }.payload(self.payload as usize);
        let of_pattern = if self.patterns { ":x" } else { "" };
        self.request = format!(
            "POST /publish?topic=t{topic}{of_pattern} HTTP/1.1\r\nHost: {}\r\n\
             Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n{payload}",
            self.server, self.payload
        )
        .into_bytes();
        self.reply.clear();
        self.state = State::Sending { written: 0 };
        self.send()
    }

    fn send(&mut self) -> Result<()> {
        while let State::Sending { written } = self.state {
            match self.socket.write(&self.request[written..]) {
                Ok(length) => {
                    let written = written + length;
                    let is_all = written == self.request.len();
                    self.state = if is_all { State::Awaiting } else { State::Sending { written } };
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("cannot publish"),
            }
        }
        Ok(())
    }

    fn read(&mut self) -> Result<()> {
        let mut chunk = [0; 4096];
        loop {
            match self.socket.read(&mut chunk) {
                Ok(0) => bail!("the server closed the publisher's connection"),
                Ok(length) => self.reply.extend_from_slice(&chunk[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("cannot read the answer to a publish"),
            }
        }
    }
}

/// Returns `true` if a response has arrived to its end, so that the next request may follow.
fn is_complete(reply: &[u8]) -> Result<bool> {
    let Some(end) = memmem::find(reply, b"\r\n\r\n") else { return Ok(false) };
    let (head, body) = (String::from_utf8_lossy(&reply[..end]), &reply[end + 4..]);
    for (name, value) in head.lines().filter_map(|line| line.split_once(':')) {
        match (name.to_ascii_lowercase().as_str(), value.trim()) {
            ("content-length", length) => {
                let length: usize = length.parse().context("a Content-Length is no number")?;
                return Ok(body.len() >= length);
            }
            ("transfer-encoding", "chunked") => return Ok(body.ends_with(b"0\r\n\r\n")),
            _ => {}
        }
    }
    // Such as 204, which has no body.
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(reply: &str) -> bool {
        is_complete(reply.as_bytes()).expect("a good head")
    }

    #[test]
    fn the_end_of_a_response_is_found() {
        assert!(!complete("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"));
        assert!(!complete("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{"));
        assert!(complete("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"));
        assert!(!complete("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"));
        assert!(complete(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
        ));
        assert!(complete("HTTP/1.1 204 No Content\r\n\r\n"));
    }
}
