//! Times of many deliveries, in little memory, that processes can send each other.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Three digits of each time count.
const DIGITS: u8 = 3;

/// An hour; longer times count as this.
const MAX_MICROS: u64 = 3_600_000_000;

/// Times, with three digits each, as counts of microseconds.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Histogram<u64>);

/// The same to be sent: microseconds, and how often they were measured.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Counts(Vec<(u64, u64)>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new_with_max(MAX_MICROS, DIGITS).expect("good bounds"))
    }
}

impl Latencies {
    pub(crate) fn add(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    /// Adds those of another process.
    pub(crate) fn merge(&mut self, counts: &Counts) {
        for &(micros, count) in &counts.0 {
            self.0.saturating_record_n(micros, count);
        }
    }

    /// Returns the counts, and begins again.
    pub(crate) fn take(&mut self) -> Counts {
        let recorded = self.0.iter_recorded();
        let counts =
            recorded.map(|step| (step.value_iterated_to(), step.count_since_last_iteration()));
        let counts = Counts(counts.collect());
        self.0.reset();
        counts
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.len()
    }

    /// Returns the time within which a share of all deliveries, of 1, were made.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_and_merged_has_the_same_quantiles() {
        let mut here = Latencies::default();
        for micros in 1..=1_000 {
            here.add(Duration::from_micros(micros));
        }
        let mut there = Latencies::default();
        there.merge(&here.take());
        assert_eq!((here.len(), there.len()), (0, 1_000));
        let quantiles = [0.5, 0.99, 1.0].map(|share| there.quantile(share).as_micros());
        assert_eq!(quantiles, [500, 990, 1_000]);
    }
}
