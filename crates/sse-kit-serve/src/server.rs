//! The accept loop, and how it ends.

use std::future::{pending, ready};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use sse_kit_http::{Quota, TrustedProxies};
use sse_kit_shutdown::{Outcome, Phase, Shutdown, Signals, Tracked};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::answer::{Answer, Service};
use crate::connection::{Accepted, Connections, Lifetime, Stopping};
use crate::http1::{Routes, StreamRoutes};
use crate::listen_address::ListenAddress;
use crate::listener::Listener;
use crate::outage::Outage;
use crate::request_body::RequestBody;
use crate::socket::Stream;
use crate::socket_options::SocketOptions;
use crate::stats::ServeStats;

/// The upper bound for timeouts that hyper adds to an instant, which does not reach to the end of time.
const MAX_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 3600);

/// A bound server of HTTP/1.1, and of HTTP/2 where it is asked for.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    settings: Settings,
    outage: Outage,
}

/// How connections are served.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) limits: Option<Quota>,
    pub(crate) proxies: TrustedProxies,
    pub(crate) proxy_protocol: bool,
    pub(crate) options: SocketOptions,
    pub(crate) header_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) body_timeout: Option<Duration>,
    pub(crate) write_timeout: Option<Duration>,
    pub(crate) prior_knowledge: bool,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<crate::Tls>,
    pub(crate) streams: Option<Arc<dyn StreamRoutes>>,
    #[cfg(feature = "fast-path")]
    pub(crate) fast_path: bool,
    pub(crate) stats: Arc<ServeStats>,
}

