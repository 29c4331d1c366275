//! The intervals at which a node looks into the outbox.

use std::time::Duration;

use tokio::time::Instant;

/// The interval of a node that is awake.
const SHORT: Duration = Duration::from_millis(5);

/// The interval of all other nodes, which are notified of what happens.
const LONG: Duration = Duration::from_millis(250);

/// A node stays awake for this long after it has moved an event.
const STAY: Duration = Duration::from_millis(250);

/// The time for which a node announces that it is awake. Publishers do not notify meanwhile.
pub(crate) const LEASE: Duration = Duration::from_secs(1);

/// The state of a node: awake while transactions publish, asleep otherwise.
///
/// The lease is renewed when less than half of it is left, which is more than [`STAY`]. So it lasts until
/// the node goes to sleep.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    moved_at: Option<Instant>,
}

impl Pace {
    /// Records that the node has moved events.
    pub(crate) fn moved(&mut self, now: Instant) {
        self.moved_at = Some(now);
    }

    pub(crate) fn is_awake(&self) -> bool {
        self.moved_at.is_some()
    }

    /// Returns `true` once, when the node has nothing to do and goes to sleep.
    pub(crate) fn falls_asleep(&mut self, now: Instant) -> bool {
        self.moved_at.take_if(|at| now.duration_since(*at) >= STAY).is_some()
    }

    /// Returns the time until the next look.
    pub(crate) fn interval(&self) -> Duration {
        if self.is_awake() { SHORT } else { LONG }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_awake_while_events_arrive_and_falls_asleep_once() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        assert!(!pace.is_awake() && !pace.falls_asleep(now));
        pace.moved(now);
        assert_eq!(pace.interval(), SHORT);
        pace.moved(now + STAY / 2);
        assert!(!pace.falls_asleep(now + STAY));
        assert!(pace.falls_asleep(now + STAY * 2));
        assert!(!pace.falls_asleep(now + STAY * 3));
        assert_eq!(pace.interval(), LONG);
        assert!(STAY < LEASE / 2);
    }
}
