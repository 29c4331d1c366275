//! The source of the events in a queue, and how a queue catches up.

use sse_kit_event::Epoch;
use sse_kit_event::control::GapReason;

/// The source of the events in a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mode {
    /// The fan-out queues events as they are published.
    Live,
    /// Events come from history once the queue is empty.
    Behind(CatchingUp),
}

/// The progress of a connection that catches up from history.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CatchingUp {
    /// The offset after which events come from history.
    pub(crate) after: u64,
    /// The offset through which losses need no gap: one has reported them, or the events were never
    /// promised.
    pub(crate) gap_told_through: u64,
    /// The number of trims at the beginning of a stream that was promised all of history: events that
    /// are trimmed later are lost. Otherwise the greatest number.
    pub(crate) promised_from: u64,
    /// The offset through which gaps have reported events of that promise.
    pub(crate) promise_told_through: u64,
    /// The reason of a gap.
    pub(crate) reason: GapReason,
    /// `true` if the pages are read in log order.
    pub(crate) in_order: bool,
}

impl Mode {
    pub(crate) fn behind(after: u64, reason: GapReason) -> Self {
        Self::Behind(CatchingUp {
            after,
            gap_told_through: after,
            promised_from: u64::MAX,
            promise_told_through: after,
            reason,
            in_order: false,
        })
    }
}

/// The position from which a connection catches up, and its room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Behind {
    pub(crate) at: CatchingUp,
    pub(crate) room: usize,
    pub(crate) epoch: Epoch,
}

/// The result of queueing a page of history.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CaughtUp {
    /// The number of events that newer ones with the same key replaced.
    pub(crate) conflated: u64,
    /// The number of events of history since the connection fell behind, if it is live again.
    pub(crate) replayed: Option<usize>,
}
