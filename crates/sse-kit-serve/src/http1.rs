//! A connection of HTTP/1.1: one request after another, each on its lane.

#[cfg(feature = "fast-path")]
mod body_writer;
#[cfg(feature = "fast-path")]
mod fast_path;
mod lent;
mod request_head;
#[cfg(feature = "fast-path")]
mod response_head;
mod streams;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use self::lent::{Lent, Loan};
use self::request_head::{Next, next};
pub(crate) use self::streams::{Routes, StreamRoutes};
use crate::answer::{AppError, Failure};
use crate::connection::{Connections, One, SEND_BUFFER};
use crate::line::Line;
use crate::socket;

/// How long a server reads on after its last answer, for a client that still sends, so that the answer
/// arrives (RFC 9112, section 9.6).
const LINGER: Duration = Duration::from_secs(2);

/// The longest time that hyper's timers bear.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What becomes of a connection when hyper is done for now.
enum Back<I> {
    /// The next request is a stream of ours.
    #[cfg_attr(
        not(feature = "fast-path"),
        expect(dead_code, reason = "without a fast path nobody asks for the request")
    )]
    Own(Line<I>, Box<Request<()>>),
    /// There is nothing more to answer.
    Ended,
}

impl Connections {
    /// Serves a connection by hyper alone.
    pub(crate) async fn http1<I>(
        self: Arc<Self>,
        mut line: Line<I>,
        one: One,
    ) -> Result<(), Failure>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let first = self.in_time(next(&mut line, None), &one.terms).await.unwrap_or(Next::End);
        self.lend(line, first, None, &one).await.map(|_| ())
    }

    /// Waits for the next request on a connection that has had an answer; for the idle timeout, and
    /// for the header timeout from its first byte on.
    async fn another<I>(
        &self,
        line: &mut Line<I>,
        lane: Option<&dyn StreamRoutes>,
        one: &One,
    ) -> io::Result<Next>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let reading = async {
            if line.early().is_empty() {
                match tokio::time::timeout(self.idle_timeout, line.fill()).await {
                    Ok(Ok(1..)) => {}
                    Ok(Ok(0)) | Err(_) => return Ok(Next::End),
                    Ok(Err(error)) => return Err(error),
                }
            }
            let head = tokio::time::timeout(self.header_timeout, next(line, lane));
            head.await.unwrap_or(Ok(Next::End))
        };
        tokio::select! {
            biased;
            next = reading => next,
            () = one.terms.stopping() => Ok(Next::End),
        }
    }

    /// Lends a connection to hyper, request by request, until a stream of ours comes or it ends.
    async fn lend<I>(
        self: Arc<Self>,
        mut line: Line<I>,
        mut next: Next,
        lane: Option<&dyn StreamRoutes>,
        one: &One,
    ) -> Result<Back<I>, Failure>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let loan = Loan::new();
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            // For what hyper reads by itself; it does not bear the largest times.
            .header_read_timeout(self.header_timeout.min(LONGEST))
            .keep_alive(one.terms.keep_alive())
            // One write of a flat buffer is cheaper than gathering the three pieces of a chunk.
            .writev(false)
            .max_buf_size(SEND_BUFFER);
        let (this, peer) = (Arc::clone(&self), Arc::clone(&one.peer));
        let (answered, is_refused) = (loan.lock().answered(), one.terms.is_refused());
        // Boxed, as hyper keeps room for the answer to a request as long as the connection lives.
        let service = service_fn(move |request: Request<Incoming>| {
            let (this, peer, answered) = (Arc::clone(&this), Arc::clone(&peer), answered.clone());
            Box::pin(async move {
                let response = this.respond(request, peer, is_refused).await?;
                Ok::<_, AppError>(response.map(|body| answered.after(body)))
            })
        });
        let io = TokioIo::new(Lent::new(Arc::clone(&loan)));
        let mut connection = Box::new(http.serve_connection(io, service));
        let mut stopping = Box::pin(one.terms.stopping());
        let mut is_stopping = false;
        let mut last_chance = None;
        loop {
            let bytes = match next {
                Next::Hyper(bytes) => Some(bytes),
                Next::Rest => None,
                Next::Own(request) => return Ok(Back::Own(line, request)),
                Next::End => return Ok(Back::Ended),
            };
            loan.lock().lend(line, bytes);
            let ended = poll_fn(|cx| {
                loop {
                    if !is_stopping && stopping.as_mut().poll(cx).is_ready() {
                        is_stopping = true;
                        Pin::new(&mut *connection).graceful_shutdown();
                    }
                    if let Poll::Ready(ended) = connection.poll_without_shutdown(cx) {
                        return Poll::Ready(Ok(Some(ended)));
                    }
                    let mut loan = loan.lock();
                    if loan.is_over() {
                        return Poll::Ready(Ok(None));
                    }
                    if loan.is_cut_off() {
                        let timer = || Box::pin(tokio::time::sleep(LINGER));
                        let over = last_chance.get_or_insert_with(timer).as_mut().poll(cx);
                        return over.map(|()| Err(io::ErrorKind::ConnectionAborted.into()));
                    }
                    match loan.poll_listen(cx) {
                        Ok(true) => {}
                        Ok(false) => return Poll::Pending,
                        Err(gone) => return Poll::Ready(Err(gone)),
                    }
                }
            })
            .await?;
            let (back, is_unread) = {
                let mut loan = loan.lock();
                (loan.take(), loan.is_unread())
            };
            let Some(back) = back else { return Ok(Back::Ended) };
            line = back;
            match ended {
                // hyper waits for another request, and needs no time for that.
                None => next = self.another(&mut line, lane, one).await?,
                Some(Err(error)) if socket::is_write_timeout(&error) => return Err(error.into()),
                Some(ended) => {
                    drop(connection);
                    close(line, is_unread).await;
                    return ended.map(|()| Back::Ended).map_err(Failure::from);
                }
            }
        }
    }
}

/// Closes a connection in stages: a client that is still sending would lose the answer if the kernel had to
/// say that nobody reads.
async fn close<I: AsyncRead + AsyncWrite + Unpin>(mut line: Line<I>, is_unread: bool) {
    let is_unread = is_unread || !line.early().is_empty();
    if line.shutdown().await.is_err() || !is_unread {
        return;
    }
    let reading = async {
        line.skip(line.early().len());
        while let Ok(1..) = line.fill().await {
            line.skip(line.early().len());
        }
    };
    // A client that sends for ever has had its answer.
    _ = tokio::time::timeout(LINGER, reading).await;
}
