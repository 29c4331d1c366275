//! Connections whose streams and short requests are answered without hyper.
//!
//! hyper keeps buffers and a state machine for every connection as long as it is open. A stream of
//! events needs neither: its request is over with the head, and from then on only frames are
//! written. So the fast path reads the head, lets the app answer, drops everything that led to the
//! answer, and writes frames to the socket.

use std::sync::Arc;

use super::idle::Idle;
use super::request_head::{Lane, Next, next};
use super::streams::Writing;
use super::whole_request::Answered;
use super::{Back, close};
use crate::answer::Failure;
use crate::connection::{Accepted, Connections};
use crate::line::Line;
use crate::socket::{self, Socket};

impl Connections {
    /// Serves a connection: streams and short requests on the fast path, all others by hyper.
    #[expect(clippy::manual_async_fn, reason = "an `async fn` has room for its arguments twice")]
    pub(crate) fn both_lanes(
        self: Arc<Self>,
        mut line: Line<Socket>,
        accepted: Accepted,
    ) -> impl Future<Output = Result<(), Failure>> + Send + 'static {
        async move {
            // Box everything that precedes a stream, so that an open stream takes no memory for it.
            let first = Box::pin(
                self.within_header_timeout(next(&mut line, Some(self.lane())), &accepted.lifetime),
            )
            .await;
            let mut next = first.unwrap_or(Next::End);
            let mut idle = Idle::default();
            loop {
                next = match next {
                    Next::End => return Ok(()),
                    Next::Own(request) => {
                        idle.clear();
                        // Only routes of streams take such a request out of the line.
                        let Some((begun, exchange)) =
                            self.answer_stream(request, &mut line, &accepted)
                        else {
                            return Ok(());
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
                        let lane = Some(self.lane());
                        Box::pin(self.next_request(&mut line, lane, &accepted, &mut idle)).await?
                    }
                    Next::Whole(whole) => {
                        let answered = match self.answer_whole(whole, &mut line, &accepted).await {
                            Ok(Answered::Long(rest)) => {
                                idle.clear();
                                rest.await
                            }
                            Ok(Answered::Short { keep_alive }) => Ok(keep_alive),
                            Err(error) => Err(error),
                        };
                        match answered {
                            Ok(true) => {}
                            Ok(false) => {
                                Box::pin(close(line, false)).await;
                                return Ok(());
                            }
                            Err(error) => return Err(Box::pin(fail(line, error)).await),
                        }
                        let lane = Some(self.lane());
                        Box::pin(self.next_request(&mut line, lane, &accepted, &mut idle)).await?
                    }
                    hypers => {
                        let lending =
                            Arc::clone(&self).lend(line, hypers, Some(self.lane()), &accepted);
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

    /// Returns the requests that the fast path of a connection answers.
    fn lane(&self) -> Lane<'_> {
        if self.streams_by_hyper { Lane::Short } else { Lane::All(self.streams.as_deref()) }
    }
}

/// Closes a connection after a failure, so that the answers before it arrive.
async fn fail(line: Line<Socket>, error: Failure) -> Failure {
    if !socket::is_write_timeout(&*error) {
        close(line, false).await;
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    type Serve<F> = fn(Arc<Connections>, Line<Socket>, Accepted) -> F;

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
