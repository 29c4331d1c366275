//! A publish with options.

use sse_kit_event::{Audience, ConnectionId, Event, EventId, TraceContext};

use crate::connection_set::ConnectionSet;
use crate::hub::Hub;
use crate::publish_error::PublishError;
use crate::publisher::PublishOptions;
use crate::receipt::Receipt;

/// A publish with options: see [`Hub::except`] and [`Hub::if_newest`].
#[derive(Clone, Debug)]
#[must_use = "nothing is published before `publish` or `broadcast` is called"]
pub struct Publish<'a> {
    hub: &'a Hub,
    options: PublishOptions,
}

impl<'a> Publish<'a> {
    pub(crate) fn new(hub: &'a Hub) -> Self {
        Self { hub, options: PublishOptions::default() }
    }

    /// Excludes these connections too: see [`Hub::except`].
    pub fn except(mut self, connections: impl IntoIterator<Item = ConnectionId>) -> Self {
        // Takes one id too many and stops; `publish` then returns the error.
        self.options.except.extend(connections.into_iter().take(ConnectionSet::MAX_LEN + 1));
        self
    }

    /// Publishes only if the audience has nothing newer: see [`Hub::if_newest`].
    pub fn if_newest(mut self, newest: EventId) -> Self {
        self.options.expected = Some(newest);
        self
    }

    /// Sets the trace that the event belongs to, such as that of a request with a `traceparent`.
    /// Default: the one that [`TracePropagation`](crate::TracePropagation) returns.
    pub fn trace_context(mut self, trace: impl Into<Option<TraceContext>>) -> Self {
        self.options.trace = trace.into().map(Box::new);
        self
    }

    /// Publishes an event as [`Hub::publish`] does, with these options. Excluded connections do not
    /// receive it from history either.
    ///
    /// # Errors
    ///
    /// The errors of [`Hub::publish`]; [`PublishError::Conflict`] if there is a newer event, and
    /// [`PublishError::TooManyExcluded`] if too many connections are excluded.
    ///
    /// # Cancel safety
    ///
    /// The same as [`Hub::publish`].
    pub fn publish(
        &self,
        audience: impl Into<Audience>,
        event: Event,
    ) -> impl Future<Output = Result<Receipt, PublishError>> + Send {
        self.hub.publisher().publish(audience.into(), event, self.options.clone())
    }

    /// Publishes an event to every connection, with these options.
    ///
    /// # Errors
    ///
    /// The same as [`Publish::publish`].
    ///
    /// # Cancel safety
    ///
    /// The same as [`Hub::publish`].
    pub async fn broadcast(&self, event: Event) -> Result<Receipt, PublishError> {
        self.publish(Audience::Everyone, event).await
    }
}
