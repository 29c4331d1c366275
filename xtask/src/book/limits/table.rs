//! Which limits the book lists, and where the code has them.

use self::Unit::{Bytes, Count, Time};

/// How a value is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unit {
    Count,
    Bytes,
    Time,
}

/// A row of the table.
#[derive(Debug)]
pub(super) struct Limit {
    pub(super) what: &'static str,
    /// The method that changes it; empty if it is fixed.
    pub(super) setting: &'static str,
    /// Below `crates/`.
    pub(super) file: &'static str,
    /// A constant, or a field where the defaults are set.
    pub(super) name: &'static str,
    pub(super) unit: Unit,
}

const fn row(
    what: &'static str,
    setting: &'static str,
    file: &'static str,
    name: &'static str,
    unit: Unit,
) -> Limit {
    Limit { what, setting, file, name, unit }
}

/// The groups, by the names of their marks on the page.
pub(super) const GROUPS: &[(&str, &[Limit])] = &[
    ("texts", TEXTS),
    ("hub", HUB),
    ("streams", STREAMS),
    ("pages", PAGES),
    ("dispatch", DISPATCH),
    ("server", SERVER),
    ("shutdown", SHUTDOWN),
    ("files", FILES),
    ("redis", REDIS),
    ("postgres", POSTGRES),
    ("program", PROGRAM),
];

const TEXTS: &[Limit] = &[
    row("a topic, an event type", "", "sse-kit-event/src/topic.rs", "MAX_LEN", Bytes),
    row("an event name", "", "sse-kit-event/src/name.rs", "MAX_LEN", Bytes),
    row("a key for conflation", "", "sse-kit-event/src/key.rs", "MAX_LEN", Bytes),
    row("an idempotency key", "", "sse-kit-event/src/idempotency.rs", "MAX_LEN", Bytes),
    row("an event id", "", "sse-kit-event/src/id.rs", "MAX_LEN", Bytes),
    row("a connection id", "", "sse-kit-event/src/connection_id.rs", "MAX_LEN", Bytes),
    row("wildcards of a pattern", "", "sse-kit-event/src/pattern.rs", "MAX_WILDCARDS", Count),
    row("segments of a pattern", "", "sse-kit-event/src/pattern.rs", "MAX_SEGMENTS", Count),
    row(
        "topics and patterns of a subscription",
        "",
        "sse-kit-event/src/topics.rs",
        "MAX_LEN",
        Count,
    ),
    row("patterns of a subscription", "", "sse-kit-event/src/topics.rs", "MAX_PATTERNS", Count),
    row("topics of one event", "", "sse-kit-event/src/audience.rs", "MAX_TOPICS", Count),
    row(
        "connections that an event excludes",
        "",
        "sse-kit-broadcast/src/connection_set.rs",
        "MAX_LEN",
        Count,
    ),
    row(
        "an event that `Decoder` reads",
        "Decoder::with_limit",
        "sse-kit-event/src/decode.rs",
        "DEFAULT_LIMIT",
        Bytes,
    ),
    row("an element id", "", "sse-kit-htmx/src/element_id.rs", "MAX_LEN", Bytes),
    row("a selector", "", "sse-kit-htmx/src/selector.rs", "MAX_LEN", Bytes),
    row("an endpoint", "", "sse-kit-htmx/src/endpoint.rs", "MAX_LEN", Bytes),
];

const BUILDER: &str = "sse-kit-broadcast/src/builder.rs";

