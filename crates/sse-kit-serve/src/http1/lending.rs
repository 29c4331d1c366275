//! A connection of hyper that is lent one request at a time.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;

use super::LINGER;
use super::keep_alive::expects_keep_alive;
use super::lent::{Answered, AtEnd, Lent, Loan, Stage};
use crate::answer::{AppError, Keeping, Pinned};
use crate::connection::{Accepted, Connections, SEND_BUFFER, Stop};
use crate::line::Line;
use crate::peer::Peer;

/// The maximum duration of hyper's timers.
const MAX_WAIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A connection of hyper, and the loan of the socket: one request after another, or the rest.
pub(super) struct Lending<'a, I: AsyncRead + AsyncWrite + Unpin + Send + 'static> {
    connections: &'a Connections,
    loan: Arc<Mutex<Loan<I>>>,
    hyper: Box<http1::Connection<TokioIo<Lent<I>>, Answers<I>>>,
    /// Completes when the connection should end; `None` after hyper was asked to end it.
    stop: Option<Stop>,
    /// The timer for the client's current stage.
    timer: Option<(Stage, Pin<Box<Sleep>>)>,
}

/// The state in which hyper left a connection.
pub(super) enum Left {
    /// hyper waits for another request.
    Waiting,
    /// The connection has ended.
    Ended(hyper::Result<()>),
}

impl<'a, I: AsyncRead + AsyncWrite + Unpin + Send + 'static> Lending<'a, I> {
    pub(super) fn new(connections: &'a Arc<Connections>, accepted: &Accepted) -> Self {
        let loan = Loan::new();
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            // Heads are timed here, because hyper has no idle timeout. But hyper asks for another
            // request by itself only if it has a header timeout.
            .header_read_timeout(MAX_WAIT)
            .keep_alive(accepted.lifetime.keep_alive())
            // One write of a flat buffer is cheaper than gathering the three pieces of a chunk.
            .writev(false)
            .max_buf_size(SEND_BUFFER);
        let answers = Answers {
            connections: Arc::clone(connections),
            peer: Arc::clone(&accepted.peer),
            loan: Arc::clone(&loan),
            answered: loan.lock().answered(),
            is_refused: accepted.lifetime.is_refused(),
            keep_alive: accepted.lifetime.keep_alive(),
        };
        let io = TokioIo::new(Lent::new(Arc::clone(&loan)));
        Self {
            connections,
            loan,
            hyper: Box::new(http.serve_connection(io, answers)),
            stop: Some(accepted.lifetime.stop()),
            timer: None,
        }
    }

    /// Lends hyper a request of `bytes` bytes or, with `None`, the rest of the connection. Returns
    /// the state in which hyper left it, the connection, and whether the client may still be
    /// sending bytes that nothing has read.
    ///
    /// # Errors
    ///
    /// If the client is gone.
    pub(super) async fn lend(
        &mut self,
        line: Line<I>,
        bytes: Option<u64>,
    ) -> io::Result<(Left, Option<Line<I>>, bool)> {
        self.loan.lock().lend(line, bytes);
        let left = poll_fn(|cx| self.poll(cx)).await?;
        let mut loan = self.loan.lock();
        Ok((left, loan.take(), loan.is_unread()))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Left>> {
        loop {
            if let Some(stop) = &mut self.stop
                && stop.poll(cx).is_ready()
            {
                self.stop = None;
                Pin::new(&mut *self.hyper).graceful_shutdown();
            }
            // It completes only when all is written; to shut down is left to the server.
            if let Poll::Ready(ended) = Pin::new(&mut *self.hyper).poll(cx) {
                return Poll::Ready(Ok(Left::Ended(ended)));
            }
            let stage = self.loan.lock().stage();
            if stage == Stage::Over {
                return Poll::Ready(Ok(Left::Waiting));
            }
            if self.poll_timer(cx, stage).is_ready() {
                return Poll::Ready(match stage {
                    Stage::CutOff => Err(io::ErrorKind::ConnectionAborted.into()),
                    _ => Ok(Left::Ended(Ok(()))),
                });
            }
            match self.loan.lock().poll_listen(cx) {
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
                Err(gone) => return Poll::Ready(Err(gone)),
            }
        }
    }

    /// Completes if the client takes too long.
    fn poll_timer(&mut self, cx: &mut Context<'_>, stage: Stage) -> Poll<()> {
        let longest = match stage {
            Stage::Idle => self.connections.idle_timeout,
            Stage::Head => self.connections.header_timeout,
            Stage::CutOff => LINGER,
            Stage::Asked | Stage::Flushed | Stage::Over => {
                self.timer = None;
                return Poll::Pending;
            }
        };
        if self.timer.as_ref().is_none_or(|(of, _)| *of != stage) {
            self.timer = Some((stage, Box::pin(tokio::time::sleep(longest))));
        }
        let timer = self.timer.as_mut().map(|(_, timer)| timer.as_mut());
        timer.map_or(Poll::Pending, |timer| timer.poll(cx))
    }
}

/// The service that hyper calls for each request.
struct Answers<I> {
    connections: Arc<Connections>,
    peer: Arc<Peer>,
    loan: Arc<Mutex<Loan<I>>>,
    answered: Answered,
    is_refused: bool,
    /// `true` if the connection may stay open after an answer.
    keep_alive: bool,
}

impl<I: AsyncRead + AsyncWrite + Unpin> Service<Request<Incoming>> for Answers<I> {
    type Response = Response<Keeping<AtEnd>>;
    type Error = AppError;
    /// Boxed, because hyper reserves room for the future as long as the connection lives.
    type Future = Pinned<'static, Result<Response<Keeping<AtEnd>>, AppError>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.loan.lock().begin();
        let keep_alive = self.keep_alive && expects_keep_alive(&request);
        let answered = self.answered.clone();
        let connections = Arc::clone(&self.connections);
        let responding =
            Arc::clone(&connections).respond(request, Arc::clone(&self.peer), self.is_refused);
        Box::pin(async move {
            let mut response = responding.await?;
            if keep_alive {
                connections.keep_alive.tell(&mut response);
            }
            Ok(response.map(|body| answered.after(body)))
        })
    }
}
