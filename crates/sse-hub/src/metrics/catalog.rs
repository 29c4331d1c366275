//! The metrics that are statistics of the server and of the log: their names, kinds and texts. The core
//! writes its own.

/// The kind of a metric.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A value that goes up and down.
    Gauge,
    /// A number that only increases.
    Counter,
}

/// A metric, and the field of the statistics that it comes from; `log.` is that of the log.
pub(super) struct Entry {
    pub(super) field: &'static str,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
}

const fn gauge(field: &'static str, name: &'static str, help: &'static str) -> Entry {
    Entry { field, name, kind: Kind::Gauge, help }
}

const fn counter(field: &'static str, name: &'static str, help: &'static str) -> Entry {
    Entry { field, name, kind: Kind::Counter, help }
}

pub(super) const CATALOG: &[Entry] = &[
    gauge("ready", "sse_hub_ready", "1 if the hub is ready: it does not drain, and its log is up."),
    gauge("tasks", "sse_hub_tasks", "Tasks of the runtime."),
    counter("accepted", "sse_hub_tcp_accepted_total", "TCP connections accepted."),
    counter(
        "handshake_failures",
        "sse_hub_handshake_failures_total",
        "Connections that ended before they spoke a protocol, by a failed TLS handshake or in silence.",
    ),
    counter("fast_path", "sse_hub_fast_path_total", "Streams answered on the fast path."),
    gauge("log.up", "sse_hub_log_up", "1 if the log can be reached."),
    gauge(
        "log.lag",
        "sse_hub_log_lag_events",
        "Events in the log that this node has not read yet.",
    ),
    gauge("log.files", "sse_hub_log_files", "Files of the log."),
    gauge("log.bytes", "sse_hub_log_bytes", "Size of the log."),
    gauge("log.events", "sse_hub_log_events", "Events in the log."),
    counter("log.appended", "sse_hub_log_appended_total", "Events that this node appended."),
    counter("log.retried", "sse_hub_log_retried_total", "Attempts to append that were repeated."),
    counter(
        "log.failed",
        "sse_hub_log_failed_total",
        "Appends that failed, ambiguous ones included.",
    ),
    counter(
        "log.ambiguous",
        "sse_hub_log_ambiguous_total",
        "Appends of which it is unknown whether they were written.",
    ),
    counter(
        "log.moved",
        "sse_hub_log_moved_total",
        "Events of transactions that this node put into the log.",
    ),
    counter("log.read", "sse_hub_log_read_total", "Events read from the log."),
    counter(
        "log.malformed",
        "sse_hub_log_malformed_total",
        "Entries of the log that are no events.",
    ),
    counter("log.lost", "sse_hub_log_lost_total", "Events trimmed before this node read them."),
    counter(
        "log.epochs",
        "sse_hub_log_epochs_total",
        "Times that the log began a new epoch; all streams got a gap.",
    ),
    counter(
        "log.reconnects",
        "sse_hub_log_reconnects_total",
        "Times that the reader of the log reconnected.",
    ),
    counter("log.batches", "sse_hub_log_batches_total", "Batches that appends were written in."),
    counter(
        "log.damaged",
        "sse_hub_log_damaged_total",
        "Times that a damaged part of the log was put aside.",
    ),
];
