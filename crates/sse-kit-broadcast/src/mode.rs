//! The source of the events in a queue, and how a queue catches up.

use sse_kit_event::Epoch;
use sse_kit_event::control::GapReason;

/// The source of the events in a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mode {
    /// The fan-out queues events as they are published.
    Live,
    /// Events after `after` come from history once the queue is empty. Losses up to
    /// `gap_told_through` were already reported by a gap.
    Behind { after: u64, gap_told_through: u64, reason: GapReason, in_order: bool },
}

impl Mode {
    pub(crate) fn behind(after: u64, reason: GapReason) -> Self {
        Self::Behind { after, gap_told_through: after, reason, in_order: false }
    }
}

/// The position from which a connection catches up, and its room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Behind {
    pub(crate) after: u64,
    pub(crate) gap_told_through: u64,
    pub(crate) room: usize,
    /// `true` if its pages are read in log order.
    pub(crate) in_order: bool,
    pub(crate) epoch: Epoch,
}

/// The result of queueing a page of history.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CaughtUp {
    /// The number of events that newer ones with the same key replaced.
    pub(crate) conflated: u64,
    /// The number of events of history since the connection fell behind, if it is live again.
    pub(crate) replayed: Option<u64>,
}
