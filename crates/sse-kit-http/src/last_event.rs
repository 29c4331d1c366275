//! The event after which a stream is over.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use sse_kit_broadcast::{Delivery, Subscription};
use sse_kit_event::EventId;
use sync_wrapper::SyncWrapper;

/// The event after which a stream is over, once there is one, or `None` where it is over without one.
type Awaited = Pin<Box<dyn Future<Output = Option<EventId>> + Send>>;

/// Decides when a stream has sent everything up to its last event, which is not known from the start.
pub(crate) struct LastEvent {
    /// Until it is ready.
    awaited: Option<SyncWrapper<Awaited>>,
    last: Option<EventId>,
    /// Everything up to this event has been sent, where that is known.
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

    /// Notes what has been sent.
    pub(crate) fn sent(&mut self, delivery: &Delivery) {
        let position = match delivery {
            Delivery::Entry(entry) => Some(entry.id()),
            Delivery::Gap(gap) => Some(gap.to),
            Delivery::Heartbeat { position } => *position,
            _ => None,
        };
        self.position = position.or(self.position);
    }

    /// Is ready once the stream is over.
    pub(crate) fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(awaited) = &mut self.awaited {
            let last = std::task::ready!(awaited.get_mut().as_mut().poll(cx));
            self.awaited = None;
            self.last = last;
        }
        let is_sent = match (self.position, self.last) {
            // In another life of the log the event does not exist.
            (Some(position), Some(last)) => {
                position.epoch() != last.epoch() || position.offset() >= last.offset()
            }
            (None, Some(_)) => false,
            (_, None) => true,
        };
        // What is missing comes by the subscription, or a heartbeat says that it has passed.
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
