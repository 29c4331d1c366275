//! `GET /metrics`: the counters and sizes of the hub, for Prometheus.

mod catalog;
mod exposition;
mod route;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use http::header::VARY;
use http::{HeaderValue, StatusCode};
use prometheus::core::Collector;
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, TextEncoder,
};
use serde_json::Value;
use sse_kit::broadcast::Stats;

use self::catalog::{CATALOG, Kind};
pub(crate) use self::exposition::Format;
pub(crate) use self::route::Route;
use crate::auth::Refusal;
use crate::reply::{self, Reply};

/// The limits of the buckets of a stream's duration, in seconds: a second to a day.
const STREAM_SECONDS: &[f64] = &[1.0, 10.0, 60.0, 300.0, 1800.0, 3600.0, 14_400.0, 86_400.0];

/// The limits of the buckets of an answer's duration, in seconds.
const ANSWER_SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The counters of the hub's own. Labels have few values: never a topic, a user or a path of a client.
pub(crate) struct Metrics {
    requests: IntCounterVec,
    /// The counters of status 200, of each route that was asked for.
    ok_by_route: [OnceLock<IntCounter>; Route::COUNT],
    durations: HistogramVec,
    /// The histogram of each route that was asked for, so that no answer looks it up by its label.
    by_route: [OnceLock<Histogram>; Route::COUNT],
    streams: Histogram,
    refusals: IntCounterVec,
}

impl Metrics {
    pub(crate) fn new() -> prometheus::Result<Self> {
        let requests = "Requests answered, by route and status; streams count when they begin.";
        let durations =
            "Time from the head of a request to its answer; for publish, the log included.";
        let streams = "Time for which streams were open, counted when they end.";
        let refusals = "Requests refused for the lack of a good token or of rights, by reason.";
        let refusals =
            IntCounterVec::new(Opts::new("sse_hub_refusals_total", refusals), &["reason"])?;
        // Rates need the 0 before the first one.
        for label in Refusal::LABELS {
            refusals.with_label_values(&[label]);
        }
        Ok(Self {
            requests: IntCounterVec::new(
                Opts::new("sse_hub_requests_total", requests),
                &["route", "status"],
            )?,
            ok_by_route: std::array::from_fn(|_| OnceLock::new()),
            durations: HistogramVec::new(
                HistogramOpts::new("sse_hub_request_duration_seconds", durations)
                    .buckets(ANSWER_SECONDS.to_vec()),
                &["route"],
            )?,
            by_route: std::array::from_fn(|_| OnceLock::new()),
            streams: Histogram::with_opts(
                HistogramOpts::new("sse_hub_stream_duration_seconds", streams)
                    .buckets(STREAM_SECONDS.to_vec()),
            )?,
            refusals,
        })
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, route: Route, status: StatusCode, began: Instant) {
        let counter = || self.requests.with_label_values(&[route.label(), status.as_str()]);
        match status {
            // The usual one, which is not looked up by its labels.
            StatusCode::OK => self.ok_by_route[route as usize].get_or_init(counter).inc(),
            _ => counter().inc(),
        }
        let durations = self.by_route[route as usize]
            .get_or_init(|| self.durations.with_label_values(&[route.label()]));
        durations.observe(began.elapsed().as_secs_f64());
    }

    /// Counts a refusal.
    pub(crate) fn refused(&self, reason: &'static str) {
        self.refusals.with_label_values(&[reason]).inc();
    }

    /// Returns a guard that counts a stream's duration when it is dropped.
    pub(crate) fn stream(&self) -> StreamTimer {
        StreamTimer { began: Instant::now(), durations: self.streams.clone() }
    }

    /// Returns all metrics: those of the core, the hub's own, and those of the server and the log, whose
    /// statistics are JSON as `/stats` has it.
    pub(crate) fn reply(
        &self,
        core: &Stats,
        stats: &Value,
        log: Option<&(&'static str, Value)>,
        format: Format,
    ) -> Reply {
        let own: [&dyn Collector; 4] =
            [&self.requests, &self.durations, &self.streams, &self.refusals];
        let mut families: Vec<_> = own.iter().flat_map(|collector| collector.collect()).collect();
        families.retain(|family| !family.get_metric().is_empty());
        families.extend(CATALOG.iter().filter_map(|entry| {
            let (value, label) = match (log, entry.field.split_once('.')) {
                (Some((name, log)), Some((_, field))) => (log.get(field), Some(*name)),
                _ => (stats.get(entry.field), None),
            };
            Some(family(entry, number(value?)?, label))
        }));
        families.push(version());
        let text = match TextEncoder::new().encode_to_string(&families) {
            Ok(text) => core.prometheus("sse_hub") + &text,
            Err(error) => {
                return reply::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string());
            }
        };
        let mut reply = reply::text(StatusCode::OK, format.content_type(), format.write(text));
        reply.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
        reply
    }
}

/// A stream that is open.
pub(crate) struct StreamTimer {
    began: Instant,
    durations: Histogram,
}

impl Drop for StreamTimer {
    fn drop(&mut self) {
        let open: Duration = self.began.elapsed();
        self.durations.observe(open.as_secs_f64());
    }
}

#[expect(clippy::cast_precision_loss, reason = "samples are floating-point numbers")]
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(yes) => Some(f64::from(u8::from(*yes))),
        value => value.as_u64().map(|number| number as f64),
    }
}

fn family(entry: &catalog::Entry, value: f64, log: Option<&str>) -> MetricFamily {
    let labels = log.map(|log| label("log", log)).into_iter().collect();
    let mut metric = Metric::from_label(labels);
    let kind = match entry.kind {
        Kind::Gauge => {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
            MetricType::GAUGE
        }
        Kind::Counter => {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
            MetricType::COUNTER
        }
    };
    named(entry.name, entry.help, kind, metric)
}

fn version() -> MetricFamily {
    let mut metric = Metric::from_label(vec![label("version", env!("CARGO_PKG_VERSION"))]);
    let mut one = Gauge::default();
    one.set_value(1.0);
    metric.set_gauge(one);
    named(
        "sse_hub_build_info",
        "The version of the hub; the value is 1.",
        MetricType::GAUGE,
        metric,
    )
}

fn named(name: &str, help: &str, kind: MetricType, metric: Metric) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(vec![metric]);
    family
}

fn label(name: &str, value: &str) -> LabelPair {
    let mut label = LabelPair::default();
    label.set_name(name.to_owned());
    label.set_value(value.to_owned());
    label
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions() {
        for entry in CATALOG {
            assert!(entry.name.starts_with("sse_hub_"), "{}", entry.name);
            let is_counter = matches!(entry.kind, Kind::Counter);
            assert_eq!(entry.name.ends_with("_total"), is_counter, "{}", entry.name);
            assert!(entry.help.ends_with('.'), "{}", entry.name);
            let same = CATALOG.iter().filter(|other| other.name == entry.name).count();
            assert_eq!(same, 1, "{}", entry.name);
        }
    }
}
