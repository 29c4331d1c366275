//! Connections whose streams are answered without hyper.

use std::sync::Arc;

use super::keep_alive::wants_close;
use super::request_head::{Next, next};
use super::{Back, StreamRoutes, close, streams};
use crate::answer::Failure;
use crate::connection::{Connections, One};
use crate::line::Line;
use crate::socket::Socket;

impl Connections {
    /// Serves a connection: streams on the fast path, all other requests by hyper.
    pub(crate) async fn both_lanes(
        self: Arc<Self>,
        routes: Arc<dyn StreamRoutes>,
        mut line: Line<Socket>,
        one: One,
    ) -> Result<(), Failure> {
        // Boxed, as all is that comes before a stream: a stream has no room for how it came about.
        let first = Box::pin(self.in_time(next(&mut line, Some(&*routes)), &one.terms)).await;
        let mut next = first.unwrap_or(Next::End);
        loop {
            next = match next {
                Next::End => return Ok(()),
                Next::Own(request) => {
                    let keep_alive = one.terms.keep_alive()
                        && !wants_close(request.headers())
                        && !self.is_leaving();
                    self.stats.answer_on_fast_path();
                    match self.admit(&*request, &one.peer) {
                        Ok(exchange) => {
                            let client = exchange.client();
                            routes.write(*request, client, &mut line, keep_alive).await?.await?;
                        }
                        Err(refusal) => {
                            streams::write(*refusal, &mut line, keep_alive).await?.await?;
                        }
                    }
                    if !keep_alive {
                        Box::pin(close(line, false)).await;
                        return Ok(());
                    }
                    Box::pin(self.another(&mut line, Some(&*routes), &one)).await?
                }
                hypers => {
                    let lending = Arc::clone(&self).lend(line, hypers, Some(&*routes), &one);
                    match Box::pin(lending).await? {
                        Back::Own(back, request) => {
                            line = back;
                            Next::Own(request)
                        }
                        Back::Ended => return Ok(()),
                    }
                }
            };
        }
    }
}
