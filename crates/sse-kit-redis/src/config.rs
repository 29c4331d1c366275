//! The settings of a log on Redis.

use std::fmt;
use std::time::Duration;

use sse_kit_event::{TextError, TextErrorKind, Topic, text_type};

use crate::address::Address;
use crate::redis_log::RedisConnectError;

/// The maximum of every duration: a hundred years. Longer ones are reduced to it.
const MAX_TIME: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The minimum and maximum tick. A node that is silent for some ticks is forgotten.
const TICKS: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(2)];

/// The largest count that Redis accepts.
const MAX_COUNT: u64 = i64::MAX.unsigned_abs();

/// The largest record that Redis could store: half of its limit for one string.
const LARGEST_RECORD: usize = 256 << 20;

/// The settings of a log on Redis: its address, retention and timeouts.
///
/// ```
/// use std::time::Duration;
/// use sse_kit_redis::RedisConfig;
///
/// let config = RedisConfig::new("redis://127.0.0.1:6379")?
///     .name("shop".parse()?)
///     .keep_events(200_000)
///     .keep_for(Duration::from_secs(3600));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RedisConfig {
    pub(crate) address: Address,
    pub(crate) name: LogName,
    pub(crate) keep_events: u64,
    pub(crate) keep_for: Option<Duration>,
    pub(crate) warm_up: u64,
    pub(crate) append_deadline: Duration,
    pub(crate) attempt_timeout: Duration,
    pub(crate) idempotency: Duration,
    pub(crate) max_record_bytes: usize,
    pub(crate) tick: Duration,
    pub(crate) roll_call: Duration,
    pub(crate) start_deadline: Duration,
}

impl RedisConfig {
    /// Creates the settings for the log at this address:
    ///
    /// | address | server |
    /// |---|---|
    /// | `redis://[user:password@]host[:port][/db]` | this one |
    /// | `redis+unix:///path` | this one, on the same machine |
    /// | `redis+sentinel://[user:password@]host:port,…/name[/db]` | the primary that the sentinels know by this name |
    /// | `redis+cluster://[user:password@]host:port,…` | the node of the cluster that has the slot of the log |
    ///
    /// With the feature `tls`, the schemes `rediss…` do the same over TLS. For every new
    /// connection, the node asks the sentinels or cluster nodes again and skips those that do not
    /// answer; an address may name at most 16. Sentinels are asked without a password.
    ///
    /// # Errors
    ///
    /// [`RedisConnectError::Address`] if `url` is not such an address.
    pub fn new(url: &str) -> Result<Self, RedisConnectError> {
        let address =
            Address::parse(url).map_err(|error| RedisConnectError::Address(error.into()))?;
        Ok(Self {
            address,
            name: LogName(String::from("sse-kit")),
            keep_events: 100_000,
            keep_for: None,
            warm_up: 10_000,
            append_deadline: Duration::from_secs(3),
            attempt_timeout: Duration::from_secs(1),
            idempotency: Duration::from_secs(120),
            max_record_bytes: 8 << 20,
            tick: Duration::from_secs(1),
            roll_call: Duration::from_secs(2),
            start_deadline: Duration::from_secs(10),
        })
    }

    /// Sets the name of the log; nodes with the same name share it. Default: `sse-kit`.
    pub fn name(self, name: LogName) -> Self {
        Self { name, ..self }
    }

    /// Sets the approximate number of records that Redis keeps, a lower bound. Default: 100,000.
    pub fn keep_events(self, events: u64) -> Self {
        Self { keep_events: events.clamp(1, MAX_COUNT), ..self }
    }

    /// Sets the maximum age of records in Redis, accurate to about one [`RedisConfig::tick`].
    /// Default: no limit.
    pub fn keep_for(self, age: Duration) -> Self {
        Self { keep_for: Some(age.min(MAX_TIME)), ..self }
    }

    /// Sets how many of the newest records a node reads at its start, to serve clients that resume
    /// on it. They pass through memory once and stay as long as the hub's history keeps them.
    /// Default: 10,000.
    pub fn warm_up(self, events: u64) -> Self {
        Self { warm_up: events, ..self }
    }

    /// Sets the deadline of an append, including retries. Default: 3 s.
    pub fn append_deadline(self, deadline: Duration) -> Self {
        Self { append_deadline: deadline.min(MAX_TIME), ..self }
    }

    /// Sets the timeout of a connection attempt and of one reply; after it, the node retries on a
    /// new connection. Default: 1 s.
    pub fn attempt_timeout(self, timeout: Duration) -> Self {
        Self { attempt_timeout: timeout.min(MAX_TIME), ..self }
    }

