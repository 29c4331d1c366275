//! The two formats of metrics, and the choice between them.

use std::fmt::Write as _;

use http::HeaderMap;
use http::header::ACCEPT;
use sse_kit::broadcast::Stats;

/// The media type of `OpenMetrics`, without its parameters.
const OPEN_METRICS: &str = "application/openmetrics-text";

/// A format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Prometheus' text format.
    Prometheus,
    /// `OpenMetrics` 1.0.
    OpenMetrics,
}

impl Format {
    /// Chooses `OpenMetrics` if a client names it and does not like plain text better.
    pub(crate) fn accepted(headers: &HeaderMap) -> Self {
        let ranges = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let ranges: Vec<_> = ranges.flat_map(|value| value.split(',')).map(range).collect();
        let weight = |wanted: &str| {
            let found = ranges.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, weight)| *weight).fold(0.0, f32::max)
        };
        let open_metrics = weight(OPEN_METRICS);
        if open_metrics > 0.0 && open_metrics >= weight("text/plain") {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => Stats::PROMETHEUS,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Converts a text in Prometheus' format to this one.
    ///
    /// `OpenMetrics` calls a counter by its name without `_total`, escapes quotes in texts, and ends with a
    /// line that says so. All else is equal for the metrics that we have.
    pub(super) fn write(self, text: String) -> String {
        if self == Self::Prometheus {
            return text;
        }
        let mut written = String::with_capacity(text.len());
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let help = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' '));
            let counter =
                line.strip_prefix("# TYPE ").and_then(|rest| rest.strip_suffix(" counter"));
            // Writing to a string cannot fail.
            let _ = match (help, counter) {
                (Some((name, help)), _) => {
                    let is_counter = lines.peek().is_some_and(|line| line.ends_with(" counter"));
                    let (name, help) = (family(name, is_counter), help.replace('"', "\\\""));
                    writeln!(written, "# HELP {name} {help}")
                }
                (None, Some(name)) => writeln!(written, "# TYPE {} counter", family(name, true)),
                (None, None) => writeln!(written, "{line}"),
            };
        }
        written.push_str("# EOF\n");
        written
    }
}

/// Returns the name that `OpenMetrics` has for a metric.
fn family(name: &str, is_counter: bool) -> &str {
    if is_counter { name.strip_suffix("_total").unwrap_or(name) } else { name }
}

/// Parses a part of `Accept`: a media type without parameters, and its weight.
fn range(text: &str) -> (&str, f32) {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse);
    (name, weight.unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_is_for_clients_that_ask_for_it() {
        for (accept, format) in [
            ("", Format::Prometheus),
            ("*/*", Format::Prometheus),
            ("text/plain", Format::Prometheus),
            ("application/openmetrics-text", Format::OpenMetrics),
            (
                "text/plain;q=0.3, Application/OpenMetrics-Text; version=1.0.0;q=0.5",
                Format::OpenMetrics,
            ),
            ("text/plain, application/openmetrics-text;q=0.5", Format::Prometheus),
            ("application/openmetrics-text;q=0", Format::Prometheus),
            ("application/openmetrics-text;q=nonsense", Format::Prometheus),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().unwrap());
            assert_eq!(Format::accepted(&headers), format, "{accept}");
        }
    }

    #[test]
    fn counters_lose_their_ending_and_all_else_stays() {
        let text = "# HELP a_total Of \"b\".\n# TYPE a_total counter\na_total{x=\"1\"} 2\n\
                    # HELP b Size.\n# TYPE b gauge\nb 1\n";
        let expected = "# HELP a Of \\\"b\\\".\n# TYPE a counter\na_total{x=\"1\"} 2\n\
                        # HELP b Size.\n# TYPE b gauge\nb 1\n# EOF\n";
        assert_eq!(Format::OpenMetrics.write(text.to_owned()), expected);
        assert_eq!(Format::Prometheus.write(text.to_owned()), text);
    }
}
