//! Streams: which requests ask for one, and how each path answers them.

use std::fmt;
use std::net::SocketAddr;
#[cfg(feature = "fast-path")]
use std::{future::ready, io};

#[cfg(feature = "fast-path")]
use bytes::Bytes;
use http::{Request, Response};
#[cfg(feature = "fast-path")]
use http_body::Body;

#[cfg(feature = "fast-path")]
use super::body_writer::BodyWriter;
#[cfg(feature = "fast-path")]
use super::response_head::{Framing, response_head};
use crate::answer::{Answer, AnswerBody, AppError, Pinned, boxed};
#[cfg(feature = "fast-path")]
use crate::{answer::Failure, line::Line, socket::Socket};

/// The requests that ask for streams, and the app's answers to them.
pub(crate) trait StreamRoutes: Send + Sync {
    /// Returns `true` if a request asks for a stream.
    fn takes(&self, request: &Request<()>) -> bool;

    /// Answers a request that hyper has read.
    fn answer(
        &self,
        request: Request<()>,
        client: SocketAddr,
    ) -> Pinned<'static, Result<Response<AnswerBody>, AppError>>;

    /// Answers a request without hyper. There are two futures, so that the app's state is freed
    /// before the long write begins: the first yields the response, the second writes it.
    #[cfg(feature = "fast-path")]
    fn write<'a>(
        &self,
        request: Request<()>,
        client: SocketAddr,
        line: &'a mut Line<Socket>,
        keep_alive: bool,
    ) -> Pinned<'a, io::Result<Pinned<'a, io::Result<()>>>>;
}

impl fmt::Debug for dyn StreamRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamRoutes")
    }
}

/// The two functions that were passed to [`Server::streams`](crate::Server::streams).
pub(crate) struct Routes<P, A> {
    pub(crate) is_stream: P,
    pub(crate) answer: A,
}

impl<P, A> StreamRoutes for Routes<P, A>
where
    P: Fn(&Request<()>) -> bool + Send + Sync,
    A: Answer<Request<()>, Body: Unpin>,
{
    fn takes(&self, request: &Request<()>) -> bool {
        (self.is_stream)(request)
    }

    fn answer(
        &self,
        request: Request<()>,
        client: SocketAddr,
    ) -> Pinned<'static, Result<Response<AnswerBody>, AppError>> {
        boxed((self.answer)(request, client))
    }

    #[cfg(feature = "fast-path")]
    fn write<'a>(
        &self,
        request: Request<()>,
        client: SocketAddr,
        line: &'a mut Line<Socket>,
        keep_alive: bool,
    ) -> Pinned<'a, io::Result<Pinned<'a, io::Result<()>>>> {
        let answer = (self.answer)(request, client);
        Box::pin(async move {
            // If the client disconnects while the app prepares the answer, the app's future is
            // dropped.
            let answer = line.unless_gone(answer).await?;
            write(answer.map_err(io::Error::other)?, line, keep_alive).await
        })
    }
}

/// Writes a response without hyper.
#[cfg(feature = "fast-path")]
pub(super) fn write<B>(
    response: Response<B>,
    line: &mut Line<Socket>,
    keep_alive: bool,
) -> Pinned<'_, io::Result<Pinned<'_, io::Result<()>>>>
where
    B: Body<Data = Bytes, Error: Into<Failure>> + Send + Unpin + 'static,
{
    let (parts, body) = response.into_parts();
    let framing = Framing::new(&parts, &body);
    let head = response_head(parts, framing, keep_alive);
    Box::pin(ready(Ok(Box::pin(BodyWriter::new(head, framing, body, line)) as Pinned<'_, _>)))
}
