//! One open stream, as the server sees it.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use parking_lot::Mutex;
use serde_json::Value;
use sse_kit_event::Topics;
use tokio::time::Instant;

use crate::counters::Counters;
use crate::history::Candidates;
use crate::ledger::Ledger;
use crate::queue::Queue;
use crate::shard::Place;

/// One open stream: who it is, what it subscribes to, and how it fares.
#[derive(Debug)]
pub struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) topics: Topics,
    pub(crate) metadata: Value,
    pub(crate) connected_at: SystemTime,
    /// Which shard serves it, and where it stands in the shard's lists.
    pub(crate) shard: usize,
    pub(crate) places: OnceLock<Box<[Place]>>,
    pub(crate) left: AtomicBool,
    pub(crate) queue: Mutex<Queue>,
}

impl Connection {
    /// Its id.
    pub fn id(&self) -> &ConnectionId {
        &self.id
    }

    /// What it subscribes to.
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// What the app noted when it subscribed; `null` when that was nothing.
    pub fn metadata(&self) -> &Value {
        &self.metadata
    }

    /// When it was opened.
    pub fn connected_at(&self) -> SystemTime {
        self.connected_at
    }

    /// How it fares just now.
    pub fn state(&self) -> ConnectionState {
        if self.left.load(Ordering::Acquire) {
            return ConnectionState::Closed;
        }
        self.queue.lock().state()
    }

    /// How many events it has taken from its queue.
    pub fn messages_sent(&self) -> u64 {
        self.queue.lock().taken_events()
    }

    /// Gives it its next page of history, if it is behind.
    pub(crate) fn catch_up(&self, ledger: &Ledger, matched: &Candidates, counters: &Counters) {
        let mut queue = self.queue.lock();
        if let Some((after, limit)) = queue.behind() {
            let missed = ledger.missed(after, &self.topics, matched, limit);
            let now_at = ledger.position.offset();
            counters.conflated.add(queue.catch_up(&missed, now_at, &self.id));
        }
    }

    /// When something was last put into its queue, and otherwise when it was opened.
    pub fn last_activity(&self) -> Instant {
        self.queue.lock().last_activity()
    }
}

/// How a connection fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// It is given events as they are published.
    Live,
    /// It is behind, and given what it missed from history.
    CatchingUp,
    /// It is being ended: it may take what is queued, and nothing more.
    Ending,
    /// It is gone.
    Closed,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Departure {
    /// Its [`Subscription`](crate::Subscription) was dropped: the client went away.
    Left,
    /// It could not keep up, and its policy was to be ended then.
    TooSlow,
    /// Another connection was opened with the same id.
    Replaced,
    /// The app ended it.
    Disconnected,
    /// The broadcaster shut down.
    Shutdown,
}

/// Names a connection: given by the app, or made at random.
///
/// At most [`ConnectionId::MAX_LEN`] bytes of `[A-Za-z0-9._-]`. A random one cannot be guessed.
///
/// ```
/// use sse_kit_broadcast::ConnectionId;
///
/// let id: ConnectionId = "tab-1".parse()?;
/// assert!("tab 1".parse::<ConnectionId>().is_err());
/// # Ok::<(), sse_kit_broadcast::ConnectionIdError>(())
/// ```
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct ConnectionId(Arc<str>);

impl ConnectionId {
    /// The longest id, in bytes.
    pub const MAX_LEN: usize = 128;

    /// Checks `id`.
    ///
    /// # Errors
    ///
    /// [`ConnectionIdError`] says what is wrong with it.
    pub fn new(id: &str) -> Result<Self, ConnectionIdError> {
        if id.is_empty() || id.len() > Self::MAX_LEN {
            return Err(ConnectionIdError::Length { bytes: id.len() });
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match id.chars().find(|c| !plain(*c)) {
            Some(found) => Err(ConnectionIdError::Character { found }),
            None => Ok(Self(id.into())),
        }
    }

    /// 128 random bits, for a page that is to know the id of its connection before it has one.
    ///
    /// # Errors
    ///
    /// When the operating system has no random number.
    pub fn random() -> Result<Self, getrandom::Error> {
        let bits = u128::from(getrandom::u64()?) << 64 | u128::from(getrandom::u64()?);
        Ok(Self(format!("{bits:032x}").into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ConnectionId {
    type Err = ConnectionIdError;

    fn from_str(id: &str) -> Result<Self, Self::Err> {
        Self::new(id)
    }
}

impl TryFrom<String> for ConnectionId {
    type Error = ConnectionIdError;

    fn try_from(id: String) -> Result<Self, Self::Error> {
        Self::new(&id)
    }
}

impl From<ConnectionId> for String {
    fn from(id: ConnectionId) -> Self {
        id.as_str().to_owned()
    }
}

/// Why a text is no connection id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionIdError {
    /// It is empty or longer than [`ConnectionId::MAX_LEN`].
    #[error("a connection id has 1 to {max} bytes, not {bytes}", max = ConnectionId::MAX_LEN)]
    Length {
        /// Its length in bytes.
        bytes: usize,
    },
    /// It holds another character than `[A-Za-z0-9._-]`.
    #[error("a connection id is made of letters, digits and `._-`, but this one has {found:?}")]
    Character {
        /// The first of them.
        found: char,
    },
}
