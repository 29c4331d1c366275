//! The rules for sites and hosts as tower layers.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use futures_util::future::Either;
use http::{Method, Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use crate::host::HostRules;
use crate::same_site::ensure_same_site;

/// A layer that answers with status 403 if a page of another origin requests a change: a request with
/// a method other than `GET`, `HEAD`, `OPTIONS` and `TRACE` that does not pass
/// [`ensure_same_site`](crate::ensure_same_site).
///
/// In a route that changes something on `GET`, call that function.
///
/// ```
/// use std::convert::Infallible;
///
/// use http::{Request, Response, StatusCode};
/// use sse_kit_http::SameSiteLayer;
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let app = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new("done")));
/// let app = SameSiteLayer::new().layer(app);
/// let request = Request::post("/").header("sec-fetch-site", "cross-site").body(())?;
/// assert_eq!(app.oneshot(request).await?.status(), StatusCode::FORBIDDEN);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SameSiteLayer {}

impl SameSiteLayer {
    /// Creates the layer.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<S> Layer<S> for SameSiteLayer {
    type Service = Checked<S>;

    fn layer(&self, inner: S) -> Checked<S> {
        Checked { inner, check: Check::SameSite }
    }
}

/// Answers each request that does not pass [`ensure`](HostRules::ensure) with status 403.
impl<S> Layer<S> for HostRules {
    type Service = Checked<S>;

    fn layer(&self, inner: S) -> Checked<S> {
        Checked { inner, check: Check::Host(self.clone()) }
    }
}

/// A service behind a [`SameSiteLayer`] or [`HostRules`].
#[derive(Clone, Debug)]
pub struct Checked<S> {
    inner: S,
    check: Check,
}

#[derive(Clone, Debug)]
enum Check {
    SameSite,
    Host(HostRules),
}

impl Check {
    fn allows<B>(&self, request: &Request<B>) -> bool {
        match self {
            Self::SameSite => {
                let is_safe = [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE]
                    .contains(request.method());
                is_safe || ensure_same_site(request.uri(), request.headers()).is_ok()
            }
            Self::Host(rules) => rules.ensure(request.uri(), request.headers()).is_ok(),
        }
    }
}

impl<S, B, R> Service<Request<B>> for Checked<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Either<Ready<Result<Response<R>, S::Error>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if self.check.allows(&request) {
            return Either::Right(self.inner.call(request));
        }
        tracing::debug!(check = ?self.check, uri = %request.uri(), "a request is refused");
        let mut response = Response::new(R::default());
        *response.status_mut() = StatusCode::FORBIDDEN;
        Either::Left(ready(Ok(response)))
    }
}
