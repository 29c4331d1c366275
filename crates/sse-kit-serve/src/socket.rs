//! A client's socket, with a limit on how long it may take no bytes.

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// How much of what is said too early is kept, about.
const MAX_UNREAD: usize = 16 * 1024;

/// A socket whose writes fail when the client takes no bytes for too long.
///
/// The timer is made when a write stalls and dropped when it goes on, so a socket that never stalls
/// costs a word. (`tokio-io-timeout` keeps the timer in the socket: 4 % of the time of a delivery at
/// 10,000 connections, and 0.3 KiB for each.)
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    write_timeout: Option<Duration>,
    stalled: Option<Pin<Box<Sleep>>>,
    /// What was read too early, and is read again.
    unread: Option<Box<[u8]>>,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, write_timeout: Option<Duration>) -> Self {
        Self { stream, write_timeout, stalled: None, unread: None }
    }

    /// Puts bytes back in front of everything that is still to be read.
    pub(crate) fn unread(&mut self, bytes: &[u8]) {
        let behind = self.unread.take().unwrap_or_default();
        let all = [bytes, &*behind].concat();
        self.unread = (!all.is_empty()).then(|| all.into());
    }

    /// Keeps bytes that were read too early, behind those that are kept already.
    fn keep(&mut self, bytes: &[u8]) {
        let all = [&*self.unread.take().unwrap_or_default(), bytes].concat();
        self.unread = Some(all.into());
    }

    /// Looks whether the client is still there. What it says meanwhile is read again later; who says
    /// a lot is not listened to any more until then.
    ///
    /// # Errors
    ///
    /// When the client is gone.
    pub(crate) fn poll_listen(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.unread.as_ref().is_none_or(|unread| unread.len() < MAX_UNREAD) {
            let mut bytes = [MaybeUninit::uninit(); 256];
            let mut said = ReadBuf::uninit(&mut bytes);
            match Pin::new(&mut self.stream).poll_read(cx, &mut said)? {
                Poll::Pending => break,
                Poll::Ready(()) if said.filled().is_empty() => {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                Poll::Ready(()) => self.keep(said.filled()),
            }
        }
        Ok(())
    }

    /// Waits for a future, but no longer than the client is there.
    ///
    /// # Errors
    ///
    /// When the client is gone; then the future is dropped.
    pub(crate) async fn unless_gone<T>(
        &mut self,
        future: impl Future<Output = T>,
    ) -> io::Result<T> {
        let mut future = pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending => match self.poll_listen(cx) {
                Ok(()) => Poll::Pending,
                Err(gone) => Poll::Ready(Err(gone)),
            },
        })
        .await
    }

    fn poll_stream(self: Pin<&mut Self>) -> Pin<&mut TcpStream> {
        Pin::new(&mut self.get_mut().stream)
    }

    /// Passes on what a write came to, unless it has been stalled for too long.
    fn watch(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let Some(timeout) = self.write_timeout else { return Poll::Pending };
        let timer = || Box::pin(tokio::time::sleep(timeout));
        let stalled = self.stalled.get_or_insert_with(timer).as_mut();
        stalled.poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(unread) = self.unread.take() {
            let (now, later) = unread.split_at(unread.len().min(buf.remaining()));
            buf.put_slice(now);
            self.unread(later);
            return Poll::Ready(Ok(()));
        }
        self.poll_stream().poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.as_mut().poll_stream().poll_write(cx, buf);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.as_mut().poll_stream().poll_write_vectored(cx, bufs);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_stream().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_stream().poll_shutdown(cx)
    }
}

/// Whether the connection ended because its client took no bytes.
pub(crate) fn is_write_timeout(error: &(dyn Error + 'static)) -> bool {
    let mut error = Some(error);
    while let Some(this) = error {
        if let Some(this) = this.downcast_ref::<io::Error>() {
            return this.kind() == io::ErrorKind::TimedOut;
        }
        error = this.source();
    }
    false
}
