//! A subscription that has joined, and may lack what only the log has.

use std::sync::Arc;

use sse_kit_event::EventId;

use crate::backfill::{Backfill, BackfillRequest};
use crate::client_key::ClientKey;
use crate::connection::Connection;
use crate::subscribe::SubscribeError;
use crate::subscription::Subscription;

/// A subscription that has joined, before the log is read for it: see
/// [`SubscriptionBuilder::join`](crate::SubscriptionBuilder::join).
///
/// Nothing that is published from now on is missed. Dropping it ends the connection at once.
#[derive(Debug)]
#[must_use = "dropping it ends the connection"]
pub struct Joined {
    pub(crate) subscription: Subscription,
    pub(crate) backfill: Arc<Backfill>,
    pub(crate) lacks: Option<Lacking>,
}

/// The events that a subscription that has joined may lack: those after `after`, up to `through`.
#[derive(Debug)]
pub(crate) struct Lacking {
    pub(crate) after: EventId,
    /// The newest event before it joined: later ones wait in its queue.
    pub(crate) through: EventId,
    pub(crate) client: ClientKey,
    pub(crate) request: BackfillRequest,
}

impl Joined {
    /// The connection as others see it.
    pub fn connection(&self) -> &Arc<Connection> {
        self.subscription.connection()
    }

    /// Reads what it lacks, as [`SubscriptionBuilder::backfill`](crate::SubscriptionBuilder::backfill) does.
    ///
    /// # Errors
    ///
    /// [`SubscribeError::TooManyReplays`], and the connection ends.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped before it is ready, the connection ends.
    pub async fn backfill(self) -> Result<Subscription, SubscribeError> {
        let Self { mut subscription, backfill, lacks } = self;
        if let Some(lacking) = lacks {
            let entries = backfill.fill(subscription.connection(), &lacking).await?;
            subscription.begin_with(entries);
        }
        Ok(subscription)
    }
}
