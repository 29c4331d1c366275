//! The body of an event stream.

use std::any::Any;
use std::convert::Infallible;
use std::fmt;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use sse_kit_broadcast::{Delivery, Goodbye, Subscription};
use sync_wrapper::SyncWrapper;

use crate::byte_stream::SseByteStream;
use crate::frames;
use crate::gzip::Gzip;
use crate::last_event::LastEvent;
use crate::source::{self, Item, Source};

/// The time within which a client comes back whose stream has reached its age, chosen at random. The
/// ages differ, so that not many come at once.
const RENEW_WITHIN: Duration = Duration::from_secs(1);

/// The body of an event stream: an [`http_body::Body`] of [`Bytes`], one frame for each event.
///
/// The bytes of a published event are the same for all streams, and are never copied here. The body ends
/// when the connection does: at shutdown, or when it is ended for another reason. Dropping the body, as
/// servers do when the client is gone, ends the subscription at once.
pub struct SseBody {
    /// The first bytes, until they are sent.
    opening: Option<Bytes>,
    /// What follows; `None` when nothing does.
    subscription: Option<Subscription>,
    extras: Extras,
    /// When the client is to come back for another one.
    ends_at: Option<Instant>,
    /// The state of its compression.
    gzip: Option<Box<Gzip>>,
}

/// What some streams have besides a subscription.
#[derive(Default)]
pub(crate) struct Extras {
    /// Events that are not published, but sent to this client alone.
    pub(crate) source: Option<Source>,
    pub(crate) last_event: Option<Box<LastEvent>>,
    /// Dropped with the stream.
    pub(crate) kept: Option<SyncWrapper<Box<dyn Any + Send>>>,
}

impl Extras {
    /// Returns `true` if the stream has no event ids of a log: its client has nothing to resume.
    pub(crate) fn is_unnumbered(&self, subscription: &Subscription) -> bool {
        self.source.is_some() && subscription.connection().topics().is_empty()
    }
}

impl SseBody {
    pub(crate) fn stream(
        opening: Bytes,
        subscription: Subscription,
        extras: Extras,
        ends_at: Option<Instant>,
    ) -> Self {
        Self { subscription: Some(subscription), extras, ends_at, ..Self::last_words(opening) }
    }

    /// Makes a body of one frame, which ends after it.
    pub(crate) fn last_words(frame: Bytes) -> Self {
        Self {
            opening: Some(frame),
            subscription: None,
            extras: Extras::default(),
            ends_at: None,
            gzip: None,
        }
    }

    /// Turns it into a stream of bytes, for frameworks that take no [`Body`].
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use sse_kit_event::Event;
    /// use sse_kit_http::SseResponse;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let mut stream = SseResponse::only(&Event::new("hi")).into_body().into_stream();
    /// assert_eq!(stream.next().await, Some(Ok("data: hi\n\n".into())));
    /// assert_eq!(stream.next().await, None);
    /// # }
    /// ```
    pub fn into_stream(self) -> SseByteStream {
        SseByteStream::new(self)
    }

    /// Compresses what is not sent yet, which is all.
    #[cfg(feature = "gzip")]
    pub(crate) fn compress(&mut self) {
        let mut gzip = Box::<Gzip>::default();
        self.opening = self.opening.as_ref().map(|opening| gzip.opening(opening));
        self.gzip = Some(gzip);
    }

    /// The next bytes of the subscription; `None` when it has ended.
    fn poll_subscription(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(subscription) = &mut self.subscription else { return Poll::Ready(None) };
        if self.ends_at.is_some_and(|at| at <= Instant::now()) {
            // What is queued may have no id, and then the client could not have it later.
            subscription.finish(Goodbye::ComeBack { within: RENEW_WITHIN });
            self.ends_at = None;
        }
        let mut delivery = std::task::ready!(subscription.poll_recv(cx));
        if let Some(Delivery::Heartbeat { position }) = &mut delivery
            && self.extras.is_unnumbered(subscription)
        {
            *position = None;
        }
        if let (Some(last_event), Some(delivery)) = (&mut self.extras.last_event, &delivery) {
            last_event.sent(delivery);
        }
        Poll::Ready(delivery.map(|delivery| self.delivery_bytes(delivery)))
    }

    /// The next bytes of the source; `None` when the stream is over, and the subscription has a goodbye.
    fn poll_extras(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(last_event) = &mut self.extras.last_event
            && last_event.poll_sent(cx).is_ready()
        {
            self.finish();
            return Poll::Ready(None);
        }
        let Some(source) = &mut self.extras.source else { return Poll::Pending };
        // A source that is always ready must let others run, above all what ends the stream.
        std::task::ready!(pin!(tokio::task::consume_budget()).poll(cx));
        let (event, is_last) = match std::task::ready!(source.poll_next(cx)) {
            Some(Item::Event(event)) => (Some(event), false),
            Some(Item::Failure(event)) => (Some(event), true),
            None => (None, true),
        };
        if is_last {
            self.finish();
        }
        Poll::Ready(event.map(|event| self.frame_bytes(source::frame(&event))))
    }

    /// Ends the stream for good, after what waits in the queue.
    fn finish(&mut self) {
        (self.extras.source, self.extras.last_event) = (None, None);
        if let Some(subscription) = &self.subscription {
            subscription.finish(Goodbye::StayAway);
        }
    }

    /// The bytes of a delivery, as this stream has them.
    fn delivery_bytes(&mut self, delivery: Delivery) -> Bytes {
        match &mut self.gzip {
            Some(gzip) => gzip.delivery(delivery),
            None => frames::frame(delivery),
        }
    }

    /// The bytes of a frame, as this stream has them.
    fn frame_bytes(&mut self, frame: Bytes) -> Bytes {
        match &mut self.gzip {
            Some(gzip) => gzip.frame(&frame),
            None => frame,
        }
    }

    /// What comes after everything.
    fn end(&mut self) -> Option<Bytes> {
        self.subscription = None;
        self.extras.source = None;
        self.gzip.take().map(|gzip| gzip.end())
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
        loop {
            // It comes first: a goodbye must not wait for a source that has always more to say.
            if let Poll::Ready(bytes) = self.poll_subscription(cx) {
                let bytes = bytes.or_else(|| self.end());
                return Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))));
            }
            if let Some(bytes) = std::task::ready!(self.poll_extras(cx)) {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
        }
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
