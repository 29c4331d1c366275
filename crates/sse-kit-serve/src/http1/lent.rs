//! A connection while hyper answers on it, one request at a time.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::answer::{AnswerBody, Keeping};
use crate::line::Line;

/// A connection that hyper has, of which it sees one request and then nothing, until there is another.
///
/// So hyper reads nothing that is not for it, and what a client sends behind a request, or while its
/// body is drained, stays in the line.
pub(super) struct Lent<I>(Arc<Mutex<Loan<I>>>);

/// What hyper may read of a connection, and whether it is done with that.
pub(super) struct Loan<I> {
    /// `None` while hyper waits for another request, and somebody else looks for one.
    line: Option<Line<I>>,
    /// Bytes of the request that hyper has not read yet; `None` when the rest of the connection is
    /// hyper's.
    left: Option<u64>,
    answered: Arc<AtomicBool>,
    stage: Stage,
    /// hyper waits for more of the request, as of its last try to read.
    reading: bool,
}

/// How far hyper is with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// hyper reads the request, or writes the answer.
    Asked,
    /// The same, and the client closed its side in the middle of the request's body. The app may still have
    /// an answer to that.
    CutOff,
    /// All of the answer is written.
    Flushed,
    /// hyper has come back for another request, and gets it from whoever looks for one.
    Over,
    /// hyper has come back for another request, and reads it by itself.
    Idle,
    /// It has begun to.
    Head,
}

impl<I: AsyncRead + AsyncWrite + Unpin> Loan<I> {
    pub(super) fn new() -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            line: None,
            left: Some(0),
            answered: Arc::default(),
            stage: Stage::Over,
            reading: false,
        }))
    }

    /// Returns the flag that is to be set when the answer to a request has been given to hyper.
    pub(super) fn answered(&self) -> Answered {
        Answered(Arc::clone(&self.answered))
    }

    /// Lets hyper read a request of so many bytes, or all that comes.
    pub(super) fn lend(&mut self, line: Line<I>, bytes: Option<u64>) {
        self.line = Some(line);
        self.left = bytes;
        self.begin();
    }

    /// Notes that hyper has a request to be answered.
    pub(super) fn begin(&mut self) {
        self.answered.store(false, Ordering::Relaxed);
        self.stage = Stage::Asked;
    }

    /// Returns how far hyper is.
    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    /// Takes the connection back, while hyper waits or when it has ended.
    pub(super) fn take(&mut self) -> Option<Line<I>> {
        self.line.take()
    }

    /// Whether the client may still be sending what nobody has read.
    pub(super) fn is_unread(&self) -> bool {
        self.left.is_none_or(|left| left > 0)
    }

    /// Looks whether the client is there, where hyper does not; returns whether there is more for hyper
    /// to read.
    ///
    /// # Errors
    ///
    /// When the client is gone.
    pub(super) fn poll_listen(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let hyper_listens = std::mem::take(&mut self.reading);
        let Some(left) = self.left else { return Ok(false) };
        if left > 0 && hyper_listens {
            return Ok(false);
        }
        let Some(line) = &mut self.line else { return Ok(false) };
        let before = line.early().len();
        line.poll_listen(cx)?;
        Ok(left > 0 && line.early().len() > before)
    }
}

impl<I> Lent<I> {
    pub(super) fn new(loan: Arc<Mutex<Loan<I>>>) -> Self {
        Self(loan)
    }

    fn write_by(
        &self,
        write: impl FnOnce(&mut Line<I>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        // hyper writes nothing while it waits for a request.
        self.0.lock().line.as_mut().map_or(Poll::Pending, write)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for Lent<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut loan = self.0.lock();
        let loan = &mut *loan;
        let Some(line) = &mut loan.line else { return Poll::Pending };
        let Some(left) = &mut loan.left else {
            if loan.stage == Stage::Flushed {
                loan.stage = Stage::Idle;
            }
            let before = buf.filled().len();
            let read = Pin::new(line).poll_read(cx, buf);
            if loan.stage == Stage::Idle && buf.filled().len() > before {
                loan.stage = Stage::Head;
            }
            return read;
        };
        if *left == 0 {
            if loan.stage == Stage::Flushed {
                loan.stage = Stage::Over;
            }
            return Poll::Pending;
        }
        let most = usize::try_from(*left).unwrap_or(usize::MAX).min(buf.remaining());
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(most));
        let read = Pin::new(line).poll_read(cx, &mut part);
        loan.reading = read.is_pending();
        std::task::ready!(read)?;
        let read = part.filled().len();
        buf.advance(read);
        *left -= read as u64;
        if read == 0 && most > 0 && loan.stage == Stage::Asked {
            loan.stage = Stage::CutOff;
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lent<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write_by(|line| Pin::new(line).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write_by(|line| Pin::new(line).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.0.lock().line.as_ref().is_some_and(Line::is_write_vectored)
    }

    /// hyper flushes only what it has written: when this is ready, it has nothing left to write.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut loan = self.0.lock();
        let flushed = match &mut loan.line {
            Some(line) => Pin::new(line).poll_flush(cx),
            None => return Poll::Ready(Ok(())),
        };
        let is_under_way = matches!(loan.stage, Stage::Asked | Stage::CutOff);
        if flushed.is_ready() && is_under_way && loan.answered.load(Ordering::Relaxed) {
            loan.stage = Stage::Flushed;
        }
        flushed
    }

    /// The one that serves the connection closes it.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Knows when hyper has the whole answer to a request.
#[derive(Clone, Debug)]
pub(super) struct Answered(Arc<AtomicBool>);

impl Answered {
    /// Notes the end of an answer's body.
    pub(super) fn after(self, body: AnswerBody) -> Keeping<AtEnd> {
        Keeping::new(body, AtEnd(self.0))
    }
}

/// Sets a flag when it is dropped.
#[derive(Debug)]
pub(super) struct AtEnd(Arc<AtomicBool>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
