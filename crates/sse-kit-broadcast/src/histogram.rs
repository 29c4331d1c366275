//! Histograms: how often a value was how large.

use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use crate::counters::Counter;

/// The upper limits of the buckets of durations, in microseconds.
const MICROS: &[u64] = &[
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000,
    5_000_000, 30_000_000,
];

/// The upper limits of the buckets of counts.
const EVENTS: &[u64] = &[0, 1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000];

/// A histogram of durations, from 100 µs to 30 s: it counts observed durations by their length. It takes
/// a fixed amount of memory and no lock.
///
/// ```
/// use std::time::Duration;
/// use sse_kit_broadcast::Histogram;
///
/// let rendering = Histogram::new();
/// rendering.observe(Duration::from_micros(700));
/// assert_eq!(rendering.snapshot().count(), 1);
/// ```
#[derive(Debug)]
pub struct Histogram(Buckets);

/// A histogram of numbers of events, from 0 to 10,000.
#[derive(Debug)]
pub(crate) struct EventHistogram(Buckets);

#[derive(Debug)]
struct Buckets {
    unit: Unit,
    counts: Box<[Counter]>,
    sum: Counter,
}

/// The unit of the values of a histogram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Unit {
    #[default]
    Events,
    Micros,
}

impl Histogram {
    /// Creates an empty histogram.
    pub fn new() -> Self {
        Self(Buckets::new(Unit::Micros))
    }

    /// Counts a duration.
    pub fn observe(&self, duration: Duration) {
        self.0.observe(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// Returns the counts so far.
    pub fn snapshot(&self) -> Distribution {
        self.0.snapshot()
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl EventHistogram {
    pub(crate) fn observe(&self, events: usize) {
        self.0.observe(events as u64);
    }

    pub(crate) fn snapshot(&self) -> Distribution {
        self.0.snapshot()
    }
}

impl Default for EventHistogram {
    fn default() -> Self {
        Self(Buckets::new(Unit::Events))
    }
}

impl Buckets {
    fn new(unit: Unit) -> Self {
        let counts = (0..=unit.limits().len()).map(|_| Counter::default()).collect();
        Self { unit, counts, sum: Counter::default() }
    }

    /// Counts a value in the unit of the histogram.
    fn observe(&self, value: u64) {
        let bucket = self.unit.limits().partition_point(|limit| *limit < value);
        self.counts[bucket].add(1);
        self.sum.add(value);
    }

    fn snapshot(&self) -> Distribution {
        let counts = self.counts.iter().map(Counter::get).collect();
        Distribution { unit: self.unit, limits: self.unit.limits(), counts, sum: self.sum.get() }
    }
}

impl Unit {
    fn limits(self) -> &'static [u64] {
        match self {
            Self::Events => EVENTS,
            Self::Micros => MICROS,
        }
    }

    /// Writes a value in Prometheus' base unit: durations in seconds.
    fn write(self, text: &mut String, value: u64) {
        // Writing to a string cannot fail.
        let _ = match self {
            Self::Events => write!(text, "{value}"),
            Self::Micros => write!(text, "{}.{:06}", value / 1_000_000, value % 1_000_000),
        };
    }
}

/// A snapshot of a [`Histogram`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Distribution {
    unit: Unit,
    /// The upper limits of the buckets, in events or microseconds. The last bucket has none.
    pub limits: &'static [u64],
    /// The number of values in each bucket, one more than there are limits.
    pub counts: Vec<u64>,
    /// The sum of all values, in events or microseconds.
    pub sum: u64,
}

impl Distribution {
    /// Returns the number of values.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Writes the histogram in the text format of Prometheus; durations in seconds. The text of
    /// `help` is one line.
    ///
    /// ```
    /// use sse_kit_broadcast::Histogram;
    ///
    /// let rendering = Histogram::new().snapshot();
    /// let text = rendering.prometheus("app_render_seconds", "Time to render a page.");
    /// assert!(text.ends_with("app_render_seconds_count 0\n"));
    /// ```
    pub fn prometheus(&self, name: &str, help: &str) -> String {
        let mut text = format!("# HELP {name} {help}\n# TYPE {name} histogram\n");
        let mut through = 0;
        for (limit, count) in self.limits.iter().zip(&self.counts) {
            through += count;
            let _ = write!(text, "{name}_bucket{{le=\"");
            self.unit.write(&mut text, *limit);
            let _ = writeln!(text, "\"}} {through}");
        }
        let count = self.count();
        let _ = write!(text, "{name}_bucket{{le=\"+Inf\"}} {count}\n{name}_sum ");
        self.unit.write(&mut text, self.sum);
        let _ = writeln!(text, "\n{name}_count {count}");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_in_the_bucket_of_the_next_limit() {
        let histogram = EventHistogram::default();
        for value in [0, 1, 2, 3, 10, 11, 10_000, 10_001, usize::MAX / 2] {
            histogram.observe(value);
        }
        let found = histogram.snapshot();
        assert_eq!(found.counts, [1, 1, 2, 1, 1, 0, 0, 0, 0, 1, 2]);
        assert_eq!(found.count(), 9);
    }

    #[test]
    fn durations_are_written_in_seconds_and_buckets_add_up() {
        let histogram = Histogram::new();
        for micros in [100, 2_400, 40_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let text = histogram.snapshot().prometheus("x_seconds", "A text.");
        assert!(
            text.starts_with("# HELP x_seconds A text.\n# TYPE x_seconds histogram\n"),
            "{text}"
        );
        for line in [
            "x_seconds_bucket{le=\"0.000100\"} 1",
            "x_seconds_bucket{le=\"0.001000\"} 1",
            "x_seconds_bucket{le=\"0.002500\"} 2",
            "x_seconds_bucket{le=\"30.000000\"} 2",
            "x_seconds_bucket{le=\"+Inf\"} 3",
            "x_seconds_sum 40.002500",
            "x_seconds_count 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
        }
    }
}
