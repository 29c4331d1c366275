//! A publish on terms.

use sse_kit_event::{Audience, ConnectionId, Event, EventId};

use crate::broadcaster::Broadcaster;
use crate::connection_set::ConnectionSet;
use crate::publish_error::PublishError;
use crate::publisher::Terms;
use crate::receipt::Receipt;

/// A publish on terms: see [`Broadcaster::except`] and [`Broadcaster::if_newest`].
#[derive(Clone, Debug)]
#[must_use = "nothing is published before `publish` or `broadcast` is called"]
pub struct Publish<'a> {
    hub: &'a Broadcaster,
    terms: Terms,
}

impl<'a> Publish<'a> {
    pub(crate) fn new(hub: &'a Broadcaster) -> Self {
        Self { hub, terms: Terms::default() }
    }

    /// Leaves out these connections too: see [`Broadcaster::except`].
    pub fn except(mut self, connections: impl IntoIterator<Item = ConnectionId>) -> Self {
        // Looks at one too many and no further, which `publish` then refuses.
        self.terms.except.extend(connections.into_iter().take(ConnectionSet::MAX_LEN + 1));
        self
    }

    /// Publishes only on this condition: see [`Broadcaster::if_newest`].
    pub fn if_newest(mut self, newest: EventId) -> Self {
        self.terms.expected = Some(newest);
        self
    }

    /// Publishes an event as [`Broadcaster::publish`] does, on these terms. Connections that are left
    /// out do not get it from history either.
    ///
    /// # Errors
    ///
    /// As [`Broadcaster::publish`]; [`PublishError::Conflict`] where there is a newer event, and
    /// [`PublishError::LeavesOut`] when too many connections are left out.
    ///
    /// # Cancel safety
    ///
    /// As [`Broadcaster::publish`].
    pub async fn publish(
        &self,
        audience: impl Into<Audience>,
        event: Event,
    ) -> Result<Receipt, PublishError> {
        self.hub.publisher().publish(audience.into(), event, self.terms.clone()).await
    }

    /// Publishes an event to every connection, on these terms.
    ///
    /// # Errors
    ///
    /// As [`Publish::publish`].
    ///
    /// # Cancel safety
    ///
    /// As [`Broadcaster::publish`].
    pub async fn broadcast(&self, event: Event) -> Result<Receipt, PublishError> {
        self.publish(Audience::Everyone, event).await
    }
}
