//! The state of the world when a client takes something.

use std::time::Duration;

use sse_kit_broadcast::Goodbye;
use tokio::time::Instant;

use crate::chronicle::Chronicle;

/// The clock of Tokio's timers is no finer; a delay ends this much later, and the fan-out needs a turn.
const TICKS: Duration = Duration::from_millis(3);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances<'a> {
    pub(crate) chronicle: &'a Chronicle,
    /// The fan-out tasks have nothing left to do.
    pub(crate) settled: bool,
    pub(crate) fan_out_lags: u64,
    pub(crate) heartbeats: bool,
    pub(crate) max_delay: Duration,
    pub(crate) goodbye: Option<Goodbye>,
    /// The offset through which the log has deleted its records.
    pub(crate) deleted: u64,
    /// A backfill has no room for more than an event.
    pub(crate) is_narrow: bool,
}

impl Circumstances<'_> {
    /// Returns `true` if an event that was published at this time may wait for others.
    pub(crate) fn may_wait_since(&self, published: Instant) -> bool {
        !self.max_delay.is_zero() && published.elapsed() <= self.max_delay + TICKS
    }
}
