//! A network that can be cut, slowed down and led elsewhere, between nodes and the server of their log.

use std::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The protocol of the server, by which the proxy knows appends.
#[derive(Clone, Copy, Debug)]
pub enum Protocol {
    /// An append is a request with an idempotency key, as a script has it.
    Redis,
    /// An append executes the statement `sse.append`, which its connection has prepared before.
    Postgres,
}

/// A proxy that passes bytes on, until a test changes its behaviour.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: Arc<State>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    protocol: Protocol,
    /// The port that new connections lead to; 0 when nobody is there.
    to: AtomicU16,
    /// The bytes per second that all connections together may bring to the nodes; 0 is no limit.
    rate: AtomicUsize,
    /// Milliseconds for which every reply is held back.
    delay: AtomicU64,
    /// Bytes that came from the server.
    received: AtomicUsize,
    /// The time at which the line is free for the next bytes.
    line: tokio::sync::Mutex<()>,
    /// Every change cuts all connections.
    cut: watch::Sender<u64>,
    /// The number of further appends that lose their reply, and their connection.
    lose_replies: AtomicUsize,
    lost_replies: AtomicUsize,
    /// A connection gets no more replies from the request on that contains this text.
    silent_from: Mutex<Option<&'static str>>,
    silenced: AtomicUsize,
}

impl Proxy {
    /// Starts a proxy that leads to this port.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    pub async fn start(protocol: Protocol, to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let state = Arc::new(State {
            protocol,
            to: AtomicU16::new(to),
            rate: AtomicUsize::new(0),
            delay: AtomicU64::new(0),
            received: AtomicUsize::new(0),
            line: tokio::sync::Mutex::default(),
            cut: watch::Sender::new(0),
            lose_replies: AtomicUsize::new(0),
            lost_replies: AtomicUsize::new(0),
            silent_from: Mutex::default(),
            silenced: AtomicUsize::new(0),
        });
        let accepting = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, Arc::clone(&accepting)));
            }
        });
        Self { port, state, task }
    }

    /// Returns the address of the server by way of the proxy.
    pub fn url(&self) -> String {
        match self.state.protocol {
            Protocol::Redis => format!("redis://127.0.0.1:{}", self.port),
            Protocol::Postgres => format!("postgres://postgres@127.0.0.1:{}/postgres", self.port),
        }
    }

    /// Returns the port of the proxy.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        self.state.cut.send_modify(|cut| *cut += 1);
    }

    /// Leads new connections to another port, or to none; those that are open stay.
    pub fn lead_to(&self, port: u16) {
        self.state.to.store(port, Ordering::SeqCst);
    }

    /// Lets only so many bytes a second through to the nodes.
    pub fn throttle(&self, bytes_per_second: usize) {
        self.state.rate.store(bytes_per_second, Ordering::SeqCst);
    }

    /// Holds every reply back for so many milliseconds.
    pub fn delay(&self, milliseconds: u64) {
        self.state.delay.store(milliseconds, Ordering::SeqCst);
    }

    /// Returns the number of bytes that came from the server so far.
    pub fn received(&self) -> usize {
        self.state.received.load(Ordering::SeqCst)
    }

    /// Carries out the next so many appends, and tells nobody.
    pub fn lose_replies(&self, count: usize) {
        self.state.lose_replies.store(count, Ordering::SeqCst);
    }

    /// Withholds all replies from a connection once it sends a request that contains this text, and keeps it
    /// open; with `None`, from no further ones.
    pub fn silence_from(&self, text: Option<&'static str>) {
        *self.state.silent_from.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }

    /// Returns the number of connections that were silenced so far.
    pub fn silenced(&self) -> usize {
        self.state.silenced.load(Ordering::SeqCst)
    }

    /// Returns the number of replies that were lost so far.
    pub fn lost_replies(&self) -> usize {
        self.state.lost_replies.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.task.abort();
    }
}

async fn pass(mut client: TcpStream, state: Arc<State>) {
    let mut cut = state.cut.subscribe();
    let to = state.to.load(Ordering::SeqCst);
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", to)).await else { return };
    let (mut from_client, mut from_server) = (vec![0; 65536], vec![0; 65536]);
    let (mut requests, mut losing, mut is_silent) = (Requests::of(state.protocol), false, false);
    loop {
        tokio::select! {
            _ = cut.changed() => return,
            read = client.read(&mut from_client) => {
                let Ok(bytes @ 1..) = read else { return };
                let request = &from_client[..bytes];
                losing |= requests.append(request) && state.loses_reply();
                is_silent = is_silent || state.silences(request);
                if server.write_all(request).await.is_err() { return }
            }
            read = server.read(&mut from_server) => {
                let Ok(bytes @ 1..) = read else { return };
                let reply = &from_server[..bytes];
                if is_silent { continue }
                // Redis does not know the script yet: no reply to the append, which is sent again with it.
                if losing && !reply.starts_with(b"-NOSCRIPT") {
                    state.lost_replies.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                state.take_time_for(bytes).await;
                if client.write_all(reply).await.is_err() { return }
            }
        }
    }
}

/// The requests of a connection.
struct Requests {
    protocol: Protocol,
    /// `true` once the connection has prepared the statement that appends.
    is_prepared: bool,
}

impl Requests {
    fn of(protocol: Protocol) -> Self {
        Self { protocol, is_prepared: false }
    }

    /// Returns `true` if the request appends.
    fn append(&mut self, request: &[u8]) -> bool {
        let has = |text| contains(request, text);
        match self.protocol {
            Protocol::Redis => has(b":once:"),
            Protocol::Postgres => {
                let appends = self.is_prepared && request[0] == b'B';
                self.is_prepared |= has(b"sse.append(");
                appends
            }
        }
    }
}

fn contains(request: &[u8], text: &[u8]) -> bool {
    request.windows(text.len()).any(|part| part == text)
}

impl State {
    fn silences(&self, request: &[u8]) -> bool {
        let text = *self.silent_from.lock().unwrap_or_else(PoisonError::into_inner);
        let silences = text.is_some_and(|text| contains(request, text.as_bytes()));
        self.silenced.fetch_add(usize::from(silences), Ordering::SeqCst);
        silences
    }

    fn loses_reply(&self) -> bool {
        let take = |left: usize| left.checked_sub(1);
        self.lose_replies.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok()
    }

    async fn take_time_for(&self, bytes: usize) {
        self.received.fetch_add(bytes, Ordering::SeqCst);
        let delay = self.delay.load(Ordering::SeqCst);
        if delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        let rate = self.rate.load(Ordering::SeqCst);
        if rate > 0 {
            let _line = self.line.lock().await;
            let nanos = bytes as u64 * 1_000_000_000 / rate as u64;
            tokio::time::sleep(Duration::from_nanos(nanos)).await;
        }
    }
}
