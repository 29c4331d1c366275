//! A connection of HTTP/2: its streams and its timeouts.

use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{AbortHandle, Abortable};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::answer::{AnswerBody, AppError, Failure};
use crate::connection::{Accepted, Connections, SEND_BUFFER};
use crate::stats::ServeStatus;

impl Connections {
    pub(crate) async fn http2<I>(self: Arc<Self>, io: I, accepted: Accepted) -> Result<(), Failure>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Accepted { peer, lifetime } = accepted;
        let mut http = http2::Builder::new(StreamTasks);
        http.timer(TokioTimer::new())
            .max_concurrent_streams(100)
            .max_send_buf_size(SEND_BUFFER)
            // Protects against rapid reset (CVE-2023-44487). These are hyper's defaults, stated
            // because they matter.
            .max_pending_accept_reset_streams(20)
            .max_local_error_reset_streams(1024)
            // A ping detects a dead peer: a stream may have nothing to send for a long time.
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10));
        let streams = Arc::new(Streams::default());
        let is_refused = lifetime.is_refused();
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
        let mut stopping = pin!(lifetime.stopping());
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
                        streams.end_stalled(timeout, &self.status);
                    }
                    let idle_for = streams.idle_for();
                    if !is_stopping && idle_for > self.idle_timeout {
                        is_stopping = true;
                        connection.as_mut().graceful_shutdown();
                    }
                    // The end of an answer may still wait in hyper, for a client that reads
                    // nothing.
                    let longest = self.idle_timeout.saturating_add(self.write_timeout.unwrap_or(Duration::MAX));
                    if idle_for > longest {
                        self.status.write_timed_out();
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Returns the interval between checks: a quarter of the shorter timeout, from 10 ms to 5 s.
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
    /// The time since which no stream is open.
    idle_since: Instant,
    /// The streams whose answers are in progress.
    answering: Vec<Weak<Answering>>,
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

    /// Resets the streams whose client has taken nothing for longer than `timeout`.
    fn end_stalled(&self, timeout: Duration, status: &ServeStatus) {
        self.0.lock().answering.retain(|answering| {
            let Some(answering) = answering.upgrade() else { return false };
            let given_at = *answering.given_at.lock();
            let is_stalled = given_at.is_some_and(|at| at.elapsed() > timeout);
            if is_stalled {
                // This wakes the task, which drops the app's body outside of this lock.
                answering.task.abort();
                status.write_timed_out();
            }
            !is_stalled
        });
    }
}

/// An open stream, from its request to the end of its answer.
#[derive(Debug)]
struct Open(Arc<Streams>);

impl Open {
    /// Watches the answer. Call this in the task of its stream.
    fn watch(self, body: AnswerBody) -> AnswerBody {
        let task = TASK.get();
        let answering = Arc::new(Answering { task, given_at: Mutex::default() });
        self.0.0.lock().answering.push(Arc::downgrade(&answering));
        Watched { body, answering, _open: self }.boxed_unsync()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut counted = self.0.0.lock();
        counted.open -= 1;
        counted.idle_since = Instant::now();
    }
}

tokio::task_local! {
    /// The task of a stream, so that it can be aborted from outside.
    static TASK: AbortHandle;
}

/// Spawns the task of each stream. It ends with the connection at the latest.
///
/// Aborting a task resets the stream immediately, whatever part of it waits in hyper, and frees its
/// share of the connection's window for other streams.
#[derive(Clone, Copy, Debug)]
struct StreamTasks;

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for StreamTasks {
    fn execute(&self, stream: F) {
        let (task, registration) = AbortHandle::new_pair();
        tokio::spawn(Abortable::new(TASK.scope(task, stream), registration));
    }
}

/// An answer in progress.
#[derive(Debug)]
struct Answering {
    task: AbortHandle,
    /// The time at which hyper took a frame that it is still sending. hyper asks for the next frame
    /// as soon as the client's window has room for this one.
    given_at: Mutex<Option<Instant>>,
}

/// The body of a stream, which records when hyper asks for more. A socket cannot detect a client
/// that takes nothing of one stream, because it may take everything else.
#[derive(Debug)]
struct Watched {
    body: AnswerBody,
    answering: Arc<Answering>,
    _open: Open,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = AppError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AppError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        let is_given = matches!(frame, Poll::Ready(Some(Ok(_))));
        *self.answering.given_at.lock() = is_given.then(Instant::now);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
