//! The body of an event stream as a stream of bytes.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use http_body::Body;

use crate::body::SseBody;

/// The bytes of an event stream, for frameworks that take a [`Stream`] instead of a [`Body`]: see
/// [`SseBody::into_stream`].
#[derive(Debug)]
#[must_use = "streams do nothing unless they are polled"]
pub struct SseByteStream {
    body: SseBody,
}

impl SseByteStream {
    pub(crate) fn new(body: SseBody) -> Self {
        Self { body }
    }
}

impl Stream for SseByteStream {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        // All frames of this body are data frames.
        Poll::Ready(frame.and_then(|frame| frame.map(|frame| frame.into_data().ok()).transpose()))
    }
}
