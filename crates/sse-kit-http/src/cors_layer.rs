//! CORS as a tower layer.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::Either;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, VARY};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::cors::Cors;

/// Adds the headers of [`Cors::allow`] to each response, and answers preflights with status 204.
///
/// ```
/// use std::convert::Infallible;
///
/// use http::{Method, Request, Response, StatusCode};
/// use sse_kit_http::Cors;
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let app = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new("data: hi\n\n")));
/// let app = Cors::new(["https://app.example".parse()?]).layer(app);
/// let preflight = Request::builder()
///     .method(Method::OPTIONS)
///     .header("origin", "https://app.example")
///     .header("access-control-request-method", "GET")
///     .body(())?;
/// let answer = app.oneshot(preflight).await?;
/// assert_eq!(answer.status(), StatusCode::NO_CONTENT);
/// assert_eq!(answer.headers()["access-control-allow-headers"], "last-event-id");
/// # Ok(()) }
/// ```
impl<S> Layer<S> for Cors {
    type Service = WithCors<S>;

    fn layer(&self, inner: S) -> WithCors<S> {
        WithCors { inner, cors: self.clone() }
    }
}

/// A service behind [`Cors`].
#[derive(Clone, Debug)]
pub struct WithCors<S> {
    inner: S,
    cors: Cors,
}

impl<S, B, R> Service<Request<B>> for WithCors<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Either<Ready<Result<Response<R>, S::Error>>, WithCorsFuture<S::Future>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut headers = HeaderMap::new();
        self.cors.allow(request.headers(), &mut headers);
        let is_preflight = request.method() == Method::OPTIONS
            && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if is_preflight {
            let mut response = Response::new(R::default());
            *response.status_mut() = StatusCode::NO_CONTENT;
            *response.headers_mut() = headers;
            return Either::Left(ready(Ok(response)));
        }
        Either::Right(WithCorsFuture { inner: self.inner.call(request), headers })
    }
}

pin_project! {
    /// The future of a response, to which the headers of CORS are added.
    #[derive(Debug)]
    pub struct WithCorsFuture<F> {
        #[pin]
        inner: F,
        headers: HeaderMap,
    }
}

impl<F, R, E> Future for WithCorsFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = std::task::ready!(this.inner.poll(cx))?;
        for (name, value) in &*this.headers {
            if name == VARY {
                response.headers_mut().append(name, value.clone());
            } else {
                response.headers_mut().insert(name, value.clone());
            }
        }
        Poll::Ready(Ok(response))
    }
}
