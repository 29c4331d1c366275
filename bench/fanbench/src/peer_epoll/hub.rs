//! Connections, the topics they listen to, and the writes.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};

use mio::net::TcpStream;
use slab::Slab;

use crate::request::{self, Request};

const STREAM_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\n\
    content-type: text/event-stream\r\n\
    cache-control: no-cache\r\n\
    transfer-encoding: chunked\r\n\r\n";
const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";

/// The longest request that is waited for.
const MAX_REQUEST: usize = 2 << 20;

/// All connections, by the keys of their epoll tokens.
#[derive(Default)]
pub(crate) struct Hub {
    connections: Slab<Connection>,
    /// The keys of each topic's subscribers.
    topics: HashMap<String, Vec<usize>>,
    published: u64,
}

struct Connection {
    socket: TcpStream,
    /// The received part of a request.
    received: Vec<u8>,
    topics: Vec<String>,
}

/// The connection is of no more use.
struct Broken;

impl Hub {
    /// Returns the key that the next connection gets.
    pub(crate) fn next_key(&self) -> usize {
        self.connections.vacant_key()
    }

    pub(crate) fn add(&mut self, socket: TcpStream) {
        self.connections.insert(Connection { socket, received: Vec::new(), topics: Vec::new() });
    }

    /// Reads and answers all that is there.
    pub(crate) fn read(&mut self, key: usize, buffer: &mut [u8]) {
        // It may have been removed by an event before this one.
        if self.connections.contains(key) && self.try_read(key, buffer).is_err() {
            self.remove(key);
        }
    }

    fn try_read(&mut self, key: usize, buffer: &mut [u8]) -> Result<(), Broken> {
        loop {
            let connection = &mut self.connections[key];
            match connection.socket.read(buffer) {
                Ok(0) => return Err(Broken),
                Ok(length) => {
                    connection.received.extend_from_slice(&buffer[..length]);
                    self.answer(key)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Broken),
            }
        }
    }

    fn answer(&mut self, key: usize) -> Result<(), Broken> {
        loop {
            let Some(connection) = self.connections.get_mut(key) else { return Ok(()) };
            let Some(request) = request::take(&mut connection.received) else {
                let is_too_long = connection.received.len() > MAX_REQUEST;
                return if is_too_long { Err(Broken) } else { Ok(()) };
            };
            match request {
                Request::Subscribe { topics } => self.subscribe(key, topics)?,
                Request::Publish { topic, data } => {
                    let receivers = self.publish(&topic, &data);
                    self.write(key, &published(receivers))?;
                }
                Request::Other => self.write(key, NOT_FOUND)?,
            }
        }
    }

    fn subscribe(&mut self, key: usize, topics: Vec<String>) -> Result<(), Broken> {
        for topic in &topics {
            self.topics.entry(topic.clone()).or_default().push(key);
        }
        let connection = &mut self.connections[key];
        connection.topics = topics;
        // Nothing more is said by a subscriber: an idle one should cost its socket alone.
        connection.received = Vec::new();
        self.write(key, STREAM_HEAD)
    }

    /// Returns how many were written to.
    fn publish(&mut self, topic: &str, data: &[u8]) -> usize {
        self.published += 1;
        let frame = frame(self.published, data);
        let Some(subscribers) = self.topics.get(topic) else { return 0 };
        let broken: Vec<usize> = subscribers
            .iter()
            .copied()
            .filter(|&key| write_whole(&self.connections[key].socket, &frame).is_err())
            .collect();
        let receivers = subscribers.len() - broken.len();
        for key in broken {
            self.remove(key);
        }
        receivers
    }

    fn write(&self, key: usize, bytes: &[u8]) -> Result<(), Broken> {
        match self.connections.get(key) {
            Some(connection) => write_whole(&connection.socket, bytes),
            None => Ok(()),
        }
    }

    fn remove(&mut self, key: usize) {
        let Some(connection) = self.connections.try_remove(key) else { return };
        for topic in &connection.topics {
            if let Some(subscribers) = self.topics.get_mut(topic) {
                subscribers.retain(|subscriber| *subscriber != key);
            }
        }
    }
}

/// Writes the bytes in one write, or fails.
fn write_whole(mut socket: &TcpStream, bytes: &[u8]) -> Result<(), Broken> {
    match socket.write(bytes) {
        Ok(length) if length == bytes.len() => Ok(()),
        _ => Err(Broken),
    }
}

/// Writes an event as a chunk.
fn frame(id: u64, data: &[u8]) -> Vec<u8> {
    let mut event = format!("id: {id}\n").into_bytes();
    for line in data.split(|byte| *byte == b'\n') {
        event.extend_from_slice(b"data: ");
        event.extend_from_slice(line);
        event.push(b'\n');
    }
    event.push(b'\n');
    let mut frame = format!("{:x}\r\n", event.len()).into_bytes();
    frame.append(&mut event);
    frame.extend_from_slice(b"\r\n");
    frame
}

fn published(receivers: usize) -> Vec<u8> {
    let json = format!("{{\"receivers\":{receivers}}}");
    let length = json.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{json}"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_chunk() {
        let expected = b"20\r\nid: 7\ndata: first\ndata: second\n\n\r\n";
        assert_eq!(frame(7, b"first\nsecond"), expected);
    }
}
