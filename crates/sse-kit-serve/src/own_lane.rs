//! Streams that are answered without hyper.

mod body_writer;
mod request_head;
mod response_head;

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;

use self::body_writer::BodyWriter;
pub(crate) use self::request_head::{Lane, read, wants_close};
use self::response_head::{Framing, response_head};
use crate::socket::Socket;

type Pinned<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Which requests are answered without hyper, and how.
pub(crate) trait OwnLane: fmt::Debug + Send + Sync {
    /// Whether a request for this is.
    fn takes(&self, request: &Request<()>) -> bool;

    /// Answers it: first comes the response, and then its way to the client. In two steps, so that a
    /// stream has no room for how it came about.
    fn answer<'a>(
        &self,
        request: Request<()>,
        client: SocketAddr,
        socket: &'a mut Socket,
        keep_alive: bool,
    ) -> Pinned<'a, io::Result<Pinned<'a, io::Result<()>>>>;
}

/// What [`Server::own_lane`](crate::Server::own_lane) was given.
pub(crate) struct Routes<P, A> {
    pub(crate) is_stream: P,
    pub(crate) answer: A,
}

impl<P, A, F, B, E> OwnLane for Routes<P, A>
where
    P: Fn(&Request<()>) -> bool + Send + Sync,
    A: Fn(Request<()>, SocketAddr) -> F + Send + Sync,
    F: Future<Output = Result<Response<B>, E>> + Send + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
    E: Into<Box<dyn Error + Send + Sync>> + 'static,
{
    fn takes(&self, request: &Request<()>) -> bool {
        (self.is_stream)(request)
    }

    fn answer<'a>(
        &self,
        request: Request<()>,
        client: SocketAddr,
        socket: &'a mut Socket,
        keep_alive: bool,
    ) -> Pinned<'a, io::Result<Pinned<'a, io::Result<()>>>> {
        let answer = (self.answer)(request, client);
        Box::pin(async move {
            // The client may leave while the app is still at it; then so does the app's work.
            let answer = socket.unless_gone(answer).await?;
            let (parts, body) = answer.map_err(io::Error::other)?.into_parts();
            let framing = Framing::of(&parts, &body);
            let head = response_head(parts, framing, keep_alive);
            Ok(Box::pin(BodyWriter::new(head, framing, body, socket)) as Pinned<'a, _>)
        })
    }
}

impl<P, A> fmt::Debug for Routes<P, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Routes")
    }
}
