//! A connection of HTTP/1.1: one request after another, each on the fast path or by hyper.

mod body_writer;
mod date;
mod fast_path;
mod idle;
mod keep_alive;
mod lending;
mod lent;
mod request_head;
mod response_head;
mod streams;
mod whole_request;

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use self::idle::Idle;
pub(crate) use self::keep_alive::KeepAlive;
use self::lending::{Left, Lending};
use self::request_head::{Lane, Next, next};
pub(crate) use self::streams::{Routes, StreamRoutes};
pub(crate) use self::whole_request::{Answered, Asked};
use crate::answer::Failure;
use crate::connection::{Accepted, Connections};
use crate::line::Line;
use crate::socket;

/// The time for which a server waits for further bytes of a client that is still sending after the
/// last answer. It reads them so that the answer arrives (RFC 9112, section 9.6).
const LINGER: Duration = Duration::from_secs(2);

/// The total time for which a server keeps reading after its last answer.
const MAX_LINGER: Duration = Duration::from_secs(30);

/// The state of a connection when hyper hands it back.
enum Back<I> {
    /// The next request is for the fast path.
    Own(Line<I>, Next),
    /// The connection has ended.
    Ended,
}

impl Connections {
    /// Serves a connection with hyper alone.
    pub(crate) async fn http1<I>(
        self: Arc<Self>,
        mut line: Line<I>,
        accepted: Accepted,
    ) -> Result<(), Failure>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let first = self
            .within_header_timeout(next(&mut line, None), &accepted.lifetime)
            .await
            .unwrap_or(Next::End);
        self.lend(line, first, None, &accepted).await.map(|_| ())
    }

    /// Reads the next request on a kept-alive connection. Waits up to the idle timeout for its
    /// first byte, then up to the header timeout for its head. Returns [`Next::End`] if the client
    /// sends none.
    async fn next_request<I>(
        &self,
        line: &mut Line<I>,
        lane: Option<Lane<'_>>,
        accepted: &Accepted,
        idle: &mut Idle,
    ) -> io::Result<Next>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        if line.early().is_empty() {
            match idle.wait(line.fill(), self.idle_timeout, &accepted.lifetime).await {
                Some(Ok(1..)) => {}
                Some(Ok(0)) | None => return Ok(Next::End),
                Some(Err(error)) => return Err(error),
            }
        }
        let mut head = pin!(next(line, lane));
        // Most heads come in one piece, and need neither a timer nor a look at the shutdown.
        if let Poll::Ready(next) = poll_fn(|cx| Poll::Ready(head.as_mut().poll(cx))).await {
            return next;
        }
        // In a box, as this future is made for each request.
        Box::pin(self.rest_of_head(head, accepted)).await
    }

    /// Reads a head that has begun.
    async fn rest_of_head(
        &self,
        head: impl Future<Output = io::Result<Next>>,
        accepted: &Accepted,
    ) -> io::Result<Next> {
        tokio::select! {
            biased;
            next = tokio::time::timeout(self.header_timeout, head) => next.unwrap_or(Ok(Next::End)),
            () = accepted.lifetime.stopping() => Ok(Next::End),
        }
    }

    /// Lends a connection to hyper, one request at a time, until a request for the fast path
    /// arrives or the connection ends.
    async fn lend<I>(
        self: Arc<Self>,
        mut line: Line<I>,
        mut next: Next,
        lane: Option<Lane<'_>>,
        accepted: &Accepted,
    ) -> Result<Back<I>, Failure>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut lending = Lending::new(&self, accepted);
        let mut idle = Idle::default();
        loop {
            let bytes = match next {
                Next::Hyper(bytes) => Some(bytes),
                Next::Rest => None,
                own @ (Next::Own(_) | Next::Whole(_)) => return Ok(Back::Own(line, own)),
                Next::End => return Ok(Back::Ended),
            };
            let (left, back, is_unread) = lending.lend(line, bytes).await?;
            let Some(back) = back else { return Ok(Back::Ended) };
            line = back;
            match left {
                // hyper is idle here, so its timers do not run.
                Left::Waiting => {
                    next = self.next_request(&mut line, lane, accepted, &mut idle).await?;
                }
                Left::Ended(Err(error)) if socket::is_write_timeout(&error) => {
                    return Err(error.into());
                }
                Left::Ended(ended) => {
                    drop(lending);
                    close(line, is_unread).await;
                    return ended.map(|()| Back::Ended).map_err(Failure::from);
                }
            }
        }
    }
}

/// Closes a connection in two stages. A client that is still sending would lose the answer if the
/// kernel replied with a reset.
async fn close<I: AsyncRead + AsyncWrite + Unpin>(mut line: Line<I>, is_unread: bool) {
    if line.shutdown().await.is_err() {
        return;
    }
    let is_unread =
        is_unread || !line.early().is_empty() || line.fill_now(1).is_ok_and(|is_more| is_more);
    if !is_unread {
        return;
    }
    let reading = async {
        loop {
            line.skip(line.early().len());
            let Ok(Ok(1..)) = tokio::time::timeout(LINGER, line.fill()).await else { return };
        }
    };
    // The limit stops a client that never stops sending; it had its answer.
    _ = tokio::time::timeout(MAX_LINGER, reading).await;
}
