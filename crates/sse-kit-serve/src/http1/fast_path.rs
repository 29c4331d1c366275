//! Connections whose streams are answered without hyper.
//!
//! hyper keeps buffers and a state machine for every connection as long as it is open. A stream of
//! events needs neither: its request is over with the head, and from then on only frames are
//! written. So the fast path reads the head, lets the app answer, drops everything that led to the
//! answer, and writes frames to the socket.

use std::sync::Arc;

use super::idle::Idle;
use super::keep_alive::wants_close;
use super::request_head::{Lane, Next, next};
use super::streams::{self, Writing};
use super::{Back, StreamRoutes, close};
use crate::answer::Failure;
use crate::connection::{Accepted, Connections};
use crate::line::Line;
use crate::socket::{self, Socket};

impl Connections {
    /// Serves a connection: short requests and these streams on the fast path, all others by hyper.
    #[expect(clippy::manual_async_fn, reason = "an `async fn` has room for its arguments twice")]
    pub(crate) fn both_lanes(
        self: Arc<Self>,
        routes: Option<Arc<dyn StreamRoutes>>,
        mut line: Line<Socket>,
        accepted: Accepted,
    ) -> impl Future<Output = Result<(), Failure>> + Send + 'static {
        async move {
            // Box everything that precedes a stream, so that an open stream takes no memory for it.
            let first = Box::pin(self.within_header_timeout(
                next(&mut line, Some(lane(routes.as_ref()))),
                &accepted.lifetime,
            ))
            .await;
            let mut next = first.unwrap_or(Next::End);
            let mut idle = Idle::default();
            loop {
                next = match next {
                    Next::End => return Ok(()),
                    Next::Own(request) => {
                        let keep_alive = accepted.lifetime.keep_alive()
                            && !wants_close(request.headers())
                            && !self.is_leaving();
                        // Only streams of these routes are taken from the line.
                        let Some(own) = &routes else { return Ok(()) };
                        idle.clear();
                        self.status.answer_on_fast_path();
                        let (begun, exchange) = match self.admit(&*request, &accepted.peer) {
                            Ok(exchange) => {
                                let client = exchange.client();
                                let begun = own.write(*request, client, &mut line, keep_alive);
                                (begun, Some(exchange))
                            }
                            Err(refusal) => (streams::write(*refusal, &mut line, keep_alive), None),
                        };
                        let written = match begun.await {
                            Ok(Writing { keep_alive, done }) => done.await.map(|()| keep_alive),
                            Err(error) => Err(error),
                        };
                        drop(exchange);
                        match written {
                            Ok(true) => {}
                            Ok(false) => {
                                Box::pin(close(line, false)).await;
                                return Ok(());
                            }
                            Err(error) => return Err(Box::pin(fail(line, error.into())).await),
                        }
                        let lane = Some(lane(routes.as_ref()));
                        Box::pin(self.next_request(&mut line, lane, &accepted, &mut idle)).await?
                    }
                    Next::Whole(request) => {
                        match self.answer_whole(request, &mut line, &accepted).await {
                            Ok(true) => {}
                            Ok(false) => {
                                Box::pin(close(line, false)).await;
                                return Ok(());
                            }
                            Err(error) => return Err(Box::pin(fail(line, error)).await),
                        }
                        let lane = Some(lane(routes.as_ref()));
                        Box::pin(self.next_request(&mut line, lane, &accepted, &mut idle)).await?
                    }
                    hypers => {
                        let lending = Arc::clone(&self).lend(
                            line,
                            hypers,
                            Some(lane(routes.as_ref())),
                            &accepted,
                        );
                        match Box::pin(lending).await? {
                            Back::Own(back, own) => {
                                line = back;
                                own
                            }
                            Back::Ended => return Ok(()),
                        }
                    }
                };
            }
        }
    }
}

/// Closes a connection after a failure, so that the answers before it arrive.
async fn fail(line: Line<Socket>, error: Failure) -> Failure {
    if !socket::is_write_timeout(&*error) {
        close(line, false).await;
    }
    error
}

fn lane(routes: Option<&Arc<dyn StreamRoutes>>) -> Lane<'_> {
    routes.map_or(Lane::Short, |routes| Lane::Streams(&**routes))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Serve<F> =
        fn(Arc<Connections>, Option<Arc<dyn StreamRoutes>>, Line<Socket>, Accepted) -> F;

    fn size<F>(_: Serve<F>) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_stream_has_no_room_for_what_it_does_not_need() {
        // It is 376 on 64 bits; written as an `async fn` it was 536.
        let size = size(Connections::both_lanes);
        assert!(size <= 400, "{size} bytes");
    }
}
