//! The items that a subscription yields.

use std::sync::Arc;

use bytes::Bytes;
use sse_kit_event::control::Gap;
use sse_kit_event::{EventId, Message};

use crate::ending::Goodbye;
use crate::entry::{Entry, decoded};

/// An item that a [`Subscription`](crate::Subscription) yields, in order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Delivery {
    /// An event of the log.
    Entry(Arc<Entry>),
    /// A direct message for this connection alone, in the wire format. It has no id and is in no
    /// history.
    Direct(Bytes),
    /// A gap: events are missing here and will not be delivered.
    Gap(Gap),
    /// A heartbeat: the heartbeat interval passed and nothing else was waiting.
    Heartbeat {
        /// The position that the subscription has reached without an event of its own, if it is
        /// newer than the last position sent. A client that resumes from here misses nothing.
        position: Option<EventId>,
    },
    /// The last item: the hub ends the stream, and nothing follows.
    Goodbye(Goodbye),
}

impl Delivery {
    /// Returns the event as a client reads it; `None` for a gap, a heartbeat and a goodbye, which are
    /// the hub's own.
    ///
    /// The event is decoded again at each call, as by [`Entry::message`].
    pub fn message(&self) -> Option<Message> {
        match self {
            Self::Entry(entry) => Some(entry.message()),
            Self::Direct(frame) => Some(decoded(frame)),
            Self::Gap(_) | Self::Heartbeat { .. } | Self::Goodbye(_) => None,
        }
    }
}
