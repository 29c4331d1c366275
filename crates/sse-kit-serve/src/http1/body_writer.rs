//! Writes a response body to a client.

use std::cell::Cell;
use std::error::Error;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::buf::Chain;
use bytes::{Buf, Bytes};
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::io::AsyncWrite;

use super::response_head::{Afterwards, Framing, internal_error, response_head};
use crate::line::Line;
use crate::socket::Socket;

/// The maximum size of one write, in bytes. A longer frame is written without a copy.
const MAX_BUFFERED: usize = 16 * 1024;

const LINE_END: &[u8] = b"\r\n";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

thread_local! {
    /// The buffer of the next write. It belongs to the thread, so that a connection needs memory
    /// only for bytes that the socket did not accept.
    static NEXT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

pin_project! {
    /// Writes a response to its end, as many frames per write as are ready.
    ///
    /// It fails if the client is gone or takes nothing for too long, and if the body fails. The client
    /// detects a failed body because its end is missing.
    #[derive(Debug)]
    pub(crate) struct BodyWriter<'a, B> {
        #[pin]
        body: B,
        out: Out<'a>,
    }
}

/// The socket of a response, and the bytes on their way to it.
#[derive(Debug)]
struct Out<'a> {
    line: &'a mut Line<Socket>,
    framing: Framing,
    /// The head, which is written together with the first frames of the body; empty after that.
    head: Vec<u8>,
    /// The bytes that must be written before anything else.
    rest: Option<Box<Rest>>,
    ended: bool,
    failure: Option<io::Error>,
}

/// The bytes that the socket did not accept: the buffer, then a long frame, then the end of its
/// chunk.
type Rest = Chain<Chain<Bytes, Bytes>, &'static [u8]>;

/// Takes the empty buffer of the thread. [`BodyWriter`] gives it back, so it is allocated once.
pub(super) fn buffer() -> Vec<u8> {
    NEXT.take()
}

impl<B> Future for BodyWriter<'_, B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        // A client that closed its side still receives everything that is ready, as with hyper.
        let written = this.out.poll_write_out(this.body, cx);
        if written.is_pending() {
            this.out.line.poll_listen(cx)?;
        }
        written
    }
}

impl<'a, B: Body> BodyWriter<'a, B> {
    /// Begins to write a response. A response with an interim status is none: its client gets the status
    /// 500, and the writer fails.
    pub(crate) fn new(
        response: Response<B>,
        after: Afterwards<'_>,
        line: &'a mut Line<Socket>,
    ) -> Self {
        let (parts, body) = response.into_parts();
        let (framing, head, failure) = match Framing::new(&parts, &body) {
            Ok(framing) => (framing, response_head(&parts, framing, after), None),
            Err(error) => (Framing::Nothing, internal_error(), Some(io::Error::other(error))),
        };
        let ended = matches!(framing, Framing::Nothing | Framing::Length(0));
        Self { body, out: Out { line, framing, head, rest: None, ended, failure } }
    }
}

impl<B> BodyWriter<'_, B> {
    /// Returns `true` if the response may be a stream: nobody knows its length.
    pub(crate) fn is_chunked(&self) -> bool {
        self.out.framing == Framing::Chunked
    }
}

