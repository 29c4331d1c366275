//! Ends a response after the last event of a stream.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use sse_kit_broadcast::{Delivery, Subscription};
use sse_kit_event::EventId;
use sync_wrapper::SyncWrapper;

/// A future of the last event of a stream, or of `None` if the stream ends without one.
type Awaited = Pin<Box<dyn Future<Output = Option<EventId>> + Send>>;

/// Detects when a response has sent everything up to the last event of a stream, which is unknown
/// at first.
pub(crate) struct LastEvent {
    /// The future of the last event, until it completes.
    awaited: Option<SyncWrapper<Awaited>>,
    last: Option<EventId>,
    /// The event through which everything has been sent, if known.
    position: Option<EventId>,
}

impl LastEvent {
    pub(crate) fn new(
        subscription: &Subscription,
        last: impl Future<Output = Option<EventId>> + Send + 'static,
    ) -> Self {
        Self {
            awaited: Some(SyncWrapper::new(Box::pin(last))),
            last: None,
            position: subscription.resumes_from(),
        }
    }

    /// Records a delivery that was sent.
    pub(crate) fn sent(&mut self, delivery: &Delivery) {
        let position = match delivery {
            Delivery::Entry(entry) => Some(entry.id()),
            Delivery::Gap(gap) => Some(gap.to),
            Delivery::Heartbeat { position } => *position,
            _ => None,
        };
        self.position = position.or(self.position);
    }

    /// Completes once everything was sent.
    pub(crate) fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(awaited) = &mut self.awaited {
            let last = std::task::ready!(awaited.get_mut().as_mut().poll(cx));
            self.awaited = None;
            self.last = last;
        }
        let is_sent = match (self.position, self.last) {
            // In another epoch the event does not exist.
            (Some(position), Some(last)) => {
                position.epoch() != last.epoch() || position.offset() >= last.offset()
            }
            (None, Some(_)) => false,
            (_, None) => true,
        };
        // Missing events still arrive by the subscription, or a heartbeat passes the last event.
        if is_sent { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl fmt::Debug for LastEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LastEvent")
            .field("last", &self.last)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
