//! The record of what happened last.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use sse_kit_broadcast::{CloseReason, Connection, ConnectionEvent, Entry, Stats};
use sse_kit_event::Topics;

use crate::builder::Describe;
use crate::chart::Rates;
use crate::client_info::ClientInfo;
use crate::filter::View;
use crate::ring::Ring;
use crate::samples::Samples;
use crate::seen_event::SeenEvent;

/// The number of events that are kept of each kind: samples of all, and those that open pages filter
/// for.
const EVENTS: usize = 256;

/// The numbers that are kept of connections that opened or closed, of gaps and evictions, of traces,
/// and of notices.
const CONNECTION_EVENTS: usize = 128;
#[cfg(feature = "dispatch")]
const TRACES: usize = 128;
const NOTICES: usize = 16;

/// The record of what happened last. All of it is bounded.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) recorded: Mutex<Recorded>,
    /// Apart from the rest, as the app's dispatches take this lock.
    #[cfg(feature = "dispatch")]
    pub(crate) traces: Mutex<Ring<crate::dispatch::Traced>>,
    #[cfg(feature = "dispatch")]
    pub(crate) trace_budget: Mutex<crate::dispatch::TraceBudget>,
    /// The outcomes of actions, for browsers without script.
    notices: Mutex<Ring<String>>,
    describe: Describe,
    /// The views of open pages that filter for topics.
    filters: Mutex<Vec<Weak<View>>>,
}

#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) events: Samples<SeenEvent>,
    pub(crate) connection_events: Samples<SeenConnectionEvent>,
    pub(crate) rates: Rates,
}

/// Something that happened to a connection.
#[derive(Clone, Debug)]
pub(crate) struct SeenConnectionEvent {
    pub(crate) number: u64,
    pub(crate) at: SystemTime,
    pub(crate) kind: ConnectionEventKind,
    pub(crate) connection: String,
    pub(crate) topics: Topics,
    pub(crate) client: ClientInfo,
    pub(crate) detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionEventKind {
    Opened,
    Gap,
    Closed,
    Evicted,
}

impl ConnectionEventKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Gap => "gap",
            Self::Closed => "closed",
            Self::Evicted => "evicted",
        }
    }
}

impl Recorder {
    pub(crate) fn new(describe: Describe) -> Self {
        let recorded = Recorded {
            events: Samples::new(EVENTS),
            connection_events: Samples::new(CONNECTION_EVENTS),
            rates: Rates::default(),
        };
        Self {
            recorded: Mutex::new(recorded),
            #[cfg(feature = "dispatch")]
            traces: Mutex::new(Ring::new(TRACES)),
            #[cfg(feature = "dispatch")]
            trace_budget: Mutex::new(crate::dispatch::TraceBudget::begin()),
            notices: Mutex::new(Ring::new(NOTICES)),
            describe,
            filters: Mutex::default(),
        }
    }

    /// Records events apart that a page wants to see, as long as the page is open.
    pub(crate) fn watch_for(&self, view: &Arc<View>) {
        if view.has_topic() {
            self.filters.lock().push(Arc::downgrade(view));
        }
    }

    /// Returns the views of open pages that filter for topics.
    pub(crate) fn filters(&self) -> Vec<Arc<View>> {
        let mut filters = self.filters.lock();
        filters.retain(|view| view.strong_count() > 0);
        filters.iter().filter_map(Weak::upgrade).collect()
    }

    pub(crate) fn event(&self, entry: &Entry, is_wanted: bool) {
        // Decoded before the lock is taken.
        let event = SeenEvent::new(entry);
        self.recorded.lock().events.push(is_wanted, |number| SeenEvent { number, ..event });
    }

    pub(crate) fn connection_event(&self, event: &ConnectionEvent, is_loss: bool) {
        let (connection, kind, detail) = match event {
            ConnectionEvent::Opened(connection) => {
                (connection, ConnectionEventKind::Opened, String::new())
            }
            ConnectionEvent::Gap(connection, gap) => {
                let from = gap.from.map_or_else(|| "the start".to_owned(), |id| id.to_string());
                let detail = format!("{}: from {from} to {}", gap.reason.as_str(), gap.to);
                (connection, ConnectionEventKind::Gap, detail)
            }
            ConnectionEvent::Closed(connection, why) => {
                let kind = match why {
                    CloseReason::TooSlow => ConnectionEventKind::Evicted,
                    _ => ConnectionEventKind::Closed,
                };
                (connection, kind, reason(*why).to_owned())
            }
            _ => return,
        };
        let client = self.describe(connection);
        let (topics, at) = (connection.topics().clone(), SystemTime::now());
        let connection = connection.id().to_string();
        self.recorded.lock().connection_events.push(is_loss, |number| SeenConnectionEvent {
            number,
            at,
            kind,
            connection,
            topics,
            client,
            detail,
        });
    }

    pub(crate) fn describe(&self, connection: &Connection) -> ClientInfo {
        self.describe.call(connection)
    }

    pub(crate) fn skip(&self, events: u64) {
        self.recorded.lock().events.skipped += events;
    }

    pub(crate) fn miss_connection_events(&self, connection_events: u64) {
        self.recorded.lock().connection_events.skipped += connection_events;
    }

    /// Keeps a notice for a while. Returns its number.
    pub(crate) fn keep_notice(&self, notice: &str) -> u64 {
        self.notices.lock().push(|_| notice.to_owned())
    }

    pub(crate) fn notice(&self, number: u64) -> Option<Arc<String>> {
        self.notices.lock().get(number).cloned()
    }

    /// Takes the counters of the hub, this long after the last sample.
    pub(crate) fn sample(&self, stats: &Stats, elapsed: Duration) {
        self.recorded.lock().rates.sample(stats, elapsed);
    }
}

/// Returns the reason for the end of a connection, for people.
fn reason(why: CloseReason) -> &'static str {
    match why {
        CloseReason::ClientGone => "the client went away",
        CloseReason::TooSlow => "the client was too slow",
        CloseReason::Replaced => "a connection with the same id replaced it",
        CloseReason::Disconnected => "the app ended it",
        CloseReason::Expired => "it reached its maximum age",
        CloseReason::Shutdown => "the hub shut down",
        _ => "another reason",
    }
}
