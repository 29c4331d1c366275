//! Events from a stream of the app.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use sse_kit_event::Event;
use sync_wrapper::SyncWrapper;

/// A stream of the app, whose events a response sends in addition to those of its subscription.
pub(crate) struct Source(SyncWrapper<Pin<Box<dyn Stream<Item = Item> + Send>>>);

/// An item of a [`Source`].
pub(crate) enum Item {
    /// An event; others may follow.
    Event(Event),
    /// The event in place of an error; it is the last one.
    Failure(Event),
}

impl Source {
    pub(crate) fn new(events: impl Stream<Item = Event> + Send + 'static) -> Self {
        Self(SyncWrapper::new(Box::pin(events.map(Item::Event))))
    }

    /// Creates a source from a stream that may fail. It logs the error and sends `failure` in its
    /// place.
    pub(crate) fn fallible<E>(
        events: impl Stream<Item = Result<Event, E>> + Send + 'static,
        failure: Event,
    ) -> Self
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self(SyncWrapper::new(Box::pin(events.map(move |event| match event {
            Ok(event) => Item::Event(event),
            Err(error) => {
                let error: Box<dyn Error + Send + Sync> = error.into();
                tracing::error!(error = &*error as &dyn Error, "a stream of events has failed");
                Item::Failure(failure.clone())
            }
        }))))
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        self.0.get_mut().as_mut().poll_next(cx)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}

/// Returns the bytes of an event without an id of a log.
pub(crate) fn frame(event: &Event) -> Bytes {
    event.encode().finish(event.id())
}
