//! A network that can be cut and led elsewhere, between nodes and PostgreSQL.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes bytes on, until it is told otherwise.
pub(crate) struct Proxy {
    port: u16,
    state: Arc<State>,
    task: tokio::task::JoinHandle<()>,
}

struct State {
    /// The port that new connections lead to.
    to: AtomicU16,
    /// Every change cuts all connections.
    cut: watch::Sender<u64>,
    /// How many more appends are to lose their reply, and their connection.
    lose_replies: AtomicUsize,
    lost_replies: AtomicUsize,
}

impl Proxy {
    pub(crate) async fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let state = Arc::new(State {
            to: AtomicU16::new(to),
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
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Cuts all connections.
    pub(crate) fn cut(&self) {
        self.state.cut.send_modify(|cut| *cut += 1);
    }

    /// Leads new connections to another port.
    pub(crate) fn lead_to(&self, port: u16) {
        self.state.to.store(port, Ordering::SeqCst);
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
    let (mut from_client, mut from_server) = (vec![0; 65536], vec![0; 65536]);
    // The connection of an appender prepares its statement, and later executes it.
    let (mut appends, mut losing) = (false, false);
    loop {
        tokio::select! {
            _ = cut.changed() => return,
            read = client.read(&mut from_client) => {
                let Ok(bytes @ 1..) = read else { return };
                let request = &from_client[..bytes];
                if appends && request[0] == b'B' {
                    let take = |left: usize| left.checked_sub(1);
                    losing |= state.lose_replies.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok();
                }
                appends |= request.windows(11).any(|part| part == b"sse.append(");
                if server.write_all(request).await.is_err() { return }
            }
            read = server.read(&mut from_server) => {
                let Ok(bytes @ 1..) = read else { return };
                if losing {
                    state.lost_replies.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                if client.write_all(&from_server[..bytes]).await.is_err() { return }
            }
        }
    }
}
