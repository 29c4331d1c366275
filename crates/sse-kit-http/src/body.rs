//! The body of an event stream.

use std::any::Any;
use std::convert::Infallible;
use std::fmt;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use sse_kit_broadcast::{Delivery, Goodbye, Subscription};
use sync_wrapper::SyncWrapper;

use crate::age::Age;
use crate::byte_stream::SseByteStream;
use crate::frames;
use crate::gzip::Gzip;
#[cfg(feature = "gzip")]
use crate::gzip_window::GzipWindow;
use crate::last_event::LastEvent;
use crate::source::{self, Item, Source};

/// The maximum random delay after which a client reconnects whose stream has reached its maximum
/// age. The ages are random too, so few clients reconnect at once.
const RENEW_WITHIN: Duration = Duration::from_secs(1);

/// The body of an event stream: an [`http_body::Body`] of [`Bytes`], with one frame per event.
///
/// All streams share the bytes of a published event; they are never copied. The body ends with the
/// connection: at shutdown, or if the connection is ended. Dropping the body, as servers do when
/// the client disconnects, ends the subscription immediately.
pub struct SseBody {
    /// The first bytes, until they are sent.
    opening: Option<Bytes>,
    /// The subscription; `None` if nothing follows.
    subscription: Option<Subscription>,
    extras: Extras,
    /// Its maximum age, until it is reached.
    age: Option<Age>,
    /// The state of its compression.
    gzip: Option<Box<Gzip>>,
}

/// The optional parts of a stream besides its subscription.
#[derive(Default)]
pub(crate) struct Extras {
    /// The events for this client alone, which are not published.
    pub(crate) source: Option<Source>,
    pub(crate) last_event: Option<Box<LastEvent>>,
    /// The values that are dropped with the stream.
    pub(crate) kept: Option<SyncWrapper<Box<dyn Any + Send>>>,
}

impl Extras {
    /// Returns `true` if the stream has no event ids of a log, so its client cannot resume.
    pub(crate) fn is_unnumbered(&self, subscription: &Subscription) -> bool {
        self.source.is_some() && subscription.connection().topics().is_empty()
    }
}

impl SseBody {
    pub(crate) fn stream(
        opening: Bytes,
        subscription: Subscription,
        extras: Extras,
        age: Option<Age>,
    ) -> Self {
        Self { subscription: Some(subscription), extras, age, ..Self::last_words(opening) }
    }

    /// Creates a body with a single frame.
    pub(crate) fn last_words(frame: Bytes) -> Self {
        Self {
            opening: Some(frame),
            subscription: None,
            extras: Extras::default(),
            age: None,
            gzip: None,
        }
    }

    /// Converts the body to a stream of bytes, for frameworks that do not take a [`Body`].
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

    /// Compresses everything, because nothing has been sent yet.
    #[cfg(feature = "gzip")]
    pub(crate) fn compress(&mut self, window: GzipWindow) {
        let mut gzip = Box::new(Gzip::new(window));
        self.opening = self.opening.as_ref().map(|opening| gzip.opening(opening));
        self.gzip = Some(gzip);
    }

    /// Returns the next bytes of the subscription; `None` after its end.
    fn poll_subscription(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(subscription) = &mut self.subscription else { return Poll::Ready(None) };
        if let Some(age) = &mut self.age
            && age.poll_end(cx).is_ready()
        {
            // Queued events may have no id, so the client could not get them later.
            subscription.finish(Goodbye::ComeBack { within: RENEW_WITHIN });
            self.age = None;
        }
        let mut delivery = std::task::ready!(subscription.poll_recv(cx));
        if let Some(Delivery::Heartbeat { position }) = &mut delivery
            && self.extras.is_unnumbered(subscription)
        {
            *position = None;
        }
        Poll::Ready(delivery.map(|delivery| self.delivery_bytes(delivery)))
    }

    /// Returns the next bytes of the source; `None` if the stream has ended, and the subscription
    /// has a goodbye.
    fn poll_extras(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let (Some(last_event), Some(subscription)) =
            (&mut self.extras.last_event, &self.subscription)
            && last_event.poll_sent(subscription, cx).is_ready()
        {
            self.finish();
            return Poll::Ready(None);
        }
        let Some(source) = &mut self.extras.source else { return Poll::Pending };
        // A source that is always ready must let others run, in particular the end of the stream.
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

    /// Ends the stream for good, after the queued items.
    fn finish(&mut self) {
        (self.extras.source, self.extras.last_event) = (None, None);
        if let Some(subscription) = &self.subscription {
            subscription.finish(Goodbye::StayAway);
        }
    }

    /// Returns the bytes of a delivery, compressed if this stream is.
    fn delivery_bytes(&mut self, delivery: Delivery) -> Bytes {
        match &mut self.gzip {
            Some(gzip) => gzip.delivery(delivery),
            None => frames::frame(delivery),
        }
    }

    /// Returns the bytes of a frame, compressed if this stream is.
    fn frame_bytes(&mut self, frame: Bytes) -> Bytes {
        match &mut self.gzip {
            Some(gzip) => gzip.frame(&frame),
            None => frame,
        }
    }

    /// Returns the bytes at the end of the body.
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
            // The subscription comes first: a goodbye must not wait for a source that is always
            // ready.
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