    /// Sets how long Redis remembers the idempotency key of a record. Use more than the time for
    /// which publishers retry. Each key takes about 150 bytes in Redis. Default: 120 s.
    ///
    /// If the window were shorter than [`RedisConfig::append_deadline`] plus
    /// [`RedisConfig::attempt_timeout`], a retry could append twice;
    /// [`RedisLog::connect`](crate::RedisLog::connect) rejects that.
    pub fn idempotency(self, window: Duration) -> Self {
        Self { idempotency: window.min(MAX_TIME), ..self }
    }

    /// Sets the maximum size of a record in bytes, up to 256 MiB. Default: 8 MiB.
    pub fn max_record_bytes(self, bytes: usize) -> Self {
        Self { max_record_bytes: bytes.min(LARGEST_RECORD), ..self }
    }

    /// Sets the interval between checks of the log's state, at most 2 s. A node detects a wiped log
    /// within this interval plus the time to connect. Default: 1 s.
    pub fn tick(self, every: Duration) -> Self {
        Self { tick: every.clamp(TICKS[0], TICKS[1]), ..self }
    }

    /// Sets how long the log waits for its nodes after another server has taken over, or the server
    /// has restarted. Default: 2 s.
    ///
    /// In that case Redis may have lost the end of the log. The log accepts no events until every
    /// node that was active in the last ten seconds has checked it. It continues in the same epoch
    /// if none of them knows more records than Redis has. If a node does not check in time, the log
    /// begins a new epoch, and every page gets a gap.
    pub fn roll_call(self, patience: Duration) -> Self {
        Self { roll_call: patience.min(MAX_TIME), ..self }
    }

    /// Sets how long [`RedisLog::connect`](crate::RedisLog::connect) retries while Redis is
    /// unreachable. Default: 10 s.
    pub fn start_deadline(self, deadline: Duration) -> Self {
        Self { start_deadline: deadline.min(MAX_TIME), ..self }
    }

    /// Returns the shortest idempotency window with which no retry can append twice.
    pub(crate) fn shortest_window(&self) -> Duration {
        self.append_deadline + self.attempt_timeout
    }

    pub(crate) fn stream_key(&self) -> String {
        format!("{{{}}}:log", self.name.0)
    }

    pub(crate) fn meta_key(&self) -> String {
        format!("{{{}}}:meta", self.name.0)
    }

    pub(crate) fn nodes_key(&self) -> String {
        format!("{{{}}}:nodes", self.name.0)
    }

    pub(crate) fn presence_key(&self, topic: &Topic) -> String {
        format!("{{{}}}:presence:{topic}", self.name.0)
    }

    pub(crate) fn once_key(&self, once: &str) -> String {
        format!("{{{}}}:once:{once}", self.name.0)
    }
}

/// Leaves the address out, because it may contain a password.
impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig").field("name", &self.name.0).finish_non_exhaustive()
    }
}

/// The name of a log in Redis: 1 to 64 letters, digits and `._-`.
///
/// It is the hash tag of all its keys, so a cluster keeps them in one slot.
///
/// ```
/// use sse_kit_redis::LogName;
///
/// let name: LogName = "shop.events".parse()?;
/// assert_eq!(name.as_str(), "shop.events");
/// assert!("shop events".parse::<LogName>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogName(String);

impl LogName {
    /// The maximum length of a name, in bytes.
    pub const MAX_LEN: usize = 64;

    /// Parses a name.
    ///
    /// # Errors
    ///
    /// [`TextError`] if `name` breaks one of the rules above.
    pub fn new(name: &str) -> Result<Self, TextError> {
        const WHAT: &str = "the name of a log";
        if name.is_empty() {
            return Err(TextError::empty(WHAT));
        }
        if name.len() > Self::MAX_LEN {
            return Err(TextError::too_long(name, WHAT, Self::MAX_LEN));
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match name.chars().find(|c| !is_plain(*c)) {
            Some(found) => {
                let rule = format!("it contains {found:?}; use only letters, digits and `._-`");
                Err(TextError::new(name, WHAT, TextErrorKind::Character, rule))
            }
            None => Ok(Self(name.to_owned())),
        }
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

text_type!(LogName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_are_in_the_slot_of_the_name() {
        let config = RedisConfig::new("redis://localhost").unwrap().name("shop".parse().unwrap());
        for key in
            [config.stream_key(), config.meta_key(), config.nodes_key(), config.once_key("{x}")]
        {
            assert!(key.starts_with("{shop}:"), "{key}");
        }
        let kind = |name: &str| LogName::new(name).err().map(|error| error.kind());
        assert_eq!(kind("a}b"), Some(TextErrorKind::Character));
        assert_eq!(kind(""), Some(TextErrorKind::Empty));
        assert_eq!(kind(&"a".repeat(65)), Some(TextErrorKind::TooLong));
    }

    #[test]
    fn passwords_are_not_printed() {
        let config = RedisConfig::new("redis://u:secret@localhost").unwrap();
        assert!(!format!("{config:?}").contains("secret"));
        assert!(RedisConfig::new("http://localhost").is_err());
    }
}
