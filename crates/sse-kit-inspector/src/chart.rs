//! The rates of the last two minutes, and their chart.

use std::collections::VecDeque;
use std::fmt::Write as _;

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
    /// Takes the counters, once a second.
    pub(crate) fn sample(&mut self, stats: &Stats) {
        let now = (stats.published, stats.delivered);
        if let Some(before) = self.before.replace(now) {
            push(&mut self.published, now.0.saturating_sub(before.0));
            push(&mut self.delivered, now.1.saturating_sub(before.1));
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

    /// Returns the points of the line of published events in a box of 120 by 30, the newest at the
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
            rates.sample(&stats);
        }
        assert_eq!(rates.line(), "116,29.0 117,15.0 118,1.0 119,29.0");
        assert_eq!((rates.published(), rates.highest()), (0, 100));
        for _ in 0..1_000 {
            stats.published += 1;
            rates.sample(&stats);
        }
        assert_eq!(rates.published.len(), SECONDS);
    }
}
