//! The body of an event stream.

use std::any::Any;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use sse_kit_broadcast::{Delivery, Goodbye, Subscription};

use crate::frames;
use crate::gzip::Gzip;

/// After how long a client comes back whose stream has reached its age: at most this, at random. The
/// ages differ, so that not many come at once.
const RENEW_WITHIN: Duration = Duration::from_secs(1);

/// The body of an event stream: an [`http_body::Body`] of [`Bytes`], one frame for each event.
///
/// The bytes of an event are the same for all streams, and are never copied here. The body ends when
/// the connection does: at shutdown, or when it is ended for another reason. Dropping the body, as
/// servers do when the client is gone, ends the subscription at once.
pub struct SseBody {
    /// The first bytes, until they are sent.
    opening: Option<Bytes>,
    /// What follows; `None` when nothing does.
    subscription: Option<Subscription>,
    /// When the client is to come back for another one.
    ends_at: Option<Instant>,
    /// Dropped with the stream.
    kept: Option<Box<dyn Any + Send>>,
    /// What it is compressed by.
    gzip: Option<Box<Gzip>>,
}

impl SseBody {
    pub(crate) fn stream(
        opening: Bytes,
        subscription: Subscription,
        ends_at: Option<Instant>,
    ) -> Self {
        Self { subscription: Some(subscription), ends_at, ..Self::last_words(opening) }
    }

    /// One frame, and the end.
    pub(crate) fn last_words(frame: Bytes) -> Self {
        Self { opening: Some(frame), subscription: None, ends_at: None, kept: None, gzip: None }
    }

    /// Compresses what is not sent yet, which is all.
    #[cfg(feature = "gzip")]
    pub(crate) fn compress(&mut self) {
        let mut gzip = Box::<Gzip>::default();
        self.opening = self.opening.as_ref().map(|opening| gzip.opening(opening));
        self.gzip = Some(gzip);
    }

    /// The bytes of a delivery, as this stream has them.
    fn bytes(&mut self, delivery: Delivery) -> Bytes {
        if let Some(gzip) = &mut self.gzip {
            return gzip.delivery(delivery);
        }
        frames::frame(delivery)
    }

    /// What comes after everything.
    fn end(&mut self) -> Option<Bytes> {
        self.gzip.take().map(|gzip| gzip.end())
    }

    pub(crate) fn keep(&mut self, kept: Box<dyn Any + Send>) {
        self.kept = Some(kept);
    }
}

impl Body for SseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(opening) = self.opening.take() {
            return Poll::Ready(Some(Ok(Frame::data(opening))));
        }
        if let Some(subscription) = &self.subscription
            && self.ends_at.is_some_and(|at| at <= Instant::now())
        {
            // What is queued may have no id, and then the client could not have it later.
            subscription.finish(Goodbye::ComeBack { within: RENEW_WITHIN });
            self.ends_at = None;
        }
        let delivery = match &mut self.subscription {
            Some(subscription) => std::task::ready!(subscription.poll_recv(cx)),
            None => None,
        };
        let bytes = if let Some(delivery) = delivery {
            Some(self.bytes(delivery))
        } else {
            self.subscription = None;
            self.end()
        };
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.opening.is_none() && self.subscription.is_none() && self.gzip.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.subscription.is_some() || self.gzip.is_some() {
            return SizeHint::default();
        }
        SizeHint::with_exact(self.opening.as_ref().map_or(0, |opening| opening.len() as u64))
    }
}

impl fmt::Debug for SseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SseBody")
            .field("opening", &self.opening)
            .field("subscription", &self.subscription)
            .finish_non_exhaustive()
    }
}
