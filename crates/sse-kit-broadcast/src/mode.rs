//! The source of the events in a queue.

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
