//! Ends a response after the last event of a stream.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use sse_kit_broadcast::Subscription;
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
}

impl LastEvent {
    pub(crate) fn new(last: impl Future<Output = Option<EventId>> + Send + 'static) -> Self {
        Self { awaited: Some(SyncWrapper::new(Box::pin(last))), last: None }
    }

    /// Completes once everything was sent. Poll it when `subscription` has nothing to deliver.
    pub(crate) fn poll_sent(
        &mut self,
        subscription: &Subscription,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if let Some(awaited) = &mut self.awaited {
            let last = std::task::ready!(awaited.get_mut().as_mut().poll(cx));
            self.awaited = None;
            self.last = last;
        }
        let Some(last) = self.last else { return Poll::Ready(()) };
        // The client knows no position if it began with history, and found nothing there. The
        // subscription has one all the same.
        let is_sent = subscription.delivered_through().is_some_and(|position| {
            // In another epoch the event does not exist.
            position.epoch() != last.epoch() || position.offset() >= last.offset()
        });
        // Missing events still arrive by the subscription, or a heartbeat passes the last event.
        if is_sent { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl fmt::Debug for LastEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LastEvent").field("last", &self.last).finish_non_exhaustive()
    }
}
