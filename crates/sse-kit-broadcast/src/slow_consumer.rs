//! Policies for slow subscribers.

/// The policy for a subscriber whose queue is full. Other subscribers are never affected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlowConsumer {
    /// The subscriber catches up from history after it has taken the queued events. It loses only
    /// what history has dropped by then, and receives one gap for that.
    #[default]
    Heal,
    /// Of the events with the same [key](sse_kit_event::EventKey) and audience, only the newest
    /// stays in the queue, whether the queue is full or not. Pages from history are thinned in the
    /// same way, one page at a time. A full queue is handled as in `Heal`.
    Conflate,
    /// The oldest queued event is dropped, and the subscriber receives a gap.
    DropOldest,
    /// The connection ends after the queued events. A client resumes when it reconnects.
    Disconnect,
}

impl SlowConsumer {
    /// Returns `true` if an event replaces older ones with the same key and audience.
    pub(crate) fn conflates(self) -> bool {
        match self {
            Self::Conflate => true,
            Self::Heal | Self::DropOldest | Self::Disconnect => false,
        }
    }

    /// Returns `true` if events are removed from the middle of the queue.
    pub(crate) fn removes_from_the_middle(self) -> bool {
        match self {
            Self::Conflate | Self::DropOldest => true,
            Self::Heal | Self::Disconnect => false,
        }
    }
}
