//! How a log on Redis is set up.

use std::fmt;
use std::time::Duration;

use sse_kit_event::Topic;

use crate::address::Address;

/// The longest time that a setting takes; longer ones are shortened to this. A hundred years.
const MAX_TIME: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The shortest and the longest tick. Nodes that are silent for longer than some ticks are forgotten.
const TICKS: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(2)];

/// The largest number that Redis takes.
const MAX_COUNT: u64 = i64::MAX.unsigned_abs();

/// The largest record that Redis could take: half of what it allows for one text.
const LARGEST_RECORD: usize = 256 << 20;

/// Where the log is, what it keeps, and how long to wait for it.
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
    /// The log at this address:
    ///
    /// | address | server |
    /// |---|---|
    /// | `redis://[user:password@]host[:port][/db]` | this one |
    /// | `redis+unix:///path` | this one, on the same machine |
    /// | `redis+sentinel://[user:password@]host:port,…/name[/db]` | the primary that the sentinels know by this name |
    /// | `redis+cluster://[user:password@]host:port,…` | the node of the cluster that has the slot of the log |
    ///
    /// With the feature `tls` the same with `rediss`. Sentinels and nodes are asked again for every
    /// new connection, and one that does not answer is passed over; at most 16 of them may be named.
    /// Sentinels are asked without a password.
    ///
    /// # Errors
    ///
    /// When it is no such address.
    pub fn new(url: &str) -> Result<Self, RedisConfigError> {
        let address = Address::parse(url).map_err(RedisConfigError)?;
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

    /// The name of the log; nodes with the same name share it. Default: `sse-kit`.
    pub fn name(self, name: LogName) -> Self {
        Self { name, ..self }
    }

    /// About how many records Redis keeps, at least this many. Default: 100,000.
    pub fn keep_events(self, events: u64) -> Self {
        Self { keep_events: events.clamp(1, MAX_COUNT), ..self }
    }

    /// How long Redis keeps a record at most, to about [`RedisConfig::tick`]. Default: as long as there
    /// is room.
    pub fn keep_for(self, age: Duration) -> Self {
        Self { keep_for: Some(age.min(MAX_TIME)), ..self }
    }

    /// How many of the newest records a node reads when it starts, to serve clients that resume on it.
    /// They go through memory once, and stay as far as the hub keeps history. Default: 10,000.
    pub fn warm_up(self, events: u64) -> Self {
        Self { warm_up: events, ..self }
    }

    /// How long an append may take, retries included, before it is an error. Default: 3 s.
    pub fn append_deadline(self, deadline: Duration) -> Self {
        Self { append_deadline: deadline.min(MAX_TIME), ..self }
    }

    /// How long to wait for a connection, or for one reply, before it is tried again on a new
    /// connection. Default: 1 s.
    pub fn attempt_timeout(self, timeout: Duration) -> Self {
        Self { attempt_timeout: timeout.min(MAX_TIME), ..self }
    }

    /// How long Redis knows the idempotency key of a record: longer than any publisher retries. Each
    /// key takes about 150 bytes there meanwhile. Default: 120 s.
    ///
    /// A window shorter than [`RedisConfig::append_deadline`] and [`RedisConfig::attempt_timeout`]
    /// together could let a retry append twice; [`RedisLog::connect`](crate::RedisLog::connect)
    /// refuses it.
    pub fn idempotency(self, window: Duration) -> Self {
        Self { idempotency: window.min(MAX_TIME), ..self }
    }

    /// The largest record that is appended, in bytes; at most 256 MiB. Default: 8 MiB.
    pub fn max_record_bytes(self, bytes: usize) -> Self {
        Self { max_record_bytes: bytes.min(LARGEST_RECORD), ..self }
    }

    /// How often the state of the log is looked at, at least every 2 s: a log that was wiped is noticed
    /// within this and the time that it takes to connect. Default: 1 s.
    pub fn tick(self, every: Duration) -> Self {
        Self { tick: every.clamp(TICKS[0], TICKS[1]), ..self }
    }

    /// How long the log waits for its nodes after another server has taken over, or the same one was
    /// started again. Default: 2 s.
    ///
    /// Redis may have lost the end of the log then. The log takes no events until every node that
    /// was there in the last ten seconds has looked, and goes on in the same epoch when none of them
    /// knows of more than Redis has. When a node does not come in time, the log begins a new epoch,
    /// and every page is told of a gap.
    pub fn roll_call(self, patience: Duration) -> Self {
        Self { roll_call: patience.min(MAX_TIME), ..self }
    }

    /// How long [`RedisLog::connect`](crate::RedisLog::connect) tries again while Redis cannot be
    /// reached. Default: 10 s.
    pub fn start_deadline(self, deadline: Duration) -> Self {
        Self { start_deadline: deadline.min(MAX_TIME), ..self }
    }

    /// The shortest idempotency window with which no retry can append twice.
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

/// Without the address, which may hold a password.
impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig").field("name", &self.name.0).finish_non_exhaustive()
    }
}

/// Why a text is no address of a Redis server.
#[derive(Debug, thiserror::Error)]
#[error("not the address of a Redis server")]
pub struct RedisConfigError(#[source] redis::RedisError);

/// Names a log in Redis: 1 to 64 letters, digits and `._-`.
///
/// It is the hash tag of all its keys, so that a cluster keeps them in one slot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogName(String);

impl LogName {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 64;
}

impl std::str::FromStr for LogName {
    type Err = LogNameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let fits = (1..=Self::MAX_LEN).contains(&name.len());
        if fits && name.bytes().all(plain) { Ok(Self(name.to_owned())) } else { Err(LogNameError) }
    }
}

/// Why a text is no name of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of a log is 1 to 64 letters, digits and `._-`")]
pub struct LogNameError;

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
        assert_eq!("a}b".parse::<LogName>(), Err(LogNameError));
        assert_eq!("".parse::<LogName>(), Err(LogNameError));
    }

    #[test]
    fn passwords_are_not_printed() {
        let config = RedisConfig::new("redis://u:secret@localhost").unwrap();
        assert!(!format!("{config:?}").contains("secret"));
        assert!(RedisConfig::new("http://localhost").is_err());
    }
}
