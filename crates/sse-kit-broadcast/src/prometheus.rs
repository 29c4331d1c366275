//! Statistics in the text format of Prometheus.

use std::fmt::Write;

use crate::counters::Stats;
use crate::histogram::Distribution;

/// A metric that is a field of the statistics: its name without a prefix, its text, and the field.
type Metric<T> = (&'static str, &'static str, fn(&Stats) -> T);

const GAUGES: [Metric<usize>; 5] = [
    ("connections", "Open event streams.", |stats| stats.connections),
    ("topics", "Topics that have subscribers or a history.", |stats| stats.topics),
    ("patterns", "Different patterns that have subscribers.", |stats| stats.patterns),
    ("history_events", "Events in all histories.", |stats| stats.history),
    ("history_bytes", "Size of all histories.", |stats| stats.history_bytes),
];

const COUNTERS: [Metric<u64>; 17] = [
    ("streams_opened", "Event streams opened.", |stats| stats.opened),
    ("streams_closed", "Event streams ended, for any reason.", |stats| stats.closed),
    ("streams_refused", "Event streams refused because of a limit.", |stats| stats.refused),
    ("streams_evicted", "Event streams ended because the client was too slow.", |stats| {
        stats.evicted
    }),
    ("streams_resumed", "Event streams that resumed after an event.", |stats| stats.resumed),
    ("streams_backfilled", "Event streams that were filled up from the log.", |stats| {
        stats.backfilled
    }),
    ("events_published", "Events that the log delivered, of all nodes.", |stats| stats.published),
    (
        "events_published_here",
        "Events delivered by this node alone, because the log did not accept them.",
        |stats| stats.published_here,
    ),
    ("events_delivered", "Events that streams took from their queues.", |stats| stats.delivered),
    ("events_sent_direct", "Messages to single streams.", |stats| stats.sent_direct),
    ("events_vetoed", "Events that a hook vetoed.", |stats| stats.vetoed),
    ("events_conflated", "Events in queues that a newer one of their key replaced.", |stats| {
        stats.conflated
    }),
    ("events_dropped", "Events dropped from full queues.", |stats| stats.dropped),
    ("gaps", "Gaps that streams were sent: their pages had to reload.", |stats| stats.gaps),
    ("lags", "Times that a stream fell behind and caught up from history.", |stats| stats.lagged),
    ("fan_out_lags", "Times that the fan-out fell behind the log.", |stats| stats.fan_out_lags),
    ("hook_failures", "Calls of hooks that failed.", |stats| stats.hook_failures),
];

/// A metric that is a distribution.
type Histogram = (&'static str, &'static str, fn(&Stats) -> &Distribution);

const HISTOGRAMS: [Histogram; 4] = [
    (
        "publish_to_write_seconds",
        "Time from the log to a stream that writes the event, for one of 64 deliveries.",
        |stats| &stats.publish_to_write,
    ),
    (
        "queue_depth_events",
        "Events that still waited when a stream took one, for one of 64 deliveries.",
        |stats| &stats.queue_depth,
    ),
    (
        "replay_events",
        "Events of history for each stream that resumed or had fallen behind.",
        |stats| &stats.replay,
    ),
    ("backfill_events", "Events of the log for each stream that was backfilled.", |stats| {
        &stats.backfill
    }),
];

impl Stats {
    /// The content type of [`Stats::prometheus`].
    pub const PROMETHEUS: &str = "text/plain; version=0.0.4";

    /// Writes the statistics in the [text format](https://prometheus.io/docs/instrumenting/exposition_formats/)
    /// of Prometheus, as the names of all metrics begin with a prefix such as `sse_kit`. Sizes are
    /// gauges, such as `sse_kit_connections`; the others are counters, such as
    /// `sse_kit_streams_evicted_total`, and histograms. Answer with the content type
    /// [`Stats::PROMETHEUS`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use sse_kit_broadcast::Hub;
    ///
    /// let metrics = Hub::new().stats().prometheus("sse_kit");
    /// assert!(metrics.contains("# TYPE sse_kit_connections gauge\nsse_kit_connections 0\n"));
    /// assert!(metrics.contains("# TYPE sse_kit_gaps_total counter\nsse_kit_gaps_total 0\n"));
    /// # }
    /// ```
    pub fn prometheus(&self, prefix: &str) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        for (name, help, value) in GAUGES {
            let (name, value) = (format!("{prefix}_{name}"), value(self));
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
        }
        for (name, help, value) in COUNTERS {
            let (name, value) = (format!("{prefix}_{name}_total"), value(self));
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}");
        }
        for (name, help, value) in HISTOGRAMS {
            text.push_str(&value(self).prometheus(&format!("{prefix}_{name}"), help));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::histogram::{EventHistogram, Histogram};

    fn of_events(events: usize) -> Distribution {
        let histogram = EventHistogram::default();
        histogram.observe(events);
        histogram.snapshot()
    }

    /// Each field has a value of its own, and no metric another's.
    #[test]
    fn every_field_is_a_metric() {
        let durations = Histogram::new();
        durations.observe(Duration::from_secs(23));
        let stats = Stats {
            connections: 1,
            topics: 2,
            patterns: 3,
            history: 4,
            history_bytes: 5,
            opened: 6,
            closed: 7,
            refused: 8,
            published: 9,
            published_here: 10,
            vetoed: 11,
            delivered: 12,
            sent_direct: 13,
            resumed: 14,
            backfilled: 15,
            gaps: 16,
            lagged: 17,
            conflated: 18,
            dropped: 19,
            evicted: 20,
            hook_failures: 21,
            fan_out_lags: 22,
            publish_to_write: durations.snapshot(),
            queue_depth: of_events(24),
            replay: of_events(25),
            backfill: of_events(26),
        };
        let text = stats.prometheus("p");
        let samples = text.lines().filter(|line| !line.starts_with('#') && !line.contains("{le="));
        let samples: Vec<_> = samples.filter(|line| !line.contains("_count ")).collect();
        assert_eq!(
            samples,
            [
                "p_connections 1",
                "p_topics 2",
                "p_patterns 3",
                "p_history_events 4",
                "p_history_bytes 5",
                "p_streams_opened_total 6",
                "p_streams_closed_total 7",
                "p_streams_refused_total 8",
                "p_streams_evicted_total 20",
                "p_streams_resumed_total 14",
                "p_streams_backfilled_total 15",
                "p_events_published_total 9",
                "p_events_published_here_total 10",
                "p_events_delivered_total 12",
                "p_events_sent_direct_total 13",
                "p_events_vetoed_total 11",
                "p_events_conflated_total 18",
                "p_events_dropped_total 19",
                "p_gaps_total 16",
                "p_lags_total 17",
                "p_fan_out_lags_total 22",
                "p_hook_failures_total 21",
                "p_publish_to_write_seconds_sum 23.000000",
                "p_queue_depth_events_sum 24",
                "p_replay_events_sum 25",
                "p_backfill_events_sum 26",
            ]
        );
        let described = text.lines().filter(|line| line.starts_with("# HELP p_")).count();
        assert_eq!(described, samples.len());
    }
}
