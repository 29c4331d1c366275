//! Requests that are all here, answered without hyper.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::body_writer::BodyWriter;
use super::keep_alive::Said;
use super::request_head::Whole;
use super::response_head::Afterwards;
use crate::answer::{AppError, Failure, Pinned};
use crate::connection::{Accepted, Connections};
use crate::line::Line;
use crate::peer::Exchange;
use crate::request_body::BodyProgress;
use crate::socket::Socket;

impl Connections {
    /// Answers a request whose body is here.
    ///
    /// # Errors
    ///
    /// If the client is gone, if the app or the body of its answer fails, or if the answer's status is
    /// interim.
    pub(super) fn answer_whole<'a>(
        &'a self,
        whole: Box<Whole>,
        line: &'a mut Line<Socket>,
        accepted: &'a Accepted,
    ) -> Pinned<'a, Result<Answered<'a>, Failure>> {
        let Whole { request, asks_to_close } = &*whole;
        let (asks_to_close, body) = (*asks_to_close, request.body().progress());
        let mut asked =
            Asked { connections: self, line, accepted, asks_to_close, body, exchange: None };
        match self.admit(request, &accepted.peer) {
            Ok(exchange) => {
                let client = exchange.client();
                asked.exchange = Some(exchange);
                self.service.write(whole.request, client, asked)
            }
            Err(refusal) => asked.answered_by(std::future::ready(Ok::<_, Failure>(*refusal))),
        }
    }
}

/// The state of an answer when the app's future is no longer needed.
pub(crate) enum Answered<'a> {
    /// All of it is written. The connection stays open, or not.
    Short { keep_alive: bool },
    /// The answer may be a stream. The future writes it, and returns `true` if the connection stays open.
    Long(Pinned<'a, Result<bool, Failure>>),
}

/// A request that waits for its answer, and the connection on which the answer is written.
pub(crate) struct Asked<'a> {
    connections: &'a Connections,
    line: &'a mut Line<Socket>,
    accepted: &'a Accepted,
    asks_to_close: bool,
    body: BodyProgress,
    /// The request counts as a stream until its answer is written.
    exchange: Option<Exchange>,
}

impl<'a> Asked<'a> {
    /// Awaits the answer while the client is connected, and writes it.
    pub(crate) fn answered_by<F, B, E>(self, answer: F) -> Pinned<'a, Result<Answered<'a>, Failure>>
    where
        F: Future<Output = Result<Response<B>, E>> + Send + 'a,
        B: Body<Data = Bytes, Error: Into<Failure>> + Send + 'a,
        E: Into<Failure>,
    {
        // One box for the future of the app, the head and the body.
        Box::pin(Answering::Awaiting { answer, asked: Some(self) })
    }

    /// Begins to write the answer.
    fn write<B: Body<Data = Bytes>>(self, response: Response<B>) -> Writing<'a, B> {
        // The app may answer late, so only now is it known whether the server is leaving. After a body
        // that the app has not read, the connection ends as it does with hyper.
        let said = Said::by(response.headers());
        let keep_alive = self.accepted.lifetime.keep_alive()
            && !self.asks_to_close
            && !self.connections.is_leaving()
            && self.body.has_ended()
            && !said.closes;
        let after = if keep_alive {
            Afterwards::Stays(self.connections.keep_alive.for_answer(said))
        } else {
            Afterwards::Closes
        };
        let writer = BodyWriter::new(response, after, self.line);
        Writing { writer, keep_alive, _exchange: self.exchange }
    }
}

pin_project! {
    /// The future of an answer. It is no `async fn`, which would have room for the app's future twice.
    #[project = Stage]
    enum Answering<'a, F, B> {
        Awaiting { #[pin] answer: F, asked: Option<Asked<'a>> },
        Writing { #[pin] writing: Writing<'a, B> },
    }
}

pin_project! {
    /// An answer that is being written. It returns `true` if the connection stays open.
    struct Writing<'a, B> {
        #[pin]
        writer: BodyWriter<'a, B>,
        keep_alive: bool,
        _exchange: Option<Exchange>,
    }
}

impl<B> Future for Writing<'_, B>
where
    B: Body<Data = Bytes, Error: Into<Failure>>,
{
    type Output = Result<bool, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<bool, Failure>> {
        let this = self.project();
        ready!(this.writer.poll(cx))?;
        Poll::Ready(Ok(*this.keep_alive))
    }
}

impl<'a, F, B, E> Future for Answering<'a, F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes, Error: Into<Failure>> + Send + 'a,
    E: Into<Failure>,
{
    type Output = Result<Answered<'a>, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Stage::Awaiting { answer, asked } = self.as_mut().project() {
            let answered = answer.poll(cx);
            if let (Poll::Pending, Some(asked)) = (&answered, &mut *asked) {
                asked.line.poll_listen(cx)?;
            }
            let response = ready!(answered).map_err(AppError::new)?;
            let Some(asked) = asked.take() else { return Poll::Pending };
            let writing = asked.write(response);
            if writing.writer.is_chunked() {
                // In a box of its own, as a stream would keep the room of the app's future.
                return Poll::Ready(Ok(Answered::Long(Box::pin(writing))));
            }
            self.set(Answering::Writing { writing });
        }
        match self.project() {
            Stage::Writing { writing } => {
                Poll::Ready(Ok(Answered::Short { keep_alive: ready!(writing.poll(cx))? }))
            }
            Stage::Awaiting { .. } => Poll::Pending,
        }
    }
}
