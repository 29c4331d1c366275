//! The body of a response.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Either, Full};
use sse_kit_http::SseBody;

/// The body of a response of the inspector: a stream, or all at once.
#[derive(Debug)]
pub struct InspectorBody(Either<SseBody, Full<Bytes>>);

impl From<SseBody> for InspectorBody {
    fn from(stream: SseBody) -> Self {
        Self(Either::Left(stream))
    }
}

impl From<Bytes> for InspectorBody {
    fn from(content: Bytes) -> Self {
        Self(Either::Right(Full::new(content)))
    }
}

impl Body for InspectorBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.0 {
            Either::Left(stream) => Pin::new(stream).poll_frame(cx),
            Either::Right(content) => Pin::new(content).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Either::Left(stream) => stream.is_end_stream(),
            Either::Right(content) => content.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Either::Left(stream) => stream.size_hint(),
            Either::Right(content) => content.size_hint(),
        }
    }
}
