//! A subscription that has joined but not been backfilled yet.

use std::sync::Arc;

use sse_kit_event::EventId;

use crate::backfill::{Backfill, BackfillRequest};
use crate::client_key::ClientKey;
use crate::connection::Connection;
use crate::subscribe::SubscribeError;
use crate::subscription::Subscription;

/// A subscription that has joined, before its backfill from the log: see
/// [`SubscriptionBuilder::join`](crate::SubscriptionBuilder::join).
///
/// It misses nothing that is published from now on. Dropping it ends the connection immediately.
#[derive(Debug)]
#[must_use = "dropping it ends the connection"]
pub struct PendingSubscription {
    pub(crate) subscription: Subscription,
    pub(crate) backfill: Arc<Backfill>,
    pub(crate) lacks: Option<MissingRange>,
}

/// The events that a joined subscription may lack: those after `after`, up to `through`.
#[derive(Debug)]
pub(crate) struct MissingRange {
    pub(crate) after: EventId,
    /// The newest event before the join. Later events wait in the queue.
    pub(crate) through: EventId,
    pub(crate) client: ClientKey,
    pub(crate) request: BackfillRequest,
}

impl PendingSubscription {
    /// Returns the connection.
    pub fn connection(&self) -> &Arc<Connection> {
        self.subscription.connection()
    }

    /// Backfills the subscription from the log, as
    /// [`SubscriptionBuilder::backfill`](crate::SubscriptionBuilder::backfill) does.
    ///
    /// # Errors
    ///
    /// [`SubscribeError::TooManyReplays`] if too many subscriptions wait; the connection ends.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, the connection ends.
    pub async fn backfill(self) -> Result<Subscription, SubscribeError> {
        let Self { mut subscription, backfill, lacks } = self;
        if let Some(lacking) = lacks {
            let backfilled = backfill.fill(subscription.connection(), &lacking).await?;
            subscription.begin_with(backfilled);
        }
        Ok(subscription)
    }
}
