//! What a subscription is given.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sse_kit_event::control::Gap;

use crate::entry::Entry;

/// What a [`Subscription`](crate::Subscription) is given, in order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Delivery {
    /// An event of the log.
    Entry(Arc<Entry>),
    /// An event for this connection alone, in the wire format; it has no id and is in no history.
    Direct(Bytes),
    /// Events are missing here for good.
    Gap(Gap),
    /// Nothing else was waiting when the heartbeat interval had passed.
    Heartbeat,
    /// The broadcaster is shutting down; nothing follows.
    Goodbye(Goodbye),
}

/// What clients are told when the broadcaster shuts down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Goodbye {
    /// Come back, each after a random time of at most `within`, so that they do not come all at
    /// once.
    ComeBack {
        /// The longest time.
        within: Duration,
    },
    /// Stay away.
    StayAway,
}