impl Out<'_> {
    /// Writes until the body has ended, nothing is ready, or the socket is full.
    fn poll_write_out<B>(
        &mut self,
        mut body: Pin<&mut B>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        loop {
            ready!(self.poll_rest(cx))?;
            if self.ended && self.head.is_empty() {
                return Poll::Ready(self.failure.take().map_or(Ok(()), Err));
            }
            let head = std::mem::take(&mut self.head);
            let mut next = if head.is_empty() { buffer() } else { head };
            let long = self.gather(body.as_mut(), cx, &mut next).unwrap_or_else(|error| {
                // The bytes before the failure are still written.
                (self.ended, self.failure) = (true, Some(error));
                None
            });
            let written = self.write(cx, &next, long);
            let nothing = next.is_empty() && self.rest.is_none();
            next.clear();
            NEXT.set(next);
            written?;
            if nothing && !self.ended {
                return Poll::Pending;
            }
        }
    }

    /// Collects the frames that are ready; returns a frame that is too long to copy.
    fn gather<B>(
        &mut self,
        mut body: Pin<&mut B>,
        cx: &mut Context<'_>,
        next: &mut Vec<u8>,
    ) -> io::Result<Option<Bytes>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        while !self.ended && next.len() < MAX_BUFFERED {
            let Poll::Ready(frame) = body.as_mut().poll_frame(cx) else { break };
            let Some(frame) = frame.transpose().map_err(io::Error::other)? else {
                self.ended = true;
                match self.framing {
                    Framing::Chunked => next.extend_from_slice(LAST_CHUNK),
                    Framing::Length(1..) => return Err(io::Error::other(OfAnotherLength)),
                    Framing::Length(0) | Framing::Nothing => {}
                }
                break;
            };
            // Trailers are only for clients that ask for them. hyper answers those, except for streams.
            let Ok(mut frame) = frame.into_data() else { continue };
            if frame.is_empty() {
                continue; // an empty chunk would end the body
            }
            match &mut self.framing {
                Framing::Chunked => chunk_size(frame.len(), next),
                Framing::Length(left) => {
                    // The body of a file that grows is longer than its head says, and other bodies end late.
                    frame.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= frame.len() as u64;
                    self.ended = *left == 0;
                }
                Framing::Nothing => {}
            }
            if frame.len() > MAX_BUFFERED {
                return Ok(Some(frame));
            }
            next.extend_from_slice(&frame);
            if self.framing == Framing::Chunked {
                next.extend_from_slice(LINE_END);
            }
        }
        Ok(None)
    }

    /// Writes the buffer as far as the socket accepts it, and keeps the remaining bytes and a long
    /// frame.
    fn write(&mut self, cx: &mut Context<'_>, next: &[u8], long: Option<Bytes>) -> io::Result<()> {
        if let Some(long) = long {
            let end = if self.framing == Framing::Chunked { LINE_END } else { b"" };
            self.rest = Some(Box::new(rest(Bytes::copy_from_slice(next), long, end)));
        } else if !next.is_empty() {
            let written = match Pin::new(&mut *self.line).poll_write(cx, next) {
                Poll::Ready(written) => written?,
                Poll::Pending => 0,
            };
            if written < next.len() {
                let left = Bytes::copy_from_slice(&next[written..]);
                self.rest = Some(Box::new(rest(left, Bytes::new(), b"")));
            }
        }
        Ok(())
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = &mut self.rest {
            let mut pieces = [IoSlice::new(&[]); 3];
            let count = rest.chunks_vectored(&mut pieces);
            let write = Pin::new(&mut *self.line).poll_write_vectored(cx, &pieces[..count]);
            let written = ready!(write)?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            rest.advance(written);
            if !rest.has_remaining() {
                self.rest = None;
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Writes the size of a chunk in hexadecimal. The formatter of the standard library takes ten times as long,
/// and each delivery has a chunk.
fn chunk_size(size: usize, out: &mut Vec<u8>) {
    let digits = size.checked_ilog2().map_or(0, |log| log / 4);
    for digit in (0..=digits).rev() {
        out.push(b"0123456789ABCDEF"[(size >> (digit * 4)) & 0xf]);
    }
    out.extend_from_slice(LINE_END);
}

fn rest(front: Bytes, long: Bytes, end: &'static [u8]) -> Rest {
    front.chain(long).chain(end)
}

/// The error for a body with more or fewer bytes than it announced.
#[derive(Debug, thiserror::Error)]
#[error("the body of a response does not have the length that it announced")]
struct OfAnotherLength;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_chunk_is_hexadecimal() {
        for size in [0, 1, 9, 10, 15, 16, 170, 255, 256, 4_095, 4_096, 65_535, 1 << 20, usize::MAX]
        {
            let mut written = Vec::new();
            chunk_size(size, &mut written);
            assert_eq!(String::from_utf8_lossy(&written), format!("{size:X}\r\n"));
        }
    }
}
