//! One connection: what it speaks, and within which limits.

use std::error::Error;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::Either;
use futures_util::{FutureExt, TryFutureExt};
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::own_lane::{self, Lane, OwnLane};
use crate::preface;
use crate::socket::{self, Socket};
use crate::socket_options::SocketOptions;
use crate::stats::ServeStats;
#[cfg(feature = "tls")]
use crate::tls::{self, Tls};

/// What may wait in hyper for a slow client; hyper's own default is about 400 KiB.
const SEND_BUFFER: usize = 16 * 1024;

/// How all connections of a server are served.
#[derive(Clone, Debug)]
pub(crate) struct Connections {
    pub(crate) options: SocketOptions,
    pub(crate) header_timeout: Duration,
    pub(crate) write_timeout: Option<Duration>,
    pub(crate) prior_knowledge: bool,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Tls>,
    pub(crate) own_lane: Option<Arc<dyn OwnLane>>,
    pub(crate) stats: Arc<ServeStats>,
}

/// What is known of one connection before it is served.
pub(crate) struct One<S> {
    pub(crate) client: SocketAddr,
    pub(crate) service: S,
    pub(crate) terms: Terms,
}

/// Why a connection ended before its time.
type Failure = Box<dyn Error + Send + Sync>;

/// Closed when connections are to end that have not said yet what they speak: nothing else of theirs
/// could be told.
pub(crate) type Stopping = watch::Receiver<()>;

/// For how long a connection is served.
pub(crate) enum Terms {
    /// Until it is told to end.
    Watched(Watcher, Stopping),
    /// The same, but for one request where that can be had: it came when the server was ending.
    Late(Watcher, Stopping),
    /// For one request, as far as that can be had: there is no room for it.
    Refused,
}

impl Terms {
    async fn stopping(&self) {
        match self {
            // Nothing is ever sent; it is closed.
            Self::Watched(_, stopping) | Self::Late(_, stopping) => {
                _ = stopping.clone().changed().await;
            }
            Self::Refused => pending().await,
        }
    }

    fn keep_alive(&self) -> bool {
        matches!(self, Self::Watched(_, stopping) if stopping.has_changed().is_ok())
    }

    fn watcher(self) -> Option<Watcher> {
        match self {
            Self::Watched(watcher, _) | Self::Late(watcher, _) => Some(watcher),
            Self::Refused => None,
        }
    }
}

