//! The app under test, as one kind of service.

use bytes::{Buf, Bytes};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

use crate::body::TestBody;

/// An error of an app's service or body.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of an answer, whatever the app's is.
pub(crate) type AnyBody = UnsyncBoxBody<Bytes, BoxError>;

/// The app under test.
#[derive(Clone, Debug)]
pub(crate) struct App(BoxCloneSyncService<Request<TestBody>, Response<AnyBody>, BoxError>);

impl App {
    pub(crate) fn new<S, B>(service: S) -> Self
    where
        S: Service<Request<TestBody>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: Body + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let service = service.map_err(Into::into).map_response(|response| {
            response.map(|body| {
                body.map_frame(|frame| {
                    frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
                })
                .map_err(Into::into)
                .boxed_unsync()
            })
        });
        Self(BoxCloneSyncService::new(service))
    }

    pub(crate) fn call(
        &self,
        request: Request<TestBody>,
    ) -> BoxFuture<'static, Result<Response<AnyBody>, BoxError>> {
        self.0.clone().oneshot(request).boxed()
    }
}
