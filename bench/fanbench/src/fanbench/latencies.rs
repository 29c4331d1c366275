//! The latency of each delivery.

use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Latencies {
    micros: Vec<u32>,
}

impl Latencies {
    /// Creates a list with room for so many: growing while measuring would delay the deliveries.
    pub(crate) fn with_capacity(deliveries: u32) -> Self {
        Self { micros: Vec::with_capacity(deliveries as usize) }
    }

    pub(crate) fn add(&mut self, latency: Duration) {
        self.micros.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
    }

    /// Returns the time in microseconds within which this percentage of the deliveries was made.
    pub(crate) fn percentile(&mut self, percent: usize) -> u32 {
        let rank = (self.micros.len() * percent).div_ceil(100);
        let Some(index) = rank.checked_sub(1) else { return 0 };
        *self.micros.select_nth_unstable(index).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_ranks() {
        let mut latencies = Latencies::with_capacity(200);
        assert_eq!(latencies.percentile(50), 0);
        for micros in (1..=200).rev() {
            latencies.add(Duration::from_micros(micros));
        }
        let [p50, p99, max] = [50, 99, 100].map(|percent| latencies.percentile(percent));
        assert_eq!((p50, p99, max), (100, 198, 200));
    }
}
