//! Requests that are all here, answered without hyper.

use http::Request;

use super::body_writer::BodyWriter;
use super::keep_alive::wants_close;
use super::response_head::{Framing, response_head};
use crate::answer::Failure;
use crate::connection::{Accepted, Connections};
use crate::line::Line;
use crate::request_body::RequestBody;
use crate::socket::Socket;

impl Connections {
    /// Answers a request whose body is here. Returns `true` if the connection stays open.
    ///
    /// # Errors
    ///
    /// If the client is gone, if the app or the body of its answer fails, or if the answer's status is
    /// interim.
    pub(super) async fn answer_whole(
        &self,
        request: Box<Request<RequestBody>>,
        line: &mut Line<Socket>,
        accepted: &Accepted,
    ) -> Result<bool, Failure> {
        let asks_to_close = wants_close(request.headers());
        let body = request.body().progress();
        let (mut response, exchange) = match self.admit(&*request, &accepted.peer) {
            Ok(exchange) => {
                let answer = self.service.answer(*request, exchange.client());
                (line.unless_gone(answer).await??, Some(exchange))
            }
            Err(refusal) => (*refusal, None),
        };
        // The app may answer late, so only now is it known whether the server is leaving. After a body
        // that the app has not read, the connection ends as it does with hyper.
        let keep_alive = accepted.lifetime.keep_alive()
            && !asks_to_close
            && !self.is_leaving()
            && body.has_ended()
            && !wants_close(response.headers());
        if keep_alive {
            self.keep_alive.tell(&mut response);
        }
        let (parts, body) = response.into_parts();
        let framing = Framing::new(&parts, &body)?;
        let head = response_head(&parts, framing, keep_alive);
        BodyWriter::new(head, framing, body, line).await?;
        // The request counts as a stream until its answer is written.
        drop(exchange);
        Ok(keep_alive)
    }
}
