//! The body of a request.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The body of a request that a test makes: bytes that are all there.
///
/// axum's `Router` and services for any body take it as it is. A service for one certain body gets it by
/// `tower`'s `map_request`:
///
/// ```
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use sse_kit_test::{TestBody, TestClient};
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let service = tower::service_fn(async |request: Request<String>| {
///     Ok::<_, std::convert::Infallible>(Response::new(Full::<bytes::Bytes>::from(request.into_body())))
/// });
/// let service = service.map_request(|request: Request<TestBody>| {
///     request.map(|body| String::from_utf8_lossy(body.bytes()).into_owned())
/// });
/// let client = TestClient::new(service);
/// assert_eq!(client.post("/", &[("a", "b c")]).await.text(), "a=b+c");
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct TestBody(Bytes);

impl TestBody {
    /// Makes a body of these bytes.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// Returns the bytes that nobody has read yet.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }
}

impl Body for TestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = std::mem::take(&mut self.0);
        Poll::Ready((!bytes.is_empty()).then_some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}
