//! What a subscription is given.

use std::sync::Arc;

use bytes::Bytes;
use sse_kit_event::control::Gap;
use sse_kit_event::{EventId, Message};

use crate::ending::Goodbye;
use crate::entry::{Entry, decoded};

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
    Heartbeat {
        /// The position that the subscription has come to without an event of its own, where it is
        /// newer than what the client knows. A client that resumes from here misses nothing.
        position: Option<EventId>,
    },
    /// The hub is shutting down; nothing follows.
    Goodbye(Goodbye),
}

impl Delivery {
    /// Returns the event as a client reads it; `None` for a gap, a heartbeat and a goodbye, which are
    /// the hub's own.
    ///
    /// The event is decoded anew at each call, as by [`Entry::message`].
    pub fn message(&self) -> Option<Message> {
        match self {
            Self::Entry(entry) => Some(entry.message()),
            Self::Direct(frame) => Some(decoded(frame)),
            Self::Gap(_) | Self::Heartbeat { .. } | Self::Goodbye(_) => None,
        }
    }
}
