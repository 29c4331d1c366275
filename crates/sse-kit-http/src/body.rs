//! The body of an event stream.

use std::any::Any;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use sse_kit_broadcast::Subscription;
use sse_kit_event::control::ControlName;

use crate::frames;

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
}

impl SseBody {
    pub(crate) fn stream(
        opening: Bytes,
        subscription: Subscription,
        ends_at: Option<Instant>,
    ) -> Self {
        Self { opening: Some(opening), subscription: Some(subscription), ends_at, kept: None }
    }

    /// One frame, and the end.
    pub(crate) fn last_words(frame: Bytes) -> Self {
        Self { opening: Some(frame), subscription: None, ends_at: None, kept: None }
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
        if self.subscription.is_some() && self.ends_at.is_some_and(|at| at <= Instant::now()) {
            // What is queued comes when it resumes.
            self.subscription = None;
            let renew = frames::come_back(ControlName::Shutdown, RENEW_WITHIN);
            return Poll::Ready(Some(Ok(Frame::data(renew))));
        }
        let Some(subscription) = &mut self.subscription else { return Poll::Ready(None) };
        let delivery = std::task::ready!(subscription.poll_recv(cx));
        if delivery.is_none() {
            self.subscription = None;
        }
        Poll::Ready(delivery.map(|delivery| Ok(Frame::data(frames::frame(delivery)))))
    }

    fn is_end_stream(&self) -> bool {
        self.opening.is_none() && self.subscription.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.opening, &self.subscription) {
            (Some(opening), None) => SizeHint::with_exact(opening.len() as u64),
            (None, None) => SizeHint::with_exact(0),
            (_, Some(_)) => SizeHint::default(),
        }
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
