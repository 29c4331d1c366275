//! Statistics in the text format of Prometheus.

use std::fmt::Write;

use crate::counters::Stats;

impl Stats {
    /// Writes the statistics in the [text format](https://prometheus.io/docs/instrumenting/exposition_formats/)
    /// of Prometheus: sizes as gauges, such as `sse_kit_connections`, and the others as counters, such as
    /// `sse_kit_evicted_total`. Answer with the content type `text/plain; version=0.0.4`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use sse_kit_broadcast::Hub;
    ///
    /// let metrics = Hub::new().stats().prometheus();
    /// assert!(metrics.contains("# TYPE sse_kit_connections gauge\nsse_kit_connections 0\n"));
    /// assert!(metrics.contains("# TYPE sse_kit_gaps_total counter\nsse_kit_gaps_total 0\n"));
    /// # }
    /// ```
    pub fn prometheus(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.gauges() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "# TYPE sse_kit_{name} gauge\nsse_kit_{name} {value}");
        }
        for (name, value) in self.counters() {
            let name = format!("sse_kit_{name}_total");
            let _ = writeln!(text, "# TYPE {name} counter\n{name} {value}");
        }
        text
    }

    fn gauges(&self) -> [(&'static str, usize); 5] {
        [
            ("connections", self.connections),
            ("topics", self.topics),
            ("patterns", self.patterns),
            ("history_events", self.history),
            ("history_bytes", self.history_bytes),
        ]
    }

    fn counters(&self) -> [(&'static str, u64); 17] {
        [
            ("opened", self.opened),
            ("closed", self.closed),
            ("refused", self.refused),
            ("published", self.published),
            ("published_here", self.published_here),
            ("vetoed", self.vetoed),
            ("delivered", self.delivered),
            ("sent_direct", self.sent_direct),
            ("resumed", self.resumed),
            ("backfilled", self.backfilled),
            ("gaps", self.gaps),
            ("lagged", self.lagged),
            ("conflated", self.conflated),
            ("dropped", self.dropped),
            ("evicted", self.evicted),
            ("hook_failures", self.hook_failures),
            ("fan_out_lags", self.fan_out_lags),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many as the statistics have fields, and no name twice.
    #[test]
    fn every_field_is_a_metric() {
        let stats = Stats::default();
        let fields = format!("{stats:?}").matches(": ").count();
        let text = stats.prometheus();
        let mut names: Vec<_> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), fields, "{text}");
    }
}
