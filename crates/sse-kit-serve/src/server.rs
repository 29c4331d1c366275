//! The accept loop, and how it ends.

use std::error::Error;
use std::future::{pending, ready};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::server::graceful::GracefulShutdown;
use sse_kit_http::{LimitError, Limits, Permit};
use sse_kit_shutdown::{Outcome, Phase, Shutdown, Signals, Tracked};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::connection::{Connections, One, Terms};
use crate::outage::Outage;
use crate::own_lane::Routes;
use crate::socket_options::SocketOptions;
use crate::stats::ServeStats;

/// How many clients may wait to be accepted.
const BACKLOG: u32 = 4096;

/// A bound server of HTTP/1.1, and of HTTP/2 where it is asked for.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    limits: Option<Limits>,
    connections: Connections,
    outage: Outage,
}

impl Server {
    /// Listens on an address; port 0 takes a free one.
    ///
    /// Up to 4,096 clients may wait to be accepted, as far as the system allows it
    /// (`net.core.somaxconn`): so many come back at once when a node goes down. Of clients beyond that, and
    /// beyond the 128 that `TcpListener::bind` allows, TCP tries again only after 1 s, 2 s and so on.
    ///
    /// # Errors
    ///
    /// When the operating system refuses the address.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // As `TcpListener::bind` does: a server that is started again need not wait for the sockets of
        // the one before it.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Self::new(socket.listen(BACKLOG)?))
    }

    /// Serves a listener that is bound already. How many clients may wait to be accepted was decided
    /// when it was bound; [`Server::bind`] has room for a herd.
    pub fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            limits: None,
            outage: Outage::default(),
            connections: Connections {
                options: SocketOptions::default(),
                header_timeout: Duration::from_secs(5),
                write_timeout: Some(Duration::from_secs(30)),
                prior_knowledge: false,
                #[cfg(feature = "tls")]
                tls: None,
                own_lane: None,
                stats: Arc::default(),
            },
        }
    }

    /// How long a client may take to send the head of a request, at most a year. Default: 5 s.
    pub fn header_timeout(mut self, timeout: Duration) -> Self {
        // hyper adds it to an instant, which does not reach to the end of time.
        self.connections.header_timeout = timeout.min(Duration::from_secs(365 * 24 * 3600));
        self
    }

    /// How long a client may take no bytes while there are some for it; `None` for ever.
    /// Default: 30 s.
    pub fn write_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.connections.write_timeout = timeout.into();
        self
    }

    /// How long the kernel keeps bytes for a client that acknowledges none, before it ends the
    /// connection (`TCP_USER_TIMEOUT`; Linux): so it finds peers that are gone without a word.
    /// `None` leaves that to the system, which may take a quarter of an hour. Default: 30 s.
    pub fn user_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.connections.options.user_timeout = timeout.into();
        self
    }

    /// Sets after how long without a byte in either direction the kernel asks whether the peer is still
    /// there (`SO_KEEPALIVE`). When three such probes, 10 s apart, stay without an answer, the
    /// connection ends: so peers that are gone without a word are found where no heartbeat is sent.
    /// `None` asks never. Default: 30 s.
    pub fn tcp_keepalive(mut self, quiet: impl Into<Option<Duration>>) -> Self {
        self.connections.options.tcp_keepalive = quiet.into();
        self
    }

    /// How many bytes the kernel may keep for a client that is slow (`SO_SNDBUF`; Linux doubles it,
    /// for its own books). `None` leaves it to the system, which goes up to some megabytes for each.
    /// Default: 64 KiB, with which a client 100 ms away can get half a megabyte in a second.
    pub fn send_buffer(mut self, bytes: impl Into<Option<usize>>) -> Self {
        self.connections.options.send_buffer = bytes.into();
        self
    }

    /// How many bytes of a client's the kernel may keep until they are read (`SO_RCVBUF`). Default:
    /// `None`, which leaves it to the system.
    pub fn receive_buffer(mut self, bytes: impl Into<Option<usize>>) -> Self {
        self.connections.options.receive_buffer = bytes.into();
        self
    }

    /// How many connections there may be, in all and from one address. Default: no limit but that of
    /// file descriptors.
    ///
    /// Whoever is beyond it is told to come back: a stream by the event `sse-kit:busy`, any other
    /// request by status 503. That needs a connection for a moment, and there are 64 of these; who
    /// finds none of them free is closed without a word. Behind a proxy all come from its address.
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits: Some(limits), ..self }
    }

    /// Serves HTTP/2 too, for clients that know of it without being told: `curl
    /// --http2-prior-knowledge`, and proxies that are configured so. Browsers need TLS for it.
    pub fn http2_prior_knowledge(mut self) -> Self {
        self.connections.prior_knowledge = true;
        self
    }

    /// Serves TLS, with HTTP/2 for clients that can.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: crate::Tls) -> Self {
        self.connections.tls = Some(tls);
        self
    }

    /// Answers requests for event streams on a lane of our own, without hyper: an open stream then
    /// takes a fifth of the memory, and an event less time. `is_stream` says which requests those are,
    /// and `answer` answers them, as the service that is given to [`Server::serve`] does all others;
    /// on the wire there is no difference.
    ///
    /// The lane is for `GET` over HTTP/1.1 without TLS. It has the same limits, timeouts and shutdown.
    /// All else is served by hyper, the rest of its connection included; and so the service must
    /// answer requests for streams too. [`ServeStats::own_lane`] counts what went by this lane.
    ///
    /// ```no_run
    /// # use std::convert::Infallible;
    /// # use std::net::SocketAddr;
    /// # use http::{Request, Response};
    /// # use sse_kit_broadcast::Broadcaster;
    /// # use sse_kit_event::Topics;
    /// # use sse_kit_http::{SseBody, SseResponse};
    /// # use sse_kit_serve::Server;
    /// async fn stream<B>(hub: Broadcaster, request: Request<B>) -> Result<Response<SseBody>, Infallible> {
    ///     let subscribed = hub.subscribe(Topics::none()).open();
    ///     Ok(subscribed.map_or_else(|_| SseResponse::close(), |s| SseResponse::new(s).into_response()))
    /// }
    ///
    /// # async fn example(server: Server, hub: Broadcaster) {
    /// let server = server.own_lane(
    ///     |request| request.uri().path() == "/events",
    ///     move |request, _client| stream(hub.clone(), request),
    /// );
    /// # }
    /// ```
    pub fn own_lane<P, A, F, B, E>(mut self, is_stream: P, answer: A) -> Self
    where
        P: Fn(&Request<()>) -> bool + Send + Sync + 'static,
        A: Fn(Request<()>, SocketAddr) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Response<B>, E>> + Send + 'static,
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        self.connections.own_lane = Some(Arc::new(Routes { is_stream, answer }));
        self
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
        Arc::clone(&self.connections.stats)
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
        let told = shutdown.reached(Phase::Closed);
        // A shutdown has a deadline of its own, and drops what serves then.
        let serving = self.run(service, shutdown.stopping(), told, pending::<()>(), track);
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
        self.run(service, stop, ready(()), deadline, || None).await
    }

    async fn run<S, F, B, E>(
        self,
        service: S,
        stop: impl Future,
        told: impl Future,
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
        let settings = Arc::new(self.connections.clone());
        let (mut connections, mut refused) = (JoinSet::new(), JoinSet::new());
        let (graceful, late) = (GracefulShutdown::new(), GracefulShutdown::new());
        let (serving, stopping) = watch::channel(());
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                biased;
                _ = &mut stop => break,
                // Ended tasks are taken away first, or they would keep their memory.
                Some(_) = connections.join_next() => {}
                Some(_) = refused.join_next() => {}
                (stream, client) = self.accept() => match self.admit(client) {
                    Ok(permit) => {
                        let terms = Terms::Watched(graceful.watcher(), stopping.clone());
                        let one = One { client, service: service.clone(), terms };
                        settings.spawn(&mut connections, stream, one, (track(), permit));
                    }
                    Err(error) => settings.refuse(stream, client, error, &mut refused),
                },
            }
        }
        drop(serving);
        let (answering, stopping) = watch::channel(());
        let mut deadline = pin!(deadline);
        // Who comes late is answered until all is told, or there would be nobody to say so.
        let ended = async { tokio::join!(graceful.shutdown(), told) };
        let mut ended = pin!(ended);
        loop {
            tokio::select! {
                biased;
                _ = &mut ended => break,
                _ = &mut deadline => return cut_off(connections).await,
                Some(_) = connections.join_next() => {}
                Some(_) = refused.join_next() => {}
                (stream, client) = self.accept() => match self.admit(client) {
                    Ok(permit) => {
                        let terms = Terms::Late(late.watcher(), stopping.clone());
                        let one = One { client, service: service.clone(), terms };
                        settings.spawn(&mut connections, stream, one, (track(), permit));
                    }
                    Err(error) => settings.refuse(stream, client, error, &mut refused),
                },
            }
        }
        drop(answering);
        tokio::select! {
            biased;
            () = late.shutdown() => 0,
            _ = &mut deadline => cut_off(connections).await,
        }
    }

    fn admit(&self, client: SocketAddr) -> Result<Option<Permit>, LimitError> {
        self.limits.as_ref().map(|limits| limits.admit(client.ip())).transpose()
    }

    /// The next connection, however long it takes.
    async fn accept(&self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok(accepted) => {
                    self.connections.stats.accept();
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