const HUB: &[Limit] = &[
    row("events in a connection's queue", "HubBuilder::queue", BUILDER, "events", Count),
    row("bytes in a connection's queue", "HubBuilder::queue_bytes", BUILDER, "bytes", Bytes),
    row("events of a topic in history", "HubBuilder::history", BUILDER, "events_per_topic", Count),
    row(
        "bytes of all histories together",
        "HubBuilder::history_bytes",
        BUILDER,
        "Retention.bytes",
        Bytes,
    ),
    row("age of events in history", "HubBuilder::history_age", BUILDER, "age", Time),
    row(
        "bytes read from the log for clients",
        "HubBuilder::backfill_bytes",
        BUILDER,
        "backfill_bytes",
        Bytes,
    ),
    row("heartbeat interval", "HubBuilder::heartbeat", BUILDER, "heartbeat", Time),
    row("delay to write events together", "HubBuilder::max_delay", BUILDER, "max_delay", Time),
    row(
        "events that fan-out may lag behind the log",
        "HubBuilder::log_buffer",
        BUILDER,
        "log_buffer",
        Count,
    ),
    row(
        "distinct patterns that share a prefix",
        "HubBuilder::max_patterns_per_prefix",
        BUILDER,
        "max_patterns_per_prefix",
        Count,
    ),
    row("time of a hook", "HubBuilder::hook_timeout", BUILDER, "hook_timeout", Time),
    row(
        "time that a publish waits for the hooks",
        "HubBuilder::turn_timeout",
        BUILDER,
        "turn_timeout",
        Time,
    ),
    row(
        "topics whose last offset is kept without subscribers",
        "",
        "sse-kit-broadcast/src/topic_table.rs",
        "MAX_IDLE",
        Count,
    ),
    row(
        "idempotency keys in memory",
        "",
        "sse-kit-broadcast/src/idempotency_window.rs",
        "MAX_KEYS",
        Count,
    ),
    row(
        "time that an idempotency key is known",
        "",
        "sse-kit-broadcast/src/idempotency_window.rs",
        "KNOWN_FOR",
        Time,
    ),
    row(
        "earlier epochs that a log continues",
        "",
        "sse-kit-broadcast/src/lineage.rs",
        "MAX_LEN",
        Count,
    ),
    row(
        "time that a stream waits for its backfill",
        "",
        "sse-kit-broadcast/src/backfill.rs",
        "MAX_WAIT",
        Time,
    ),
    row(
        "streams of one client that wait for a backfill",
        "",
        "sse-kit-broadcast/src/turns.rs",
        "MAX_WAITING_OF_CLIENT",
        Count,
    ),
    row(
        "time that changes of presence are gathered",
        "PresenceByKey::gather",
        "sse-kit-broadcast/src/presence_by_key.rs",
        "GATHER",
        Time,
    ),
    row(
        "time that a closed connection stays present",
        "PresenceByKey::linger",
        "sse-kit-broadcast/src/presence_by_key.rs",
        "LINGER",
        Time,
    ),
];

const STREAMS: &[Limit] = &[
    row(
        "`retry` of a hello, half of it random in either direction",
        "SseResponse::retry",
        "sse-kit-http/src/response.rs",
        "retry",
        Time,
    ),
    row("shortest `retry`", "", "sse-kit-http/src/frames.rs", "MIN_RETRY", Time),
    row("age of a stream", "SseResponse::max_age", "sse-kit-http/src/response.rs", "max_age", Time),
    row(
        "time that a gate waits for the authorizer at the opening",
        "Gate::open_timeout",
        "sse-kit-http/src/gate.rs",
        "OPEN_TIMEOUT",
        Time,
    ),
    row(
        "time that a gate waits for a renewal",
        "",
        "sse-kit-http/src/gate/renewals.rs",
        "ANSWER_WITHIN",
        Time,
    ),
    row(
        "time that a stream stays open without an answer",
        "Gate::grace",
        "sse-kit-http/src/gate.rs",
        "GRACE",
        Time,
    ),
    row(
        "`Retry-After` of 503 with axum, and time to come back after `sse-kit:busy`",
        "",
        "sse-kit-axum/src/error.rs",
        "RETRY_WITHIN",
        Time,
    ),
];

const TABS: &str = "sse-kit-tabs/src/config.rs";

const PAGES: &[Limit] = &[
    row(
        "upper bound of the first delay before a reconnect",
        "MonitorConfig::reconnect_delay",
        "sse-kit-monitor/src/config.rs",
        "reconnect_delay",
        Time,
    ),
    row(
        "the same for shared connections",
        "TabsConfig::reconnect_delay",
        TABS,
        "RECONNECT_DELAY",
        Time,
    ),
    row(
        "events that a browser keeps for its tabs",
        "TabsConfig::replay_events",
        TABS,
        "REPLAY_EVENTS",
        Count,
    ),
    row(
        "characters that a browser keeps for its tabs",
        "TabsConfig::replay_characters",
        TABS,
        "REPLAY_CHARACTERS",
        Count,
    ),
];

