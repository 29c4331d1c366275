//! What clients are told when the server stops.

use std::num::NonZero;
use std::time::Duration;

use sse_kit_broadcast::Goodbye;

/// What clients are told when the server stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GoodbyePolicy {
    /// Come back, each after a random time: after a restart, or to another node.
    ComeBack(ReconnectSpread),
    /// Stay away: the service is gone. A page that is bound to the event `sse-kit:close` does not
    /// reconnect; any other client does.
    StayAway,
}

/// Over how long a time clients come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReconnectSpread {
    /// Within this time.
    Within(Duration),
    /// Within as many seconds as it takes when this many come back in each: what the servers that they
    /// come back to can take. At least one second.
    PerSecond(NonZero<u32>),
}

impl Default for GoodbyePolicy {
    /// Come back, 500 in a second.
    fn default() -> Self {
        Self::ComeBack(ReconnectSpread::PerSecond(
            const { NonZero::new(500).expect("it is not 0") },
        ))
    }
}

impl GoodbyePolicy {
    /// What each of so many clients is told.
    pub fn to(self, clients: usize) -> Goodbye {
        match self {
            Self::StayAway => Goodbye::StayAway,
            Self::ComeBack(spread) => Goodbye::ComeBack { within: spread.over(clients) },
        }
    }
}

impl ReconnectSpread {
    /// The longest time that one of so many clients waits.
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
