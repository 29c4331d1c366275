//! One connection: what it speaks, and within which limits.

use std::error::Error;
use std::fmt;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::FutureExt;
use sse_kit_http::LimitError;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::answer::{Failure, Service};
#[cfg(feature = "fast-path")]
use crate::http1::StreamRoutes;
use crate::line::Line;
use crate::peer::Peer;
use crate::preface;
use crate::proxy_protocol;
use crate::server::Settings;
use crate::socket::{self, Socket, Stream};
#[cfg(feature = "tls")]
use crate::tls::{self, Tls};

/// What may wait in hyper for a slow client; hyper's own default is about 400 KiB.
pub(crate) const SEND_BUFFER: usize = 16 * 1024;

/// How all connections of a server are served.
pub(crate) struct Connections {
    pub(crate) settings: Settings,
    pub(crate) service: Box<dyn Service>,
    /// Whether the server is about to stop, and wants no connection kept for another request.
    pub(crate) leaving: Box<dyn Fn() -> bool + Send + Sync>,
}

impl std::ops::Deref for Connections {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What is known of one connection before it is served.
pub(crate) struct One {
    pub(crate) peer: Arc<Peer>,
    pub(crate) terms: Terms,
}

/// Closed when connections are to end.
pub(crate) type Stopping = watch::Receiver<()>;

/// For how long a connection is served.
pub(crate) enum Terms {
    /// Until it is told to end.
    Watched(Stopping),
    /// The same, but for one request: it came when the server was ending.
    Late(Stopping),
    /// For one request: there is no room for it.
    Refused,
}

impl Terms {
    /// Waits until the connection is told to end.
    pub(crate) fn stopping(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let stopping = match self {
            Self::Watched(stopping) | Self::Late(stopping) => Some(stopping.clone()),
            Self::Refused => None,
        };
        async move {
            match stopping {
                // Nothing is ever sent; it is closed.
                Some(mut stopping) => _ = stopping.changed().await,
                None => pending().await,
            }
        }
    }

    pub(crate) fn keep_alive(&self) -> bool {
        matches!(self, Self::Watched(stopping) if stopping.has_changed().is_ok())
    }

    pub(crate) fn is_refused(&self) -> bool {
        matches!(self, Self::Refused)
    }
}

impl Connections {
    /// Whether the server wants no connection kept for another request.
    pub(crate) fn is_leaving(&self) -> bool {
        (self.leaving)()
    }

    /// Serves one connection in a task of its own, and keeps a value for as long as that takes.
    pub(crate) fn spawn(
        self: &Arc<Self>,
        tasks: &mut JoinSet<()>,
        stream: Stream,
        one: One,
        kept: impl Send + 'static,
    ) {
        let client = one.peer.address;
        if let Err(error) = self.options.apply(&stream) {
            tracing::debug!(%client, %error, "a socket refuses its options");
        }
        let line = Line::new(Socket::new(stream, self.write_timeout));
        let ended = self.ended(client, kept);
        // Futures of three sizes: a connection has no room for what it does not become.
        if self.proxy_protocol && self.proxies.trusts(client.ip()) {
            tasks.spawn(Arc::clone(self).introduced(line, one).map(ended));
        } else if !self.is_settled() {
            tasks.spawn(Arc::clone(self).negotiate(line, one).map(ended));
        } else {
            #[cfg(feature = "fast-path")]
            if let Some(routes) = self.fast_routes(&one.terms) {
                tasks.spawn(Arc::clone(self).both_lanes(routes, line, one).map(ended));
                return;
            }
            tasks.spawn(Arc::clone(self).http1(line, one).map(ended));
        }
    }

    /// Returns the peer of a connection from this address, and counts it.
    ///
    /// # Errors
    ///
    /// [`LimitError`] says which limit is reached.
    pub(crate) fn peer(&self, address: SocketAddr) -> Result<Arc<Peer>, LimitError> {
        let limits = self.limits.clone();
        if self.proxies.trusts(address.ip()) {
            return Ok(Arc::new(Peer::proxy(address, limits)));
        }
        Peer::admit(address, limits).map(Arc::new)
    }

    /// Serves a connection whose proxy says first who the client is.
    async fn introduced(self: Arc<Self>, mut line: Line<Socket>, one: One) -> Result<(), Failure> {
        let introduction = proxy_protocol::read(&mut line);
        let Some(client) = self.in_time(introduction, &one.terms).await else { return Ok(()) };
        let one = match client.map(|client| (client, self.peer(client))) {
            None => one,
            Some((_, Ok(peer))) => One { peer, ..one },
            Some((client, Err(error))) => {
                self.stats.refuse();
                tracing::debug!(%client, %error, "a connection is refused");
                One { peer: Arc::new(Peer::refused(client)), terms: Terms::Refused }
            }
        };
        Box::pin(self.negotiate(line, one)).await
    }

    /// Notes how a connection has ended.
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
    async fn negotiate(self: Arc<Self>, mut line: Line<Socket>, one: One) -> Result<(), Failure> {
        #[cfg(feature = "tls")]
        if let Some(Tls(acceptor)) = &self.tls {
            let acceptor = acceptor.clone();
            let Some(stream) = self.in_time(acceptor.accept(line), &one.terms).await else {
                return Ok(());
            };
            return if tls::is_http2(stream.get_ref().1) {
                self.http2(stream, one).await
            } else {
                self.http1(Line::new(stream), one).await
            };
        }
        if self.prior_knowledge {
            match self.in_time(preface::is_http2(&mut line), &one.terms).await {
                Some(true) => return self.http2(line, one).await,
                Some(false) => {}
                None => return Ok(()),
            }
        }
        #[cfg(feature = "fast-path")]
        if let Some(routes) = self.fast_routes(&one.terms) {
            return Box::pin(self.both_lanes(routes, line, one)).await;
        }
        self.http1(line, one).await
    }

    /// Returns the streams for the fast path, for clients that are served as long as they like.
    #[cfg(feature = "fast-path")]
    fn fast_routes(&self, terms: &Terms) -> Option<Arc<dyn StreamRoutes>> {
        self.streams.clone().filter(|_| self.fast_path && !terms.is_refused())
    }

    /// Waits for a beginning, unless it takes too long or the server ends meanwhile.
    pub(crate) async fn in_time<T>(
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
}