const DISPATCH: &[Limit] = &[
    row(
        "dispatches within one another",
        "",
        "sse-kit-dispatch/src/dispatch.rs",
        "MAX_DEPTH",
        Count,
    ),
    row(
        "types of events that `RateLimit` counts",
        "RateLimit::types",
        "sse-kit-dispatch/src/middleware/rate_limit.rs",
        "types",
        Count,
    ),
    row(
        "keys that `Deduplicate` keeps",
        "Deduplicate::keys",
        "sse-kit-dispatch/src/middleware/deduplicate.rs",
        "keys",
        Count,
    ),
    row(
        "time that an event waits for its twin",
        "Deduplicate::wait",
        "sse-kit-dispatch/src/middleware/deduplicate.rs",
        "wait",
        Time,
    ),
];

const SERVE: &str = "sse-kit-serve/src/server.rs";

const SERVER: &[Limit] = &[
    row("time for the head of a request", "Server::header_timeout", SERVE, "header_timeout", Time),
    row(
        "time between requests on a connection",
        "Server::idle_timeout",
        SERVE,
        "idle_timeout",
        Time,
    ),
    row(
        "time without a byte of a request's body",
        "Server::body_timeout",
        SERVE,
        "body_timeout",
        Time,
    ),
    row(
        "time in which a client takes no byte",
        "Server::write_timeout",
        SERVE,
        "write_timeout",
        Time,
    ),
    row(
        "connections that wait to be accepted",
        "Server::bind",
        "sse-kit-serve/src/listener.rs",
        "BACKLOG",
        Count,
    ),
    row(
        "head of a request on the fast path",
        "",
        "sse-kit-serve/src/http1/request_head.rs",
        "MAX_HEAD",
        Bytes,
    ),
    row(
        "headers of a request on the fast path",
        "",
        "sse-kit-serve/src/http1/request_head.rs",
        "MAX_HEADERS",
        Count,
    ),
    row(
        "refusals that are answered at a time",
        "",
        "sse-kit-serve/src/refusal.rs",
        "MAX_AT_ONCE",
        Count,
    ),
    row(
        "time without an acknowledgement, with `sse_kit::axum::serve` on Linux",
        "",
        "sse-kit-axum/src/serve.rs",
        "USER_TIMEOUT",
        Time,
    ),
    row(
        "idle time before the kernel probes, with `sse_kit::axum::serve`",
        "",
        "sse-kit-axum/src/serve.rs",
        "PROBE_AFTER",
        Time,
    ),
];

const SHUT: &str = "sse-kit-shutdown/src/builder.rs";

const SHUTDOWN: &[Limit] = &[
    row(
        "time that the server serves on while it is not ready",
        "ShutdownBuilder::pre_drain",
        SHUT,
        "pre_drain",
        Time,
    ),
    row("time to read the goodbye", "ShutdownBuilder::shutdown_delay", SHUT, "delay", Time),
    row("time of the whole shutdown", "ShutdownBuilder::deadline", SHUT, "deadline", Time),
    row(
        "streams that end in a second",
        "ShutdownBuilder::streams_per_second",
        SHUT,
        "per_second",
        Count,
    ),
];

const FILE: &str = "sse-kit-file/src/config.rs";

const FILES: &[Limit] = &[
    row("size of the store", "FileConfig::max_bytes", FILE, "max_bytes", Bytes),
    row("events in the store", "FileConfig::max_events", FILE, "max_events", Count),
    row("age of events", "FileConfig::max_age", FILE, "max_age", Time),
    row("events read at the start", "FileConfig::warm_up", FILE, "warm_up", Count),
    row("time to wait for the lock", "FileConfig::wait_for_lock", FILE, "wait", Time),
    row("deadline of an append", "FileConfig::append_deadline", FILE, "append_deadline", Time),
    row("one append", "", "sse-kit-file/src/file_log.rs", "MAX_APPEND", Bytes),
    row(
        "events that a page may be behind",
        "",
        "sse-kit-file/src/file_log.rs",
        "MAX_BACKFILL",
        Count,
    ),
];