impl Server {
    /// Listens on an address of TCP; port 0 takes a free one. [`Listener::bind`] takes names of hosts and
    /// Unix sockets, too.
    ///
    /// Up to 4,096 clients may wait to be accepted, as far as the system allows it
    /// (`net.core.somaxconn`): so many come back at once when a node goes down. Of clients beyond that, and
    /// beyond the 128 that `TcpListener::bind` allows, TCP tries again only after 1 s, 2 s and so on.
    ///
    /// # Errors
    ///
    /// When the operating system refuses the address.
    #[expect(
        clippy::unused_async,
        reason = "it must be called in a runtime, which then has the socket"
    )]
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self::new(Listener::tcp(address)?))
    }

    /// Serves a listener that is bound already: a [`Listener`], or one of tokio's, of TCP or of Unix. How many
    /// clients may wait to be accepted was decided when it was bound; [`Listener::bind`] has room for a
    /// herd.
    pub fn new(listener: impl Into<Listener>) -> Self {
        Self {
            listener: listener.into(),
            outage: Outage::default(),
            settings: Settings {
                limits: None,
                proxies: TrustedProxies::default(),
                proxy_protocol: false,
                options: SocketOptions::default(),
                header_timeout: Duration::from_secs(5),
                idle_timeout: Duration::from_secs(75),
                body_timeout: Some(Duration::from_secs(30)),
                write_timeout: Some(Duration::from_secs(30)),
                prior_knowledge: false,
                #[cfg(feature = "tls")]
                tls: None,
                streams: None,
                #[cfg(feature = "fast-path")]
                fast_path: false,
                stats: Arc::default(),
            },
        }
    }

    /// How long a client may take to send the head of a request, at most a year. Default: 5 s.
    pub fn header_timeout(mut self, timeout: Duration) -> Self {
        self.settings.header_timeout = timeout.min(MAX_TIMEOUT);
        self
    }

    /// Sets how long a connection may wait for its next request, once it has had an answer, and how long
    /// one of HTTP/2 may be open without a stream. A shutdown ends such connections at once.
    ///
    /// Longer than proxies keep theirs, or a proxy sends a request into a connection that is just being
    /// closed: nginx and most load balancers keep them for 60 s. Default: 75 s.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.settings.idle_timeout = timeout.min(MAX_TIMEOUT);
        self
    }

    /// Sets how long a client may send nothing of a request's body while the app waits for it; `None`
    /// waits for ever. Default: 30 s.
    pub fn body_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.body_timeout = timeout.into();
        self
    }

    /// How long a client may take no bytes while there are some for it; `None` for ever.
    /// Default: 30 s.
    pub fn write_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.write_timeout = timeout.into();
        self
    }

    /// How long the kernel keeps bytes for a client that acknowledges none, before it ends the
    /// connection (`TCP_USER_TIMEOUT`; Linux): so it finds peers that are gone without a word.
    /// `None` leaves that to the system, which may take a quarter of an hour. Default: 30 s.
    pub fn user_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.options.user_timeout = timeout.into();
        self
    }

    /// Sets after how long without a byte in either direction the kernel asks whether the peer is still
    /// there (`SO_KEEPALIVE`). When three such probes, 10 s apart, stay without an answer, the
    /// connection ends: so peers that are gone without a word are found where no heartbeat is sent.
    /// `None` asks never. Default: 30 s.
    pub fn tcp_keepalive(mut self, quiet: impl Into<Option<Duration>>) -> Self {
        self.settings.options.tcp_keepalive = quiet.into();
        self
    }

    /// How many bytes the kernel may keep for a client that is slow (`SO_SNDBUF`; Linux doubles it,
    /// for its own books). `None` leaves it to the system, which goes up to some megabytes for each.
    /// Default: 64 KiB, with which a client 100 ms away can get half a megabyte in a second.
    pub fn send_buffer(mut self, bytes: impl Into<Option<usize>>) -> Self {
        self.settings.options.send_buffer = bytes.into();
        self
    }

    /// How many bytes of a client's the kernel may keep until they are read (`SO_RCVBUF`). Default:
    /// `None`, which leaves it to the system.
    pub fn receive_buffer(mut self, bytes: impl Into<Option<usize>>) -> Self {
        self.settings.options.receive_buffer = bytes.into();
        self
    }

    /// How many connections there may be, in all and from one address. Default: no limit but that of
    /// file descriptors.
    ///
    /// Whoever is beyond it is told to come back: a stream by the event `sse-kit:busy`, any other
    /// request by status 503. That needs a connection for a moment, and there are 64 of these; who
    /// finds none of them free is closed without a word.
    ///
    /// A connection counts as accepted, and so does every further stream that is open on it at the same
    /// time. Connections from [trusted proxies](Server::trust) do not count; the requests that they
    /// pass on do, each for its client.
    pub fn limits(mut self, limits: Quota) -> Self {
        self.settings.limits = Some(limits);
        self
    }

    /// Trusts proxies to tell the address of a client, by a header of each request: the service, the
    /// limits and the logs then have the client's address, with port 0. Default: trusts nobody.
    pub fn trust(mut self, proxies: TrustedProxies) -> Self {
        self.settings.proxies = proxies;
        self
    }

    /// Expects connections from [trusted proxies](Server::trust) to begin with the PROXY protocol, version
    /// 1 or 2, and takes the client's address from there; a connection without it is closed. All other
    /// connections are served as they come.
    pub fn proxy_protocol(mut self) -> Self {
        self.settings.proxy_protocol = true;
        self
    }

    /// Serves HTTP/2 too, for clients that know of it without being told: `curl
    /// --http2-prior-knowledge`, and proxies that are configured so. Browsers need TLS for it.
    pub fn http2_prior_knowledge(mut self) -> Self {
        self.settings.prior_knowledge = true;
        self
    }

    /// Serves TLS, with HTTP/2 for clients that can.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: crate::Tls) -> Self {
        self.settings.tls = Some(tls);
        self
    }

    /// Sets which requests ask for event streams, and who answers them: `is_stream` is asked about each
    /// `GET` and `HEAD`, and `answer` has those for which it returns `true`. The service that is given
    /// to [`Server::serve`] answers all others.
    ///
    /// ```no_run
    /// # use std::convert::Infallible;
    /// # use http::{Request, Response};
    /// # use sse_kit_broadcast::Hub;
    /// # use sse_kit_event::Topics;
    /// # use sse_kit_http::{SseBody, SseResponse};
    /// # use sse_kit_serve::Server;
    /// async fn stream(hub: Hub) -> Result<Response<SseBody>, Infallible> {
    ///     let subscribed = hub.subscribe(Topics::none()).open();
    ///     Ok(subscribed.map_or_else(|_| SseResponse::close(), |s| SseResponse::new(s).into_response()))
    /// }
    ///
    /// # async fn example(server: Server, hub: Hub) {
    /// let server = server.streams(
    ///     |request| request.uri().path() == "/events",
    ///     move |_request, _client| stream(hub.clone()),
    /// );
    /// # }
    /// ```
    pub fn streams<P, A>(mut self, is_stream: P, answer: A) -> Self
    where
        P: Fn(&Request<()>) -> bool + Send + Sync + 'static,
        A: Answer<Request<()>, Body: Unpin>,
    {
        self.settings.streams = Some(Arc::new(Routes { is_stream, answer }));
        self
    }

    /// Answers [streams](Server::streams) without hyper: an open stream then takes a fifth of the memory,
    /// and an event less time. On the wire there is no difference.
    ///
    /// This is for `GET` over HTTP/1.1 without TLS. hyper answers all else, request by request: a stream
    /// that a browser opens on a connection that it has used before is on this lane too.
    /// [`ServeStats::fast_path`] counts the requests that were.
    #[cfg(feature = "fast-path")]
    pub fn fast_path(mut self) -> Self {
        self.settings.fast_path = true;
        self
    }

    /// Returns where it listens, on TCP.
    ///
    /// # Errors
    ///
    /// When the operating system does not say, or it listens on a Unix socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self.address()? {
            ListenAddress::Tcp(address) => Ok(address),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Returns where it listens, be it on TCP or on a Unix socket.
    ///
    /// # Errors
    ///
    /// When the operating system does not say.
    pub fn address(&self) -> io::Result<ListenAddress> {
        self.listener.address()
    }

    /// What happens to it, to be read while it serves.
    pub fn stats(&self) -> Arc<ServeStats> {
        Arc::clone(&self.settings.stats)
    }

    /// Serves until `shutdown` says that it is time to stop, because of a signal or because the app
    /// asks for it, and runs the whole of it: see [`Shutdown::run`].
    ///
    /// Every connection is [tracked](Shutdown::track). Requests that come while it drains are still
    /// answered, one for each connection, so that health checks can be told.
    pub async fn serve_until_shutdown<S>(
        self,
        shutdown: &Shutdown,
        signals: impl Into<Option<Signals>>,
        service: S,
    ) -> Outcome<()>
    where
        S: Answer<Request<RequestBody>>,
    {
        let track = || Some(shutdown.track());
        let told = shutdown.reached(Phase::Closed);
        let leaving = shutdown.clone();
        let leaving = Box::new(move || !leaving.is_ready());
        // A shutdown has a deadline of its own, and drops what serves then.
        let service = Box::new(service);
        let serving = self.run(service, leaving, shutdown.stopping(), told, pending::<()>(), track);
        shutdown.run(signals, async { _ = serving.await }).await
    }

    /// Serves until `stop` is ready, and then until all connections have ended, at most for `drain`.
    /// Returns how many had not, and were cut off.
    ///
    /// For those who end their streams by themselves; late requests are answered as with
    /// [`Server::serve_until_shutdown`].
    pub async fn serve<S>(self, service: S, stop: impl Future, drain: Duration) -> usize
    where
        S: Answer<Request<RequestBody>>,
    {
        // From when it is polled first, which is when `stop` is ready.
        let deadline = async { tokio::time::sleep(drain).await };
        let (service, leaving) = (Box::new(service), Box::new(|| false));
        self.run(service, leaving, stop, ready(()), deadline, || None).await
    }

    async fn run(
        self,
        service: Box<dyn Service>,
        leaving: Box<dyn Fn() -> bool + Send + Sync>,
        stop: impl Future,
        told: impl Future,
        deadline: impl Future,
        track: impl Fn() -> Option<Tracked>,
    ) -> usize {
        let settings = self.settings.clone();
        let connections = Arc::new(Connections { settings, service, leaving });
        let (mut early, mut late, mut refused) = (JoinSet::new(), JoinSet::new(), JoinSet::new());
        let (serving, stopping) = watch::channel(());
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                biased;
                _ = &mut stop => break,
                // Ended tasks are taken away first, or they would keep their memory.
                Some(_) = early.join_next() => {}
                Some(_) = refused.join_next() => {}
                accepted = self.accept() => {
                    let lifetime = Lifetime::Watched(Stopping::clone(&stopping));
                    take(&connections, accepted, lifetime, &track, &mut early, &mut refused);
                }
            }
        }
        drop(serving);
        let (answering, stopping) = watch::channel(());
        let mut deadline = pin!(deadline);
        // Clients that come late are answered until all streams have ended, or there would be nobody to
        // say so.
        let (mut told, mut is_told) = (pin!(told), false);
        while !(is_told && early.is_empty()) {
            tokio::select! {
                biased;
                _ = &mut told, if !is_told => is_told = true,
                _ = &mut deadline => return cut_off(early).await + cut_off(late).await,
                Some(_) = early.join_next() => {}
                Some(_) = late.join_next() => {}
                Some(_) = refused.join_next() => {}
                accepted = self.accept() => {
                    let lifetime = Lifetime::Late(Stopping::clone(&stopping));
                    take(&connections, accepted, lifetime, &track, &mut late, &mut refused);
                }
            }
        }
        drop(answering);
        loop {
            tokio::select! {
                biased;
                ended = late.join_next() => if ended.is_none() { return 0 },
                _ = &mut deadline => return cut_off(late).await,
            }
        }
    }

    /// The next connection, however long it takes.
    async fn accept(&self) -> (Stream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok(accepted) => {
                    self.settings.stats.accept();
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
}

/// Serves a connection that was accepted, if there is room for it.
fn take(
    connections: &Arc<Connections>,
    (stream, client): (Stream, SocketAddr),
    lifetime: Lifetime,
    track: &impl Fn() -> Option<Tracked>,
    tasks: &mut JoinSet<()>,
    refused: &mut JoinSet<()>,
) {
    match connections.peer(client) {
        Ok(peer) => {
            let accepted = Accepted { peer, lifetime };
            connections.spawn(tasks, stream, accepted, track());
        }
        Err(error) => connections.refuse(stream, client, error, refused),
    }
}

/// Cuts off what is left, and counts it.
async fn cut_off(mut connections: JoinSet<()>) -> usize {
    while connections.try_join_next().is_some() {}
    let left = connections.len();
    connections.shutdown().await;
    left
}

/// Whether accepting failed because of the one client that was to be accepted.
fn is_about_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
