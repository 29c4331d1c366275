//! The accept loop, and how it ends.

use std::error::Error;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::Either;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use sse_kit_shutdown::{Outcome, Shutdown, Signals, Tracked};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::socket::{self, Socket};

/// A bound HTTP/1.1 server.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    header_timeout: Duration,
    write_timeout: Option<Duration>,
    stats: Arc<ServeStats>,
}

/// What has happened to a server; readable at any time.
#[derive(Debug, Default)]
pub struct ServeStats {
    accepted: AtomicU64,
    write_timeouts: AtomicU64,
}

impl ServeStats {
    /// Connections accepted.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Connections ended because their client took no bytes for the write timeout.
    pub fn write_timeouts(&self) -> u64 {
        self.write_timeouts.load(Ordering::Relaxed)
    }
}

impl Server {
    /// Listens on an address; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// When the operating system refuses the address.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self::new(TcpListener::bind(address).await?))
    }

    /// Serves a listener that is bound already.
    pub fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            header_timeout: Duration::from_secs(5),
            write_timeout: Some(Duration::from_secs(30)),
            stats: Arc::default(),
        }
    }

    /// How long a client may take to send the head of a request. Default: 5 s.
    pub fn header_timeout(self, timeout: Duration) -> Self {
        Self { header_timeout: timeout, ..self }
    }

    /// How long a client may take no bytes while there are some for it; `None` for ever.
    /// Default: 30 s.
    pub fn write_timeout(self, timeout: impl Into<Option<Duration>>) -> Self {
        Self { write_timeout: timeout.into(), ..self }
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// When the operating system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What happens to it, to be read while it serves.
    pub fn stats(&self) -> Arc<ServeStats> {
        Arc::clone(&self.stats)
    }

    /// Serves until `shutdown` says that it is time to stop, because of a signal or because the app
    /// asks for it, and runs the whole of it: see [`Shutdown::run`].
    ///
    /// Every connection is [tracked](Shutdown::track). Requests that come while it drains are still
    /// answered, one for each connection, so that health checks can be told.
    pub async fn serve_until_shutdown<S, F, B, E>(
        self,
        shutdown: &Shutdown,
        signals: impl Into<Option<Signals>>,
        service: S,
    ) -> Outcome<()>
    where
        S: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + 'static,
        F: Future<Output = Result<Response<B>, E>> + Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        let track = || Some(shutdown.track());
        let serving = self.run(service, shutdown.stopping(), pending::<()>(), track);
        // A shutdown has a deadline of its own, and drops what serves then.
        shutdown.run(signals, async { _ = serving.await }).await
    }

    /// Serves until `stop` is ready, and then until all connections have ended, at most for `drain`.
    /// Returns how many had not, and were cut off.
    ///
    /// For those who end their streams by themselves; late requests are answered as with
    /// [`Server::serve_until_shutdown`].
    pub async fn serve<S, F, B, E>(self, service: S, stop: impl Future, drain: Duration) -> usize
    where
        S: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + 'static,
        F: Future<Output = Result<Response<B>, E>> + Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        // From when it is polled first, which is when `stop` is ready.
        let deadline = async { tokio::time::sleep(drain).await };
        self.run(service, stop, deadline, || None).await
    }

    async fn run<S, F, B, E>(
        self,
        service: S,
        stop: impl Future,
        deadline: impl Future,
        track: impl Fn() -> Option<Tracked>,
    ) -> usize
    where
        S: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + 'static,
        F: Future<Output = Result<Response<B>, E>> + Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        let mut connections = JoinSet::new();
        let graceful = GracefulShutdown::new();
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                biased;
                _ = &mut stop => break,
                // Ended tasks are taken away first, or they would keep their memory.
                Some(_) = connections.join_next() => {}
                (stream, client) = self.accept() => {
                    let watcher = Some(graceful.watcher());
                    let connection = self.connection(stream, client, service.clone(), watcher);
                    connections.spawn(keeping(track(), connection));
                }
            }
        }
        let mut deadline = pin!(deadline);
        let drained = graceful.shutdown();
        let mut drained = pin!(drained);
        let mut late = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = &mut drained => return 0,
                _ = &mut deadline => break,
                Some(_) = connections.join_next() => {}
                Some(_) = late.join_next() => {}
                (stream, client) = self.accept() => {
                    let connection = self.connection(stream, client, service.clone(), None);
                    late.spawn(keeping(track(), connection));
                }
            }
        }
        while connections.try_join_next().is_some() {}
        let aborted = connections.len();
        connections.shutdown().await;
        aborted
    }

    /// The next connection, however long it takes.
    async fn accept(&self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok(accepted) => {
                    self.stats.accepted.fetch_add(1, Ordering::Relaxed);
                    return accepted;
                }
                Err(error) if is_about_one_client(&error) => {}
                // Out of file descriptors or memory, mostly: trying again at once would only burn
                // time, and those that are open go on meanwhile.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections just now");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Serves one connection; without a watcher for one request.
    fn connection<S, F, B, E>(
        &self,
        stream: TcpStream,
        client: SocketAddr,
        service: S,
        watcher: Option<Watcher>,
    ) -> impl Future<Output = ()> + Send + 'static + use<S, F, B, E>
    where
        S: Fn(Request<Incoming>, SocketAddr) -> F + Send + 'static,
        F: Future<Output = Result<Response<B>, E>> + Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.header_timeout)
            .keep_alive(watcher.is_some())
            // One write of a flat buffer is cheaper than gathering the three pieces of a chunk.
            .writev(false)
            // What may wait in hyper for a slow client; hyper's own default is about 400 KiB.
            .max_buf_size(16 * 1024);
        // Boxed, as hyper keeps room for the answer to a request as long as the connection lives.
        let service = service_fn(move |request| Box::pin(service(request, client)));
        let socket = TokioIo::new(Socket::new(stream, self.write_timeout));
        let connection = http.serve_connection(socket, service);
        let connection = match watcher {
            Some(watcher) => Either::Left(watcher.watch(connection)),
            None => Either::Right(connection),
        };
        let stats = Arc::clone(&self.stats);
        // Not an async block: that would have room for the connection twice.
        connection.map(move |ended| {
            let Err(error) = ended else { return };
            if socket::is_write_timeout(&error) {
                stats.write_timeouts.fetch_add(1, Ordering::Relaxed);
            }
            tracing::debug!(%client, error = &error as &dyn Error, "a connection failed");
        })
    }
}

/// Keeps a value for as long as the future is not ready.
fn keeping<T>(kept: T, future: impl Future) -> impl Future<Output = ()> {
    // Not an async block: that would have room for the future twice.
    future.map(move |_| drop(kept))
}

/// Whether accepting failed because of the one client that was to be accepted.
fn is_about_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
