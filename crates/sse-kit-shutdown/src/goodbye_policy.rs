//! The instruction to clients when the server stops.

use std::num::NonZero;
use std::time::Duration;

use sse_kit_broadcast::Goodbye;

/// The instruction to clients when the server stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GoodbyePolicy {
    /// Clients should reconnect after a random delay: to the restarted server, or to another node.
    ComeBack(ReconnectSpread),
    /// Clients should not reconnect, because the service is gone. A page that is bound to the event
    /// `sse-kit:close` does not reconnect; other clients do.
    StayAway,
}

/// The time span over which clients reconnect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReconnectSpread {
    /// A fixed duration.
    Within(Duration),
    /// As many seconds as needed for this many clients to reconnect per second, at least one.
    /// Choose what the servers that they reconnect to can accept.
    PerSecond(NonZero<u32>),
}

impl Default for GoodbyePolicy {
    /// Returns "reconnect, 500 clients per second".
    fn default() -> Self {
        Self::ComeBack(ReconnectSpread::PerSecond(
            const { NonZero::new(500).expect("it is not 0") },
        ))
    }
}

impl GoodbyePolicy {
    /// Returns the goodbye for each of `clients` clients.
    pub fn to(self, clients: usize) -> Goodbye {
        match self {
            Self::StayAway => Goodbye::StayAway,
            Self::ComeBack(spread) => Goodbye::ComeBack { within: spread.over(clients) },
        }
    }
}

impl ReconnectSpread {
    /// Returns the maximum delay of one of `clients` clients.
    pub fn over(self, clients: usize) -> Duration {
        match self {
            Self::Within(within) => within,
            Self::PerSecond(reconnects) => {
                let clients = u32::try_from(clients).unwrap_or(u32::MAX);
                Duration::from_secs_f64(f64::from(clients) / f64::from(reconnects.get()))
                    .max(Duration::from_secs(1))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_clients_by_reconnects_per_second() {
        let spread = ReconnectSpread::PerSecond(NonZero::new(200).unwrap());
        assert_eq!(spread.over(10_000), Duration::from_secs(50));
        assert_eq!(spread.over(0), Duration::from_secs(1));
        assert_eq!(spread.over(usize::MAX), spread.over(u32::MAX as usize));
        assert_eq!(ReconnectSpread::Within(Duration::ZERO).over(10_000), Duration::ZERO);
    }

    #[test]
    fn the_default_asks_to_come_back() {
        let within = Duration::from_secs(20);
        assert_eq!(GoodbyePolicy::default().to(10_000), Goodbye::ComeBack { within });
    }
}
