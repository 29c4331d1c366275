//! The accept loop, and how it ends.

use std::error::Error;
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
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::outage::Outage;
use crate::socket::{self, Socket};

/// A bound HTTP/1.1 server.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    header_timeout: Duration,
    write_timeout: Option<Duration>,
    stats: Arc<ServeStats>,
    outage: Outage,
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

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// Connections that had not ended by the deadline, and were cut off.
    pub aborted: usize,
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
            outage: Outage::default(),
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

    /// Serves until `stop` is ready, and then until all connections have ended, at most for `drain`.
    ///
    /// Requests that come while it drains are still answered, one for each connection, so that
    /// health checks can be told.
    pub async fn serve<S, F, B, E>(self, service: S, stop: impl Future, drain: Duration) -> Outcome
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
                    connections.spawn(self.connection(stream, client, service.clone(), watcher));
                }
            }
        }
        let deadline = tokio::time::sleep(drain);
        let mut deadline = pin!(deadline);
        let drained = graceful.shutdown();
        let mut drained = pin!(drained);
        let mut late = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = &mut drained => return Outcome { aborted: 0 },
                () = &mut deadline => break,
                Some(_) = connections.join_next() => {}
                Some(_) = late.join_next() => {}
                (stream, client) = self.accept() => {
                    late.spawn(self.connection(stream, client, service.clone(), None));
                }
            }
        }
        while connections.try_join_next().is_some() {}
        let aborted = connections.len();
        connections.shutdown().await;
        Outcome { aborted }
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
                    if self.outage.begins() {
                        tracing::warn!(%error, "cannot accept connections just now");
                    }
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

/// Whether accepting failed because of the one client that was to be accepted.
fn is_about_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