const REDIS_CONFIG: &str = "sse-kit-redis/src/config.rs";

const REDIS: &[Limit] = &[
    row(
        "records that Redis keeps, at least",
        "RedisConfig::keep_events",
        REDIS_CONFIG,
        "keep_events",
        Count,
    ),
    row("age of records", "RedisConfig::keep_for", REDIS_CONFIG, "keep_for", Time),
    row("records read at the start", "RedisConfig::warm_up", REDIS_CONFIG, "warm_up", Count),
    row(
        "deadline of an append",
        "RedisConfig::append_deadline",
        REDIS_CONFIG,
        "append_deadline",
        Time,
    ),
    row(
        "time of one attempt",
        "RedisConfig::attempt_timeout",
        REDIS_CONFIG,
        "attempt_timeout",
        Time,
    ),
    row(
        "time that an idempotency key is known",
        "RedisConfig::idempotency",
        REDIS_CONFIG,
        "idempotency",
        Time,
    ),
    row("one record", "RedisConfig::max_record_bytes", REDIS_CONFIG, "max_record_bytes", Bytes),
    row("interval of the reader's checks", "RedisConfig::tick", REDIS_CONFIG, "tick", Time),
    row(
        "time to wait for all nodes after a restart of Redis",
        "RedisConfig::roll_call",
        REDIS_CONFIG,
        "roll_call",
        Time,
    ),
    row(
        "time to wait for Redis at the start",
        "RedisConfig::start_deadline",
        REDIS_CONFIG,
        "start_deadline",
        Time,
    ),
    row("records that a page may be behind", "", "sse-kit-redis/src/archive.rs", "FURTHEST", Count),
    row(
        "interval at which a node announces its members",
        "",
        "sse-kit-redis/src/presence.rs",
        "SAID_EVERY",
        Time,
    ),
    row(
        "silence after which a node's members are dropped",
        "",
        "sse-kit-redis/src/presence.rs",
        "BELIEVED",
        Time,
    ),
];

const PG: &str = "sse-kit-postgres/src/config.rs";

const POSTGRES: &[Limit] = &[
    row("events that the log keeps", "PostgresConfig::keep_events", PG, "keep_events", Count),
    row("age of events", "PostgresConfig::keep_for", PG, "keep_for", Time),
    row("events read at the start", "PostgresConfig::warm_up", PG, "warm_up", Count),
    row("deadline of an append", "PostgresConfig::append_deadline", PG, "append_deadline", Time),
    row("time of one attempt", "PostgresConfig::attempt_timeout", PG, "attempt_timeout", Time),
    row(
        "time to wait for PostgreSQL at the start",
        "PostgresConfig::start_deadline",
        PG,
        "start_deadline",
        Time,
    ),
    row("one event", "", "sse-kit-postgres/src/batch.rs", "MAX_RECORD", Bytes),
    row(
        "events that a page may be behind",
        "",
        "sse-kit-postgres/src/archive.rs",
        "FURTHEST",
        Count,
    ),
];

const PROGRAM: &[Limit] = &[
    row("body of `POST /publish`", "", "sse-hub/src/publish.rs", "MAX_DATA", Bytes),
    row("time for that body to arrive", "", "sse-hub/src/publish.rs", "DATA_TIMEOUT", Time),
    row("events of a batch", "", "sse-hub/src/publish/batch.rs", "MAX_EVENTS", Count),
    row("a token", "", "sse-hub/src/auth/presented.rs", "MAX_TOKEN", Bytes),
    row("keys of a JWKS", "", "sse-hub/src/auth/keys.rs", "MAX_KEYS", Count),
    row("users in an answer about presence", "", "sse-hub/src/presence.rs", "MAX_USERS", Count),
    row("streams of the status page", "", "sse-hub/src/hub.rs", "MAX_STATUS_STREAMS", Count),
];
