//! The rates of the last two minutes, and their chart.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Duration;

use sse_kit_broadcast::Stats;

/// The number of seconds that the chart shows.
pub(crate) const SECONDS: usize = 120;

/// Events a second, over the last two minutes.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    /// Newest last.
    published: VecDeque<u64>,
    delivered: VecDeque<u64>,
    /// The counters at the last sample.
    before: Option<(u64, u64)>,
}

impl Rates {
    /// Takes the counters, this long after the last sample. A sample that comes late stands for
    /// several seconds.
    pub(crate) fn sample(&mut self, stats: &Stats, elapsed: Duration) {
        let now = (stats.published, stats.delivered);
        let Some(before) = self.before.replace(now) else { return };
        let millis = elapsed.as_millis().max(1);
        let rate = |now: u64, before: u64| {
            let rate = u128::from(now.saturating_sub(before)) * 1_000 / millis;
            u64::try_from(rate).unwrap_or(u64::MAX)
        };
        let (published, delivered) = (rate(now.0, before.0), rate(now.1, before.1));
        let seconds = usize::try_from((millis + 500) / 1_000).unwrap_or(SECONDS);
        for _ in 0..seconds.clamp(1, SECONDS) {
            push(&mut self.published, published);
            push(&mut self.delivered, delivered);
        }
    }

    pub(crate) fn published(&self) -> u64 {
        self.published.back().copied().unwrap_or_default()
    }

    pub(crate) fn delivered(&self) -> u64 {
        self.delivered.back().copied().unwrap_or_default()
    }

    pub(crate) fn highest(&self) -> u64 {
        self.published.iter().copied().max().unwrap_or_default()
    }

    /// Returns the points of the line of published events in a box of 119 by 30, the newest at the
    /// right.
    pub(crate) fn line(&self) -> String {
        let from = SECONDS - self.published.len();
        let highest = self.highest().max(1);
        let mut points = String::new();
        for (second, events) in self.published.iter().enumerate() {
            // A tenth of a unit is finer than anybody sees.
            let depth = 290 - 280 * events / highest;
            let separator = if second == 0 { "" } else { " " };
            write!(points, "{separator}{},{}.{}", from + second, depth / 10, depth % 10)
                .expect("memory takes any text");
        }
        points
    }
}

fn push(seconds: &mut VecDeque<u64>, value: u64) {
    seconds.push_back(value);
    if seconds.len() > SECONDS {
        seconds.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chart_keeps_to_its_box_and_to_two_minutes() {
        let mut rates = Rates::default();
        let mut stats = Stats::default();
        for published in [7, 7, 57, 157, 157] {
            stats.published = published;
            rates.sample(&stats, Duration::from_secs(1));
        }
        assert_eq!(rates.line(), "116,29.0 117,15.0 118,1.0 119,29.0");
        assert_eq!((rates.published(), rates.highest()), (0, 100));
        for _ in 0..1_000 {
            stats.published += 1;
            rates.sample(&stats, Duration::from_secs(1));
        }
        assert_eq!(rates.published.len(), SECONDS);
    }

    #[test]
    fn a_rate_is_that_of_a_second_however_late_the_sample_is() {
        let mut rates = Rates::default();
        let mut stats = Stats::default();
        rates.sample(&stats, Duration::from_secs(1));
        stats.published = 330;
        rates.sample(&stats, Duration::from_millis(3_300));
        assert_eq!((rates.published(), rates.published.len()), (100, 3));
        stats.published = 430;
        rates.sample(&stats, Duration::from_millis(1_250));
        assert_eq!((rates.published(), rates.published.len()), (80, 4));
    }
}
