//! A network that can be cut, slowed down and led elsewhere, between nodes and their Redis.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes bytes on, until it is told otherwise.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<State>,
    task: tokio::task::JoinHandle<()>,
}

struct State {
    /// The port that new connections lead to; 0 when nobody is there.
    to: AtomicU16,
    /// How many bytes a second all connections together may bring to the nodes; 0 for any number.
    rate: AtomicUsize,
    /// Milliseconds for which every reply is held back.
    delay: AtomicU64,
    /// Bytes that came from the server.
    received: AtomicUsize,
    /// When the line is free for the next bytes.
    line: tokio::sync::Mutex<()>,
    /// Every change cuts all connections.
    cut: watch::Sender<u64>,
    /// How many more requests that append are to lose their reply, and their connection.
    lose_replies: AtomicUsize,
    lost_replies: AtomicUsize,
}

impl Proxy {
    pub(crate) async fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let state = Arc::new(State {
            to: AtomicU16::new(to),
            rate: AtomicUsize::new(0),
            delay: AtomicU64::new(0),
            received: AtomicUsize::new(0),
            line: tokio::sync::Mutex::default(),
            cut: watch::Sender::new(0),
            lose_replies: AtomicUsize::new(0),
            lost_replies: AtomicUsize::new(0),
        });
        let accepting = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, Arc::clone(&accepting)));
            }
        });
        Self { port, state, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Cuts all connections.
    pub(crate) fn cut(&self) {
        self.state.cut.send_modify(|cut| *cut += 1);
    }

    /// Leads new connections to another port, or to none; those that are open stay.
    pub(crate) fn lead_to(&self, port: u16) {
        self.state.to.store(port, Ordering::SeqCst);
    }

    /// Lets only so many bytes a second through to the nodes.
    pub(crate) fn throttle(&self, bytes_per_second: usize) {
        self.state.rate.store(bytes_per_second, Ordering::SeqCst);
    }

    /// Holds every reply back for so many milliseconds.
    pub(crate) fn delay(&self, milliseconds: u64) {
        self.state.delay.store(milliseconds, Ordering::SeqCst);
    }

    /// The bytes that came from the server so far.
    pub(crate) fn received(&self) -> usize {
        self.state.received.load(Ordering::SeqCst)
    }

    /// The next so many appends are carried out, but nobody is told.
    pub(crate) fn lose_replies(&self, count: usize) {
        self.state.lose_replies.store(count, Ordering::SeqCst);
    }

    pub(crate) fn lost_replies(&self) -> usize {
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
    let (mut from_client, mut from_server) = ([0; 16384], [0; 16384]);
    let mut losing = false;
    loop {
        tokio::select! {
            _ = cut.changed() => return,
            read = client.read(&mut from_client) => {
                let Ok(bytes @ 1..) = read else { return };
                let request = &from_client[..bytes];
                // An append is the one that has an idempotency key.
                if request.windows(6).any(|part| part == b":once:") {
                    let take = |left: usize| left.checked_sub(1);
                    losing |= state.lose_replies.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok();
                }
                if server.write_all(request).await.is_err() { return }
            }
            read = server.read(&mut from_server) => {
                let Ok(bytes @ 1..) = read else { return };
                let reply = &from_server[..bytes];
                // "Not known" is no reply to the append; it is sent again with the script.
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

impl State {
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
