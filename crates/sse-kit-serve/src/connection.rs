//! One connection: its protocol and its limits.

use std::error::Error;
use std::fmt;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::FutureExt;
use sse_kit_http::QuotaError;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::answer::{Failure, Pinned, Service};
use crate::http1::KeepAlive;
use crate::line::Line;
use crate::peer::Peer;
use crate::preface;
use crate::proxy_protocol;
use crate::refusal::Refusals;
use crate::server::Settings;
use crate::socket::{self, Socket, Stream};
#[cfg(feature = "tls")]
use crate::tls;

/// The maximum that hyper buffers for a slow client, in bytes; hyper's default is about 400 KiB.
pub(crate) const SEND_BUFFER: usize = 16 * 1024;

/// The settings and the app's functions, shared by all connections of a server.
pub(crate) struct Connections {
    pub(crate) settings: Settings,
    pub(crate) service: Box<dyn Service>,
    /// Returns `true` if the server is about to stop and keeps no connection open for another
    /// request.
    pub(crate) leaving: Box<dyn Fn() -> bool + Send + Sync>,
    pub(crate) refusals: Refusals,
    pub(crate) keep_alive: KeepAlive,
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

/// A connection that was accepted but is not served yet.
pub(crate) struct Accepted {
    pub(crate) peer: Arc<Peer>,
    pub(crate) lifetime: Lifetime,
}

/// A channel that is closed when connections should end.
pub(crate) type Stopping = watch::Receiver<()>;

/// The lifetime of a connection.
pub(crate) enum Lifetime {
    /// The connection is served until the server stops.
    Watched(Stopping),
    /// The connection is served for one request: it was accepted while the server was stopping.
    Late(Stopping),
    /// The connection is served for one request, which is refused: a limit was reached.
    Refused,
}

/// The end of a lifetime, for a future that looks for it often.
pub(crate) struct Stop {
    channel: Option<Stopping>,
    closed: Pinned<'static, ()>,
    /// The task that `closed` wakes.
    task: Option<Waker>,
}

impl Stop {
    /// Completes when the connection should end. It must not be polled after that.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(channel) = &self.channel else { return Poll::Pending };
        if channel.has_changed().is_err() {
            return Poll::Ready(());
        }
        // A task that waits already is woken in any case, and to ask again takes ten times as long as the look.
        if self.task.as_ref().is_none_or(|task| !task.will_wake(cx.waker())) {
            if self.closed.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            self.task = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Lifetime {
    /// Returns the end of this lifetime.
    pub(crate) fn stop(&self) -> Stop {
        let channel = match self {
            Self::Watched(stopping) | Self::Late(stopping) => Some(stopping.clone()),
            Self::Refused => None,
        };
        // Tokio's channel does not register a task that has spent its budget, and looks the same.
        let closed = Box::pin(tokio::task::coop::unconstrained(self.stopping()));
        Stop { channel, closed, task: None }
    }

    /// Waits until the connection should end.
    pub(crate) fn stopping(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let stopping = match self {
            Self::Watched(stopping) | Self::Late(stopping) => Some(stopping.clone()),
            Self::Refused => None,
        };
        async move {
            match stopping {
                // The channel never carries a value; it is only closed.
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
    /// Returns `true` if the server keeps no connection open for another request.
    pub(crate) fn is_leaving(&self) -> bool {
        (self.leaving)()
    }

    /// Serves a connection in its own task, and keeps a value until the task ends.
    pub(crate) fn spawn(
        self: &Arc<Self>,
        tasks: &mut JoinSet<()>,
        stream: Stream,
        accepted: Accepted,
        kept: impl Send + 'static,
    ) {
        let client = accepted.peer.address;
        if let Err(error) = self.options.apply(&stream) {
            tracing::debug!(%client, %error, "a socket refuses its options");
        }
        let line = Line::new(Socket::new(stream, self.write_timeout));
        let ended = self.ended(client, kept);
        // Different futures, so that a connection takes no memory for protocols that it does
        // not use.
        if self.proxy_protocol && self.proxies.trusts(client.ip()) {
            tasks.spawn(Arc::clone(self).introduced(line, accepted).map(ended));
        } else if !self.is_settled() {
            tasks.spawn(Arc::clone(self).negotiate(line, accepted).map(ended));
        } else if self.is_by_hyper(&accepted.lifetime) {
            tasks.spawn(Arc::clone(self).http1(line, accepted).map(ended));
        } else {
            tasks.spawn(Arc::clone(self).both_lanes(line, accepted).map(ended));
        }
    }

    /// Returns the peer of a connection from this address, and counts it.
    ///
    /// # Errors
    ///
    /// [`QuotaError`] if a limit is reached.
    pub(crate) fn peer(&self, address: SocketAddr) -> Result<Arc<Peer>, QuotaError> {
        let limits = self.limits.clone();
        if self.proxies.trusts(address.ip()) {
            return Ok(Arc::new(Peer::proxy(address, limits)));
        }
        Peer::admit(address, limits).map(Arc::new)
    }

    /// Serves a connection whose proxy sends the client's address first.
    async fn introduced(
        self: Arc<Self>,
        mut line: Line<Socket>,
        accepted: Accepted,
    ) -> Result<(), Failure> {
        let introduction = proxy_protocol::read(&mut line);
        let Some(client) = self.within_header_timeout(introduction, &accepted.lifetime).await
        else {
            return Ok(());
        };
        // Kept until the connection ends.
        let mut answer = None;
        let accepted = match client.map(|client| (client, self.peer(client))) {
            None => accepted,
            Some((_, Ok(peer))) => Accepted { peer, ..accepted },
            Some((client, Err(error))) => {
                answer = self.note_refusal(client, error);
                if answer.is_none() {
                    return Ok(());
                }
                Accepted { peer: Arc::new(Peer::refused(client)), lifetime: Lifetime::Refused }
            }
        };
        let served = Box::pin(self.negotiate(line, accepted)).await;
        drop(answer);
        served
    }

    /// Returns a function that records how a connection ended.
    fn ended<K>(&self, client: SocketAddr, kept: K) -> impl FnOnce(Result<(), Failure>) + use<K> {
        let status = self.status.clone();
        move |ended| {
            drop(kept);
            let Err(error) = ended else { return };
            if socket::is_write_timeout(&*error) {
                status.write_timed_out();
            }
            tracing::debug!(%client, error = &*error as &dyn Error, "a connection failed");
        }
    }

    /// Returns `true` if all connections use HTTP/1.1.
    fn is_settled(&self) -> bool {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return false;
        }
        !self.prior_knowledge
    }

    /// Detects the client's protocol within the header timeout, and serves it.
    async fn negotiate(
        self: Arc<Self>,
        mut line: Line<Socket>,
        accepted: Accepted,
    ) -> Result<(), Failure> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let accept = tls.acceptor().accept(line);
            let Some(stream) = self.within_header_timeout(accept, &accepted.lifetime).await else {
                return Ok(());
            };
            return if tls::is_http2(stream.get_ref().1) {
                self.http2(stream, accepted).await
            } else {
                self.http1(Line::new(stream), accepted).await
            };
        }
        if self.prior_knowledge {
            match self.within_header_timeout(preface::is_http2(&mut line), &accepted.lifetime).await
            {
                Some(true) => return self.http2(line, accepted).await,
                Some(false) => {}
                None => return Ok(()),
            }
        }
        if self.is_by_hyper(&accepted.lifetime) {
            return self.http1(line, accepted).await;
        }
        Box::pin(self.both_lanes(line, accepted)).await
    }

    /// Returns `true` if hyper answers all requests of a connection.
    fn is_by_hyper(&self, lifetime: &Lifetime) -> bool {
        self.by_hyper || lifetime.is_refused()
    }

    /// Awaits a handshake; returns `None` if it fails, exceeds the header timeout, or the server
    /// stops.
    pub(crate) async fn within_header_timeout<T>(
        &self,
        handshake: impl Future<Output = io::Result<T>>,
        lifetime: &Lifetime,
    ) -> Option<T> {
        let error = tokio::select! {
            biased;
            done = tokio::time::timeout(self.header_timeout, handshake) => match done {
                Ok(Ok(done)) => return Some(done),
                Ok(Err(error)) => error,
                Err(elapsed) => elapsed.into(),
            },
            () = lifetime.stopping() => return None,
        };
        self.status.handshake_failed();
        tracing::debug!(%error, "a handshake failed");
        None
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use sse_kit_test_support::{TestResult, in_time};
    use tokio::task::{coop, yield_now};

    use super::*;

    /// A client that sends many requests at once has spent it.
    #[tokio::test]
    async fn a_task_without_budget_is_told_to_stop_too() -> TestResult {
        let (server, stopping) = watch::channel(());
        let mut stop = Lifetime::Watched(stopping).stop();
        let told = tokio::spawn(async move {
            while coop::has_budget_remaining() {
                coop::consume_budget().await;
            }
            poll_fn(|cx| stop.poll(cx)).await;
        });
        for _ in 0..10 {
            yield_now().await;
        }
        drop(server);
        in_time("it is told", told).await?;
        Ok(())
    }
}
