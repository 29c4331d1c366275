//! Streams: which requests ask for one, and how each path answers them.

use std::fmt;
use std::net::SocketAddr;
use std::{future::ready, io};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;

use super::body_writer::BodyWriter;
use super::keep_alive::wants_close;
use super::response_head::Afterwards;
use crate::answer::{Answer, AnswerBody, AppError, Failure, Pinned, boxed};
use crate::connection::{Accepted, Connections};
use crate::line::Line;
use crate::peer::Exchange;
use crate::socket::Socket;

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
    fn write<'a>(
        &self,
        request: Request<()>,
        client: SocketAddr,
        line: &'a mut Line<Socket>,
        keep_alive: bool,
    ) -> Pinned<'a, io::Result<Writing<'a>>>;
}

/// A response that is being written.
pub(crate) struct Writing<'a> {
    /// `true` if the connection stays open behind it.
    pub(super) keep_alive: bool,
    pub(super) done: Pinned<'a, io::Result<()>>,
}

impl fmt::Debug for dyn StreamRoutes + '_ {
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

    fn write<'a>(
        &self,
        request: Request<()>,
        client: SocketAddr,
        line: &'a mut Line<Socket>,
        keep_alive: bool,
    ) -> Pinned<'a, io::Result<Writing<'a>>> {
        // In a box of its own, as the async block would have room for it three times.
        let answer = Box::pin((self.answer)(request, client));
        Box::pin(async move {
            // If the client disconnects while the app prepares the answer, the app's future is
            // dropped.
            let answer = line.unless_gone(answer).await?;
            write(answer.map_err(io::Error::other)?, line, keep_alive).await
        })
    }
}

impl Connections {
    /// Begins to answer a request for a stream without hyper, and counts it as long as the exchange lives. Returns
    /// `None` if no streams are defined. It takes the box of the request, so that an open stream has no memory for
    /// it.
    pub(super) fn answer_stream<'a>(
        &self,
        request: Box<Request<()>>,
        line: &'a mut Line<Socket>,
        accepted: &Accepted,
    ) -> Option<(Pinned<'a, io::Result<Writing<'a>>>, Option<Exchange>)> {
        let routes = self.streams.as_ref()?;
        let keep_alive =
            accepted.lifetime.keep_alive() && !wants_close(request.headers()) && !self.is_leaving();
        self.status.answer_on_fast_path();
        Some(match self.admit(&*request, &accepted.peer) {
            Ok(exchange) => {
                let client = exchange.client();
                (routes.write(*request, client, line, keep_alive), Some(exchange))
            }
            Err(refusal) => (write(*refusal, line, keep_alive), None),
        })
    }
}

/// Writes a response without hyper. The app may end the connection by `Connection: close`.
fn write<B>(
    response: Response<B>,
    line: &mut Line<Socket>,
    keep_alive: bool,
) -> Pinned<'_, io::Result<Writing<'_>>>
where
    B: Body<Data = Bytes, Error: Into<Failure>> + Send + Unpin + 'static,
{
    let keep_alive = keep_alive && !wants_close(response.headers());
    let after = if keep_alive { Afterwards::Stays(None) } else { Afterwards::Closes };
    let done = Box::pin(BodyWriter::new(response, after, line));
    Box::pin(ready(Ok(Writing { keep_alive, done })))
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use http_body_util::Full;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::socket::Stream;

    #[tokio::test]
    async fn the_future_of_the_app_is_not_copied() -> io::Result<()> {
        let routes = Routes {
            is_stream: |_: &Request<()>| true,
            answer: |_, _| async {
                let state = [0_u8; 4_096];
                poll_fn(|_| Poll::Ready(())).await;
                Ok::<_, Failure>(Response::new(Full::from(state.to_vec())))
            },
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let stream = TcpStream::connect(listener.local_addr()?).await?;
        let mut line = Line::new(Socket::new(Stream::Left(stream), None));
        let client = listener.local_addr()?;
        let written = routes.write(Request::new(()), client, &mut line, true);
        let size = size_of_val(&*written);
        assert!(size < 1_024, "{size} bytes");
        Ok(())
    }
}