impl Connections {
    /// Serves one connection in a task of its own, and keeps a value for as long as that takes.
    pub(crate) fn spawn<S, F, B, E>(
        self: &Arc<Self>,
        tasks: &mut JoinSet<()>,
        stream: TcpStream,
        one: One<S>,
        kept: impl Send + 'static,
    ) where
        S: Fn(Request<Incoming>, SocketAddr) -> F + Send + 'static,
        F: Future<Output = Result<Response<B>, E>> + Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        let client = one.client;
        if let Err(error) = self.options.apply(&stream) {
            tracing::debug!(%client, %error, "a socket refuses its options");
        }
        let socket = Socket::new(stream, self.write_timeout);
        let ended = self.ended(client, kept);
        // Futures of three sizes: a connection has no room for what it does not become.
        if !self.is_settled() {
            tasks.spawn(Arc::clone(self).negotiate(socket, one).map(ended));
        } else if let Some(lane) = self.lane_for(&one.terms) {
            tasks.spawn(Arc::clone(self).choose_lane(lane, socket, one).map(ended));
        } else {
            tasks.spawn(self.http1(socket, one).map(ended));
        }
    }

    /// What is done when a connection has ended.
    fn ended<K>(&self, client: SocketAddr, kept: K) -> impl FnOnce(Result<(), Failure>) + use<K> {
        let stats = Arc::clone(&self.stats);
        move |ended| {
            drop(kept);
            let Err(error) = ended else { return };
            if socket::is_write_timeout(&*error) {
                stats.write_timed_out();
            }
            tracing::debug!(%client, error = &*error as &dyn Error, "a connection failed");
        }
    }

    /// Whether all connections speak HTTP/1.1, and nothing else.
    fn is_settled(&self) -> bool {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return false;
        }
        !self.prior_knowledge
    }

    /// Finds out what the client speaks, for at most the header timeout, and speaks it.
    async fn negotiate<S, F, B, E>(
        self: Arc<Self>,
        mut socket: Socket,
        one: One<S>,
    ) -> Result<(), Failure>
    where
        S: Fn(Request<Incoming>, SocketAddr) -> F + Send + 'static,
        F: Future<Output = Result<Response<B>, E>> + Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        #[cfg(feature = "tls")]
        if let Some(Tls(acceptor)) = &self.tls {
            let Some(stream) = self.in_time(acceptor.accept(socket), &one.terms).await else {
                return Ok(());
            };
            return if tls::is_http2(stream.get_ref().1) {
                self.http2(stream, one).await
            } else {
                self.http1(stream, one).await
            };
        }
        match self.in_time(preface::is_http2(&mut socket), &one.terms).await {
            Some(true) => self.http2(socket, one).await,
            Some(false) => match self.lane_for(&one.terms) {
                Some(lane) => Box::pin(self.choose_lane(lane, socket, one)).await,
                None => self.http1(socket, one).await,
            },
            None => Ok(()),
        }
    }

    /// The lane for streams, for those who are served as long as they like.
    fn lane_for(&self, terms: &Terms) -> Option<Arc<dyn OwnLane>> {
        self.own_lane.clone().filter(|_| !matches!(terms, Terms::Refused))
    }

    /// Answers requests for streams, until another one comes or the connection ends; that other one
    /// and all after it are hyper's.
    #[expect(clippy::manual_async_fn, reason = "one of these has room for its arguments twice")]
    fn choose_lane<S, F, B, E>(
        self: Arc<Self>,
        lane: Arc<dyn OwnLane>,
        mut socket: Socket,
        one: One<S>,
    ) -> impl Future<Output = Result<(), Failure>> + Send + 'static + use<S, F, B, E>
    where
        S: Fn(Request<Incoming>, SocketAddr) -> F + Send + 'static,
        F: Future<Output = Result<Response<B>, E>> + Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        async move {
            let first = own_lane::read(&mut socket, &*lane);
            // Boxed, as the next ones are: a stream has no room for how it came about.
            let mut next = Box::pin(self.in_time(first, &one.terms)).await.flatten();
            while let Some(Lane::Own(request)) = next {
                self.stats.answer_on_own_lane();
                let keep_alive = one.terms.keep_alive() && !own_lane::wants_close(&request);
                lane.answer(*request, one.client, &mut socket, keep_alive).await?.await?;
                if !keep_alive {
                    return Ok(());
                }
                next = Box::pin(self.another(&mut socket, &*lane, &one.terms)).await?;
            }
            match next {
                Some(_hyper) => Box::pin(self.http1(socket, one)).await,
                None => Ok(()),
            }
        }
    }

    /// What a client asks for that has had a stream; to want nothing more is no failure.
    async fn another(
        &self,
        socket: &mut Socket,
        lane: &dyn OwnLane,
        terms: &Terms,
    ) -> io::Result<Option<Lane>> {
        tokio::select! {
            biased;
            next = tokio::time::timeout(self.header_timeout, own_lane::read(socket, lane)) => {
                next.unwrap_or(Ok(None))
            }
            () = terms.stopping() => Ok(None),
        }
    }

    /// What a handshake comes to, unless it takes too long or the server ends meanwhile.
    async fn in_time<T>(
        &self,
        handshake: impl Future<Output = io::Result<T>>,
        terms: &Terms,
    ) -> Option<T> {
        let error = tokio::select! {
            biased;
            done = tokio::time::timeout(self.header_timeout, handshake) => match done {
                Ok(Ok(done)) => return Some(done),
                Ok(Err(error)) => error,
                Err(elapsed) => elapsed.into(),
            },
            () = terms.stopping() => return None,
        };
        self.stats.handshake_failed();
        tracing::debug!(%error, "a connection came to nothing");
        None
    }

    fn http1<I, S, F, B, E>(
        &self,
        io: I,
        one: One<S>,
    ) -> impl Future<Output = Result<(), Failure>> + Send + 'static + use<I, S, F, B, E>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Fn(Request<Incoming>, SocketAddr) -> F + Send + 'static,
        F: Future<Output = Result<Response<B>, E>> + Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        let One { client, service, terms } = one;
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.header_timeout)
            .keep_alive(terms.keep_alive())
            // One write of a flat buffer is cheaper than gathering the three pieces of a chunk.
            .writev(false)
            .max_buf_size(SEND_BUFFER);
        // Boxed, as hyper keeps room for the answer to a request as long as the connection lives.
        let service = service_fn(move |request| Box::pin(service(request, client)));
        let connection = http.serve_connection(TokioIo::new(io), service);
        let serving = match terms.watcher() {
            Some(watcher) => Either::Left(watcher.watch(connection)),
            None => Either::Right(connection),
        };
        serving.map_err(Failure::from)
    }

    async fn http2<I, S, F, B, E>(&self, io: I, one: One<S>) -> Result<(), Failure>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Fn(Request<Incoming>, SocketAddr) -> F + Send + 'static,
        F: Future<Output = Result<Response<B>, E>> + Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        let One { client, service, terms } = one;
        // Each stream has a task, which hyper starts and which ends with the connection.
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new())
            .max_concurrent_streams(100)
            .max_send_buf_size(SEND_BUFFER)
            // Rapid reset (CVE-2023-44487). hyper's own defaults, written down as they matter.
            .max_pending_accept_reset_streams(20)
            .max_local_error_reset_streams(1024)
            // A peer that is gone is found by a ping: a stream may have nothing to send for long.
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10));
        let service = service_fn(move |request| service(request, client));
        let connection = http.serve_connection(TokioIo::new(io), service);
        if let Some(watcher) = terms.watcher() {
            return Ok(watcher.watch(connection).await?);
        }
        let mut connection = pin!(connection);
        connection.as_mut().graceful_shutdown();
        Ok(connection.await?)
    }
}
