//! The server: its settings, the accept loop, and its end.

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
use crate::http1::{KeepAlive, Routes, StreamRoutes};
use crate::listen_address::ListenAddress;
use crate::listener::Listener;
use crate::outage::Outage;
use crate::refusal::Refusals;
use crate::request_body::RequestBody;
use crate::socket::Stream;
use crate::socket_options::SocketOptions;
use crate::stats::ServeStatus;

/// The upper bound for timeouts that hyper adds to an instant, which would overflow.
const MAX_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 3600);

/// A bound server for HTTP/1.1 and, if enabled, HTTP/2.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    settings: Settings,
    outage: Outage,
}

/// The settings of all connections.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
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
    pub(crate) streams_by_hyper: bool,
    pub(crate) by_hyper: bool,
    pub(crate) status: ServeStatus,
}

impl Server {
    /// Listens on a TCP address; port 0 selects a free one. [`Listener::bind`] also accepts host
    /// names and Unix sockets.
    ///
    /// Up to 4,096 connections may wait to be accepted, as far as the system allows it
    /// (`net.core.somaxconn`): that many clients reconnect at once when a node fails. TCP retries
    /// connections beyond the limit only after 1 s, 2 s and so on; `TcpListener::bind` sets it to
    /// 128.
    ///
    /// # Errors
    ///
    /// If the operating system refuses the address.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the future completes at its first poll.
    #[expect(
        clippy::unused_async,
        reason = "it must be called in a runtime, which then has the socket"
    )]
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self::new(Listener::tcp(address)?))
    }

    /// Creates a server for a bound listener: a [`Listener`], or a TCP or Unix listener of tokio.
    /// The number of connections that may wait to be accepted was set when it was bound;
    /// [`Listener::bind`] allows 4,096.
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
                streams_by_hyper: false,
                by_hyper: false,
                status: ServeStatus::default(),
            },
        }
    }

    /// Sets the maximum time that a client may take to send the head of a request, at most one
    /// year. Default: 5 s.
    pub fn header_timeout(mut self, timeout: Duration) -> Self {
        self.settings.header_timeout = timeout.min(MAX_TIMEOUT);
        self
    }

    /// Sets the maximum time that a connection waits for its next request after an answer, and that
    /// a connection of HTTP/2 stays open without a stream. A shutdown ends such connections
    /// immediately. Default: 75 s.
    ///
    /// Use a longer time than the proxies in front: otherwise a proxy may send a request on a
    /// connection that the server is closing. nginx and most load balancers keep idle connections
    /// for 60 s.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.settings.idle_timeout = timeout.min(MAX_TIMEOUT);
        self
    }

    /// Sets the maximum time that the app waits for more of a request's body; `None` removes the
    /// limit. Default: 30 s.
    pub fn body_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.body_timeout = timeout.into();
        self
    }

    /// Sets the maximum time for which a client may take no bytes while some are waiting; `None`
    /// removes the limit. Default: 30 s.
    pub fn write_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.write_timeout = timeout.into();
        self
    }

    /// Sets the maximum time for which the kernel keeps unacknowledged bytes before it ends the
    /// connection (`TCP_USER_TIMEOUT`; Linux only). This detects peers that vanished without
    /// closing the connection. `None` keeps the system's setting, which may take 15 minutes.
    /// Default: 30 s.
    pub fn user_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.options.user_timeout = timeout.into();
        self
    }

    /// Sets the idle time after which the kernel probes whether the peer still exists
    /// (`SO_KEEPALIVE`). After three unanswered probes, 10 s apart, the connection ends. This
    /// detects vanished peers where no heartbeat is sent. `None` disables the probes. Default: 30
    /// s.
    pub fn tcp_keepalive(mut self, quiet: impl Into<Option<Duration>>) -> Self {
        self.settings.options.tcp_keepalive = quiet.into();
        self
    }

    /// Sets the size of the kernel's buffer for a slow client, in bytes (`SO_SNDBUF`; Linux doubles
    /// it for its bookkeeping). `None` keeps the system's setting, which grows to some megabytes
    /// per client. Default: 64 KiB, which allows half a megabyte per second to a client 100 ms
    /// away.
    pub fn send_buffer(mut self, bytes: impl Into<Option<usize>>) -> Self {
        self.settings.options.send_buffer = bytes.into();
        self
    }

    /// Sets the size of the kernel's buffer for unread bytes from a client (`SO_RCVBUF`). Default:
    /// `None`, the system's setting.
    pub fn receive_buffer(mut self, bytes: impl Into<Option<usize>>) -> Self {
        self.settings.options.receive_buffer = bytes.into();
        self
    }

    /// Limits the number of connections, in total and per address. Default: only the limit on file
    /// descriptors.
    ///
    /// A client beyond the limit is asked to retry later: a stream by the event `sse-kit:busy`, any
    /// other request by status 503. The server keeps up to 64 connections open for such answers and
    /// closes further ones without an answer.
    ///
    /// A connection counts from the moment it is accepted; each further simultaneous stream on it
    /// counts too. Connections from [trusted proxies](Server::trust) do not count; their requests
    /// count per client.
    pub fn limits(mut self, limits: Quota) -> Self {
        self.settings.limits = Some(limits);
        self
    }

    /// Trusts proxies to report the client's address in a header of each request. The service, the
    /// limits and the logs then use that address, with port 0. Default: no proxy is trusted.
    pub fn trust(mut self, proxies: TrustedProxies) -> Self {
        self.settings.proxies = proxies;
        self
    }

    /// Requires connections from [trusted proxies](Server::trust) to begin with the PROXY protocol,
    /// version 1 or 2, and takes the client's address from it. Such a connection without the header
    /// is closed. Other connections are unaffected.
    pub fn proxy_protocol(mut self) -> Self {
        self.settings.proxy_protocol = true;
        self
    }

    /// Enables HTTP/2 for clients with prior knowledge: `curl --http2-prior-knowledge`, and proxies
    /// configured for it. Browsers use HTTP/2 only over TLS.
    pub fn http2_prior_knowledge(mut self) -> Self {
        self.settings.prior_knowledge = true;
        self
    }

    /// Enables TLS, with HTTP/2 for clients that support it.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: crate::Tls) -> Self {
        self.settings.tls = Some(tls);
        self
    }

    /// Defines which requests are event streams and the function that answers them. The server
    /// calls `is_stream` for each `GET` and `HEAD`, and `answer` if it returns `true`. The service
    /// that is passed to [`Server::serve`] answers all other requests.
    ///
    /// The service may answer streams too, and they take as little memory. But only those that are defined
    /// here are counted by [`ServeStats::fast_path`](crate::ServeStats::fast_path), and take the fast path
    /// if their client asks for trailers (`TE`).
    ///
    /// `is_stream` should depend on nothing but the request: on the fast path, the server may call it
    /// twice for a `GET` that is no stream.
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

    /// Answers all requests by hyper. By default the server itself answers streams and short requests,
    /// which is the fast path: an open stream takes a fifth of the memory there, and an event and a short
    /// request take less time. The answers are the same.
    ///
    /// The fast path has requests over HTTP/1.1 without TLS: [streams](Server::streams), and all others but
    /// `HEAD` whose body has at most 16 KiB and has arrived with the head, and whose client does not ask for
    /// trailers (`TE`). hyper answers the rest, request by request, so a stream that a browser opens on a used
    /// connection takes the fast path too. It keeps a connection whose request is chunked, expects
    /// `100-continue` or upgrades. [`ServeStats::fast_path`](crate::ServeStats::fast_path) counts the streams on the
    /// fast path.
    ///
    /// Use this setting to find out whether the fast path causes a fault, or if streams end with trailers,
    /// which the fast path leaves out.
    pub fn by_hyper(mut self) -> Self {
        self.settings.by_hyper = true;
        self
    }

    /// Answers each `GET` by hyper, whether it is for a stream or not, and other short requests still on the
    /// fast path. Use it to compare the two ways to write streams, as the benchmarks of the hub do,
    /// or where requests need the fast path and streams need [hyper](Server::by_hyper).
    pub fn streams_by_hyper(mut self) -> Self {
        self.settings.streams_by_hyper = true;
        self
    }

    /// Returns the TCP address that it listens on.
    ///
    /// # Errors
    ///
    /// If the operating system does not report it, or if the server listens on a Unix socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self.address()? {
            ListenAddress::Tcp(address) => Ok(address),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Returns the address that it listens on, TCP or Unix.
    ///
    /// # Errors
    ///
    /// If the operating system does not report it.
    pub fn address(&self) -> io::Result<ListenAddress> {
        self.listener.address()
    }

    /// Returns a handle to the counters of the server, which can be read while it serves.
    pub fn monitor(&self) -> ServeStatus {
        self.settings.status.clone()
    }

    /// Serves until `shutdown` is triggered by a signal or by the app, and then runs the whole
    /// shutdown: see [`Shutdown::run`].
    ///
    /// Every connection is [tracked](Shutdown::track). While the server drains, it still answers
    /// new connections, with one request each, so that health checks get an answer.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe. If the future is dropped, all connections are cut off.
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
        // A shutdown has its own deadline, after which it drops `serving`.
        let service = Box::new(service);
        let serving = self.run(service, leaving, shutdown.stopping(), told, pending::<()>(), track);
        shutdown.run(signals, async { _ = serving.await }).await
    }

    /// Serves until `stop` completes, and then until all connections have ended, but at most for
    /// `drain`. Returns the number of connections that were cut off.
    ///
    /// Use it if the app ends its streams itself. Late requests are answered as in
    /// [`Server::serve_until_shutdown`].
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe. If the future is dropped, all connections are cut off.
    pub async fn serve<S>(self, service: S, stop: impl Future, drain: Duration) -> usize
    where
        S: Answer<Request<RequestBody>>,
    {
        // The deadline starts at its first poll, which is when `stop` completes.
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
        let refusals = Refusals::default();
        let keep_alive = KeepAlive::new(settings.idle_timeout);
        let connections =
            Arc::new(Connections { settings, service, leaving, refusals, keep_alive });
        let (mut early, mut late, mut refused) = (JoinSet::new(), JoinSet::new(), JoinSet::new());
        let (serving, stopping) = watch::channel(());
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                biased;
                _ = &mut stop => break,
                // Reap ended tasks first, because they keep their memory until then.
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
        // Late clients are answered until all streams have ended: otherwise no process would answer
        // them.
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

    /// Accepts the next connection, however long it takes.
    async fn accept(&self) -> (Stream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok(accepted) => {
                    self.settings.status.accept();
                    return accepted;
                }
                Err(error) if is_about_one_client(&error) => {}
                // Usually file descriptors or memory have run out. An immediate retry would waste
                // time; open connections continue meanwhile.
                Err(error) => {
                    if self.outage.begins() {
                        tracing::warn!(%error, "cannot accept connections; retrying");
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

/// Serves an accepted connection, if the limits allow it.
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

/// Cuts off the remaining connections and returns their number.
async fn cut_off(mut connections: JoinSet<()>) -> usize {
    while connections.try_join_next().is_some() {}
    let left = connections.len();
    connections.shutdown().await;
    left
}

/// Returns `true` if accepting failed because of this one client.
fn is_about_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
