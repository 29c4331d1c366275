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

/// A connection in hyper's hands. hyper sees one request and then nothing until the next is lent.
///
/// hyper therefore reads only its own request. Bytes that a client sends after a request, or while
/// its body is drained, stay in the line.
pub(super) struct Lent<I>(Arc<Mutex<Loan<I>>>);

/// The part of a connection that hyper may read, and its progress.
pub(super) struct Loan<I> {
    /// `None` while hyper waits for another request and the server looks for one.
    line: Option<Line<I>>,
    /// The number of bytes of the request that hyper has not read yet; `None` if hyper has the rest
    /// of the connection.
    left: Option<u64>,
    answered: Arc<AtomicBool>,
    stage: Stage,
    /// `true` if hyper's last read found no bytes, so hyper itself waits for more of the request.
    reading: bool,
}

/// The progress of hyper with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// hyper reads the request, or writes the answer.
    Asked,
    /// hyper reads the request or writes the answer, but the client closed its side within the
    /// request's body. The app may still answer.
    CutOff,
    /// The whole answer is written.
    Flushed,
    /// hyper asks for another request and gets it from the server.
    Over,
    /// hyper asks for another request and reads it by itself.
    Idle,
    /// hyper has the first bytes of a request and reads the rest of its head.
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

    /// Returns the flag to set when hyper has the whole answer to a request.
    pub(super) fn answered(&self) -> Answered {
        Answered(Arc::clone(&self.answered))
    }

    /// Lets hyper read a request of `bytes` bytes or, with `None`, the rest of the connection.
    pub(super) fn lend(&mut self, line: Line<I>, bytes: Option<u64>) {
        self.line = Some(line);
        self.left = bytes;
        self.begin();
        if bytes.is_none() {
            // Its head may not be whole, so that it has the time of a head until hyper has read it.
            self.stage = Stage::Head;
        }
    }

    /// Records that hyper has a request to answer.
    pub(super) fn begin(&mut self) {
        self.answered.store(false, Ordering::Relaxed);
        self.stage = Stage::Asked;
    }

    /// Returns the progress of hyper.
    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    /// Takes the connection back, while hyper waits or when it has ended.
    pub(super) fn take(&mut self) -> Option<Line<I>> {
        self.line.take()
    }

    /// Returns `true` if the client may still be sending bytes that nothing has read.
    pub(super) fn is_unread(&self) -> bool {
        self.left.is_none_or(|left| left > 0)
    }

    /// Checks that the client is connected, if hyper does not. Returns `true` if there is more for
    /// hyper to read.
    ///
    /// # Errors
    ///
    /// If the client is gone.
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

    /// Flushes the line. hyper flushes only written bytes: when this completes, it has nothing left
    /// to write.
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

    /// Does nothing: the server closes the connection itself.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A flag that is set when hyper has the whole answer to a request.
#[derive(Clone, Debug)]
pub(super) struct Answered(Arc<AtomicBool>);

impl Answered {
    /// Sets the flag at the end of an answer's body.
    pub(super) fn after(self, body: AnswerBody) -> Keeping<AtEnd> {
        Keeping::new(body, AtEnd(self.0))
    }
}

/// A guard that sets a flag when it is dropped.
#[derive(Debug)]
pub(super) struct AtEnd(Arc<AtomicBool>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
