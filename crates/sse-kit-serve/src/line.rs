//! The bytes of a connection, with a queue for those that were read too early.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// How much is kept of what a client says too early, about.
const MAX_EARLY: usize = 16 * 1024;

/// As long as most heads.
const USUAL_READ: usize = 1024;

/// A connection, and what was read of it before its turn: bytes leave the queue in the order in which
/// they came, and none can be put back.
#[derive(Debug)]
pub(crate) struct Line<I> {
    io: I,
    early: BytesMut,
}

impl<I: AsyncRead + AsyncWrite + Unpin> Line<I> {
    pub(crate) fn new(io: I) -> Self {
        Self { io, early: BytesMut::new() }
    }

    /// Returns what was read too early.
    pub(crate) fn early(&self) -> &[u8] {
        &self.early
    }

    /// Removes the first bytes of what was read too early.
    pub(crate) fn skip(&mut self, bytes: usize) {
        self.early.advance(bytes);
        if self.early.is_empty() {
            // An idle stream has no room for what it does not need.
            self.early = BytesMut::new();
        }
    }

    /// Reads more, and returns how much; 0 at the end.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, nothing is lost.
    pub(crate) async fn fill(&mut self) -> io::Result<usize> {
        self.early.reserve(USUAL_READ);
        self.io.read_buf(&mut self.early).await
    }

    /// Looks whether the client is still there, and keeps what it says meanwhile. Once there is much
    /// of that, the client is not listened to until its turn.
    ///
    /// # Errors
    ///
    /// When the client is gone. A client that has sent another request and only then closed its side
    /// waits for the answers, and is not.
    pub(crate) fn poll_listen(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.early.len() < MAX_EARLY {
            let mut bytes = [MaybeUninit::uninit(); 256];
            let mut said = ReadBuf::uninit(&mut bytes);
            match Pin::new(&mut self.io).poll_read(cx, &mut said)? {
                Poll::Pending => break,
                Poll::Ready(()) if said.filled().is_empty() => {
                    if has_head(&self.early) {
                        break;
                    }
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                Poll::Ready(()) => self.early.extend_from_slice(said.filled()),
            }
        }
        Ok(())
    }

    /// Waits for a future, but no longer than the client is there.
    ///
    /// # Errors
    ///
    /// When the client is gone; then the future is dropped.
    #[cfg(feature = "fast-path")]
    pub(crate) async fn unless_gone<T>(
        &mut self,
        future: impl Future<Output = T>,
    ) -> io::Result<T> {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending => match self.poll_listen(cx) {
                Ok(()) => Poll::Pending,
                Err(gone) => Poll::Ready(Err(gone)),
            },
        })
        .await
    }
}

/// Whether a whole head is among the bytes.
pub(crate) fn has_head(bytes: &[u8]) -> bool {
    bytes.windows(4).any(|four| four == b"\r\n\r\n") || bytes.windows(2).any(|two| two == b"\n\n")
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for Line<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.early.is_empty() {
            return Pin::new(&mut this.io).poll_read(cx, buf);
        }
        let now = this.early.len().min(buf.remaining());
        buf.put_slice(&this.early[..now]);
        this.skip(now);
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Line<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
