//! A limit on the events that one publisher may publish in a second.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sse_kit::broadcast::ClientKey;
use tokio::time::Instant;

/// The number of seconds whose events a publisher may publish at once.
const BURST_SECONDS: u32 = 2;

/// The number of publishers at which those that have been quiet are forgotten.
const SWEEP_AT: usize = 10_000;

/// A limit by the generic cell rate algorithm: for each publisher it keeps the time at which all that was
/// published would have been, at an even pace.
#[derive(Debug)]
pub(crate) struct RateLimit {
    /// The time between two events; none without a limit.
    pace: Option<Duration>,
    publishers: Mutex<Publishers>,
}

#[derive(Debug, Default)]
struct Publishers {
    paced_until: HashMap<ClientKey, Instant>,
    sweep_at: usize,
}

impl RateLimit {
    /// Allows so many events a second, and twice as many at once; 0 is no limit.
    pub(crate) fn new(per_second: u32) -> Self {
        let pace = (per_second > 0).then(|| Duration::from_secs(1) / per_second);
        Self {
            pace,
            publishers: Mutex::new(Publishers { sweep_at: SWEEP_AT, ..Publishers::default() }),
        }
    }

    /// Counts the events of a publisher, or returns the time after which they fit.
    pub(crate) fn admit(&self, publisher: ClientKey, events: u32) -> Result<(), Duration> {
        let Some(pace) = self.pace else { return Ok(()) };
        let now = Instant::now();
        let mut publishers = self.publishers.lock().unwrap_or_else(PoisonError::into_inner);
        let paced = publishers.paced_until.get(&publisher).map_or(now, |until| (*until).max(now));
        let burst = Duration::from_secs(BURST_SECONDS.into());
        // A batch larger than the burst fits only after a pause, and then slows its publisher.
        let begins = paced.duration_since(now);
        let needs = (pace * events).min(burst);
        if begins + needs > burst {
            return Err((begins + needs).saturating_sub(burst));
        }
        publishers.paced_until.insert(publisher, paced + pace * events);
        if publishers.paced_until.len() > publishers.sweep_at {
            publishers.paced_until.retain(|_, until| *until > now);
            publishers.sweep_at = SWEEP_AT.max(publishers.paced_until.len() * 2);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn address(last: u8) -> ClientKey {
        IpAddr::from([10, 0, 0, last]).into()
    }

    #[tokio::test(start_paused = true)]
    async fn a_publisher_is_held_to_its_pace_and_others_are_not() {
        let limit = RateLimit::new(10);
        for _ in 0..20 {
            limit.admit(address(1), 1).unwrap();
        }
        assert_eq!(limit.admit(address(1), 1), Err(Duration::from_millis(100)));
        limit.admit(address(2), 20).unwrap();
        tokio::time::advance(Duration::from_millis(100)).await;
        limit.admit(address(1), 1).unwrap();
        assert!(limit.admit(address(1), 1).is_err());
        // As many as ever fit at once.
        tokio::time::advance(Duration::from_secs(2)).await;
        limit.admit(address(1), 100).unwrap();
        assert_eq!(limit.admit(address(1), 1), Err(Duration::from_millis(8100)));
    }

    #[tokio::test(start_paused = true)]
    async fn quiet_publishers_are_forgotten() {
        let limit = RateLimit::new(10);
        let many = u32::try_from(SWEEP_AT).unwrap();
        for number in 0..=many * 3 {
            limit.admit(IpAddr::V4(number.into()).into(), 1).unwrap();
            if number % many == 0 {
                tokio::time::advance(Duration::from_secs(1)).await;
            }
        }
        assert!(limit.publishers.lock().unwrap().paced_until.len() <= SWEEP_AT * 2);
        assert!(RateLimit::new(0).admit(address(1), 1_000_000).is_ok());
    }
}
