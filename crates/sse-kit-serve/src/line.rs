//! The bytes of a connection, with a buffer for bytes that were read ahead.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// The approximate limit of bytes read ahead.
const MAX_EARLY: usize = 16 * 1024;

/// The read size, enough for most request heads.
const USUAL_READ: usize = 1024;

/// A connection with the bytes that were read ahead. Bytes leave the buffer in the order of arrival
/// and cannot be put back.
#[derive(Debug)]
pub(crate) struct Line<I> {
    io: I,
    early: BytesMut,
}

impl<I: AsyncRead + AsyncWrite + Unpin> Line<I> {
    pub(crate) fn new(io: I) -> Self {
        Self { io, early: BytesMut::new() }
    }

    /// Returns the bytes read ahead.
    pub(crate) fn early(&self) -> &[u8] {
        &self.early
    }

    /// Removes the first `bytes` of the bytes read ahead.
    pub(crate) fn skip(&mut self, bytes: usize) {
        self.early.advance(bytes);
        if self.early.is_empty() {
            // Free the memory, which an idle stream does not need.
            self.early = BytesMut::new();
        }
    }

    /// Removes the bytes of a request that is answered at once, and keeps the memory for the next one.
    pub(crate) fn skip_request(&mut self, bytes: usize) {
        if bytes < self.early.len() || self.early.capacity() > USUAL_READ {
            self.skip(bytes);
        } else {
            self.early.clear();
        }
    }

    /// Reads more bytes and returns their number; 0 at the end.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no byte is lost.
    pub(crate) async fn fill(&mut self) -> io::Result<usize> {
        self.early.reserve(USUAL_READ);
        self.io.read_buf(&mut self.early).await
    }

    /// Reads up to `bytes` more bytes if they are here already; returns `true` if there were any.
    pub(crate) fn fill_now(&mut self, bytes: usize) -> io::Result<bool> {
        self.early.reserve(bytes);
        // The next read that has to wait registers its own waker.
        let read = self.io.read_buf(&mut self.early).now_or_never();
        Ok(read.transpose()?.is_some_and(|read| read > 0))
    }

    /// Checks that the client is still connected, and buffers the bytes that it sends meanwhile.
    /// When the buffer is full, it reads no more until the buffer is used.
    ///
    /// # Errors
    ///
    /// If the client is gone. A client that sent another request before it closed its side is still
    /// waiting for answers and does not count as gone.
    pub(crate) fn poll_listen(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.early.is_empty() && self.early.capacity() > 0 {
            // An answer that takes a while, such as a stream, does not need the memory.
            self.early = BytesMut::new();
        }
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

    /// Awaits a future while the client is connected.
    ///
    /// # Errors
    ///
    /// If the client is gone; the future is dropped.
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

/// Returns `true` if the bytes contain a whole head.
pub(crate) fn has_head(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', bytes)
        .any(|end| matches!(&bytes[end + 1..], [b'\n', ..] | [b'\r', b'\n', ..]))
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

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn the_memory_of_a_request_serves_the_next_one_and_no_long_answer() -> io::Result<()> {
        let (mut client, server) = duplex(2 * USUAL_READ);
        let mut line = Line::new(server);
        for request in ["a request", "another"] {
            client.write_all(request.as_bytes()).await?;
            line.fill().await?;
            assert_eq!(line.early(), request.as_bytes());
            line.skip_request(request.len());
            assert_eq!((line.early().len(), line.early.capacity()), (0, USUAL_READ));
        }
        line.poll_listen(&mut Context::from_waker(Waker::noop()))?;
        assert_eq!(line.early.capacity(), 0, "an answer takes a while");
        client.write_all(&[b'x'; USUAL_READ + 1]).await?;
        while line.early().len() <= USUAL_READ {
            line.fill().await?;
        }
        line.skip_request(USUAL_READ + 1);
        assert_eq!(line.early.capacity(), 0, "an idle connection has no more than it needs");
        Ok(())
    }
}
