//! A client that is nothing but a socket, and so can misbehave.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Nothing takes this long; it only keeps a broken hub from hanging the tests.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Socket(TcpStream);

impl Socket {
    /// Sends the beginning of a request, or all of one.
    pub(crate) async fn begin(address: &str, bytes: &str) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        // Little room for what is not read.
        socket.set_recv_buffer_size(16 * 1024).expect("a buffer");
        let address = address.parse().expect("an address");
        let mut stream = socket.connect(address).await.expect("it listens");
        stream.write_all(bytes.as_bytes()).await.expect("it takes some bytes");
        Self(stream)
    }

    /// Asks for a stream, and reads none of it.
    pub(crate) async fn ask(address: &str, query: &str) -> Self {
        let request = format!("GET /events?{query} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        Self::begin(address, &request).await
    }

    /// Opens a stream: its first bytes are read.
    pub(crate) async fn open(address: &str, query: &str) -> Self {
        let mut socket = Self::ask(address, query).await;
        let mut read = Vec::new();
        // The first event is the hello, and all of it is read.
        while !(contains(&read, b"sse-kit:hello") && contains(&read, b"\n\n")) {
            assert!(socket.read(&mut read).await, "it ended: {}", String::from_utf8_lossy(&read));
        }
        socket
    }

    /// Reads some more; false at the end, however that came.
    pub(crate) async fn read(&mut self, into: &mut Vec<u8>) -> bool {
        into.reserve(16 * 1024);
        let read = tokio::time::timeout(PATIENCE, self.0.read_buf(into)).await;
        matches!(read.expect("bytes in time"), Ok(1..))
    }

    pub(crate) async fn await_end(&mut self) {
        while self.read(&mut Vec::new()).await {}
    }

    /// Closes in the middle of it all: what was not read is a reset for the other side.
    pub(crate) fn reset(self) {
        self.0.set_zero_linger().expect("it can be reset");
    }
}

pub(crate) fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}
