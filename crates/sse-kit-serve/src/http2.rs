//! A connection of HTTP/2: its streams, and how long it may do nothing.

use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::answer::{AnswerBody, AppError, Failure};
use crate::connection::{Connections, One, SEND_BUFFER};
use crate::stats::ServeStats;

impl Connections {
    pub(crate) async fn http2<I>(self: Arc<Self>, io: I, one: One) -> Result<(), Failure>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let One { peer, terms } = one;
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
        let streams = Arc::new(Streams::default());
        let is_refused = terms.is_refused();
        let (this, counted) = (Arc::clone(&self), Arc::clone(&streams));
        let service = service_fn(move |request: http::Request<Incoming>| {
            let (this, peer) = (Arc::clone(&this), Arc::clone(&peer));
            let open = counted.open();
            async move {
                let response = this.respond(request, peer, is_refused).await?;
                Ok::<_, AppError>(response.map(|body| open.watch(body)))
            }
        });
        let mut connection = pin!(http.serve_connection(TokioIo::new(io), service));
        if is_refused {
            connection.as_mut().graceful_shutdown();
        }
        let mut stopping = pin!(terms.stopping());
        let mut is_stopping = is_refused;
        let mut looks = tokio::time::interval(self.look_every());
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => return Ok(ended?),
                () = &mut stopping, if !is_stopping => {
                    is_stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                _ = looks.tick() => {
                    if let Some(timeout) = self.write_timeout {
                        streams.end_stalled(timeout, &self.stats);
                    }
                    if !is_stopping && streams.idle_for() > self.idle_timeout {
                        is_stopping = true;
                        connection.as_mut().graceful_shutdown();
                    }
                }
            }
        }
    }

    /// A quarter of the shorter timeout, within reason.
    fn look_every(&self) -> Duration {
        let shorter = self.write_timeout.map_or(self.idle_timeout, |t| t.min(self.idle_timeout));
        (shorter / 4).clamp(Duration::from_millis(10), Duration::from_secs(5))
    }
}

/// The streams of one connection.
#[derive(Debug)]
struct Streams(Mutex<Counted>);

#[derive(Debug)]
struct Counted {
    open: usize,
    /// Since when none is open.
    idle_since: Instant,
    /// Those that are being answered.
    answering: Vec<Weak<Mutex<Answering>>>,
}

impl Default for Streams {
    fn default() -> Self {
        let idle_since = Instant::now();
        Self(Mutex::new(Counted { open: 0, idle_since, answering: Vec::new() }))
    }
}

impl Streams {
    fn open(self: &Arc<Self>) -> Open {
        self.0.lock().open += 1;
        Open(Arc::clone(self))
    }

    fn idle_for(&self) -> Duration {
        let counted = self.0.lock();
        if counted.open == 0 { counted.idle_since.elapsed() } else { Duration::ZERO }
    }

    /// Drops the bodies of streams whose client took nothing for so long.
    fn end_stalled(&self, timeout: Duration, stats: &ServeStats) {
        let mut counted = self.0.lock();
        counted.answering.retain(|answering| answering.strong_count() > 0);
        let answering: Vec<_> = counted.answering.iter().filter_map(Weak::upgrade).collect();
        drop(counted);
        for answering in answering {
            let mut answering = answering.lock();
            if answering.given_at.is_some_and(|at| at.elapsed() > timeout) {
                let body = answering.body.take();
                answering.given_at = None;
                drop(answering);
                // Where the app's code runs, no lock is held.
                drop(body);
                stats.write_timed_out();
            }
        }
    }
}

/// A stream that is open, from its request to the end of its answer.
#[derive(Debug)]
struct Open(Arc<Streams>);

impl Open {
    fn watch(self, body: AnswerBody) -> AnswerBody {
        let answering = Arc::new(Mutex::new(Answering { body: Some(body), given_at: None }));
        self.0.0.lock().answering.push(Arc::downgrade(&answering));
        Watched { answering, _open: self }.boxed_unsync()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut counted = self.0.0.lock();
        counted.open -= 1;
        counted.idle_since = Instant::now();
    }
}

#[derive(Debug)]
struct Answering {
    /// `None` when it was ended because the client took nothing.
    body: Option<AnswerBody>,
    /// When hyper was given a frame, for which it has not come back yet: it does so as soon as the
    /// client's window has room for what it was given.
    given_at: Option<Instant>,
}

/// The body of a stream that ends when the client takes nothing of it for too long. (A socket cannot tell:
/// the client may well take everything else.)
#[derive(Debug)]
struct Watched {
    answering: Arc<Mutex<Answering>>,
    _open: Open,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = AppError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AppError>>> {
        let mut answering = self.answering.lock();
        let Some(body) = &mut answering.body else {
            return Poll::Ready(Some(Err(AppError::new(Stalled))));
        };
        let frame = Pin::new(body).poll_frame(cx);
        answering.given_at = matches!(frame, Poll::Ready(Some(Ok(_)))).then(Instant::now);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.answering.lock().body.as_ref().is_some_and(AnswerBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let answering = self.answering.lock();
        answering.body.as_ref().map(AnswerBody::size_hint).unwrap_or_default()
    }
}

/// A client took nothing of a stream for the write timeout.
#[derive(Debug, thiserror::Error)]
#[error("the client took no bytes of the stream for too long")]
struct Stalled;
