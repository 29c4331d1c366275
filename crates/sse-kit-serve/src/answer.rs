//! The app's functions that answer requests, and how connections call them.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;

use crate::http1::{Answered, Asked};
use crate::request_body::RequestBody;

/// The reason why a connection or an answer ended early.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// The error of the app's function, or of the body that it returned.
#[derive(Debug, thiserror::Error)]
#[error("the app's answer failed")]
pub(crate) struct AppError(#[source] Failure);

impl AppError {
    pub(crate) fn new(error: impl Into<Failure>) -> Self {
        Self(error.into())
    }
}

/// The body of any answer, with its type erased.
pub(crate) type AnswerBody = UnsyncBoxBody<Bytes, AppError>;

/// A body that keeps a value until it is dropped, which is when its answer has ended.
#[derive(Debug)]
pub(crate) struct Keeping<K> {
    body: AnswerBody,
    _kept: K,
}

impl<K> Keeping<K> {
    pub(crate) fn new(body: AnswerBody, kept: K) -> Self {
        Self { body, _kept: kept }
    }
}

impl<K: Unpin> Body for Keeping<K> {
    type Data = Bytes;
    type Error = AppError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AppError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

pub(crate) type Pinned<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A function that answers requests: `Fn(R, SocketAddr)` whose future yields a response with a body
/// of bytes, or an error, which ends the connection.
///
/// Every such function implements it. The trait only names a long bound.
pub trait Answer<R>:
    Fn(R, SocketAddr) -> <Self as Answer<R>>::Future + Send + Sync + 'static
{
    /// The future that the function returns.
    type Future: Future<Output = Result<Response<Self::Body>, Self::Error>> + Send + 'static;
    /// The body of the response.
    type Body: Body<Data = Bytes, Error: Into<Failure>> + Send + 'static;
    /// The error if there is no response.
    type Error: Into<Failure>;
}

impl<T, R, F, B, E> Answer<R> for T
where
    T: Fn(R, SocketAddr) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Response<B>, E>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Failure>> + Send + 'static,
    E: Into<Failure>,
{
    type Future = F;
    type Body = B;
    type Error = E;
}

/// An [`Answer`] with its types erased.
pub(crate) trait Service: Send + Sync {
    fn answer(
        &self,
        request: Request<RequestBody>,
        client: SocketAddr,
    ) -> Pinned<'static, Result<Response<AnswerBody>, AppError>>;

    /// Answers a request without hyper, and writes the answer.
    fn write<'a>(
        &self,
        request: Request<RequestBody>,
        client: SocketAddr,
        asked: Asked<'a>,
    ) -> Pinned<'a, Result<Answered<'a>, Failure>>;
}

impl<A: Answer<Request<RequestBody>>> Service for A {
    fn answer(
        &self,
        request: Request<RequestBody>,
        client: SocketAddr,
    ) -> Pinned<'static, Result<Response<AnswerBody>, AppError>> {
        boxed(self(request, client))
    }

    fn write<'a>(
        &self,
        request: Request<RequestBody>,
        client: SocketAddr,
        asked: Asked<'a>,
    ) -> Pinned<'a, Result<Answered<'a>, Failure>> {
        asked.answered_by(self(request, client))
    }
}

impl fmt::Debug for dyn Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Service")
    }
}

/// Erases the types of an answer.
pub(crate) fn boxed<B, E>(
    answer: impl Future<Output = Result<Response<B>, E>> + Send + 'static,
) -> Pinned<'static, Result<Response<AnswerBody>, AppError>>
where
    B: Body<Data = Bytes, Error: Into<Failure>> + Send + 'static,
    E: Into<Failure>,
{
    // An async block would have room for the app's future twice, and copy it when it begins.
    Box::pin(answer.map(|answer| {
        let response = answer.map_err(AppError::new)?;
        Ok(response.map(|body| body.map_err(AppError::new).boxed_unsync()))
    }))
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use http_body_util::Full;

    use super::*;

    #[test]
    fn the_future_of_the_app_is_kept_once() {
        let app = async {
            let state = [0_u8; 4_096];
            poll_fn(|_| Poll::Ready(())).await;
            Ok::<_, Failure>(Response::new(Full::from(state.to_vec())))
        };
        let own = size_of_val(&app);
        let whole = size_of_val(&*boxed(app));
        assert!(whole < own + 64, "{whole} bytes for a future of {own}");
    }
}
