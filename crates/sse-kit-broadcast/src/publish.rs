//! A publish on options.

use sse_kit_event::{Audience, ConnectionId, Event, EventId};

use crate::connection_set::ConnectionSet;
use crate::hub::Hub;
use crate::publish_error::PublishError;
use crate::publisher::PublishOptions;
use crate::receipt::Receipt;

/// A publish on options: see [`Hub::except`] and [`Hub::if_newest`].
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

    /// Leaves out these connections too: see [`Hub::except`].
    pub fn except(mut self, connections: impl IntoIterator<Item = ConnectionId>) -> Self {
        // Looks at one too many and no further, which `publish` then refuses.
        self.options.except.extend(connections.into_iter().take(ConnectionSet::MAX_LEN + 1));
        self
    }

    /// Publishes only on this condition: see [`Hub::if_newest`].
    pub fn if_newest(mut self, newest: EventId) -> Self {
        self.options.expected = Some(newest);
        self
    }

    /// Publishes an event as [`Hub::publish`] does, on these options. Connections that are left
    /// out do not get it from history either.
    ///
    /// # Errors
    ///
    /// As [`Hub::publish`]; [`PublishError::Conflict`] where there is a newer event, and
    /// [`PublishError::LeavesOut`] when too many connections are left out.
    ///
    /// # Cancel safety
    ///
    /// As [`Hub::publish`].
    pub async fn publish(
        &self,
        audience: impl Into<Audience>,
        event: Event,
    ) -> Result<Receipt, PublishError> {
        self.hub.publisher().publish(audience.into(), event, self.options.clone()).await
    }

    /// Publishes an event to every connection, on these options.
    ///
    /// # Errors
    ///
    /// As [`Publish::publish`].
    ///
    /// # Cancel safety
    ///
    /// As [`Hub::publish`].
    pub async fn broadcast(&self, event: Event) -> Result<Receipt, PublishError> {
        self.publish(Audience::Everyone, event).await
    }
}
