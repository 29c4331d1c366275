//! The record of what happened last.

use std::sync::{Arc, Weak};
use std::time::SystemTime;

use parking_lot::Mutex;
use sse_kit_broadcast::{CloseReason, Connection, ConnectionEvent, Entry, Stats};

use crate::builder::Describe;
use crate::chart::Rates;
use crate::described::Described;
use crate::filter::View;
use crate::ring::Ring;
use crate::seen_event::SeenEvent;
use crate::seen_events::SeenEvents;

/// The numbers of things that happened to connections, and of traces, that are kept.
const HAPPENINGS: usize = 128;
#[cfg(feature = "dispatch")]
const TRACES: usize = 128;

/// The record of what happened last. All of it is bounded.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) recorded: Mutex<Recorded>,
    /// Apart from the rest, as the app's dispatches take this lock.
    #[cfg(feature = "dispatch")]
    pub(crate) traces: Mutex<Ring<crate::dispatch::Traced>>,
    describe: Describe,
    /// The views of open pages that filter for topics.
    filters: Mutex<Vec<Weak<View>>>,
}

#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) events: SeenEvents,
    pub(crate) happenings: Ring<Happening>,
    pub(crate) missed_happenings: u64,
    pub(crate) rates: Rates,
}

/// Something that happened to a connection.
#[derive(Clone, Debug)]
pub(crate) struct Happening {
    pub(crate) number: u64,
    pub(crate) at: SystemTime,
    pub(crate) kind: HappeningKind,
    pub(crate) connection: String,
    pub(crate) described: Described,
    pub(crate) detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HappeningKind {
    Opened,
    Gap,
    Closed,
    Evicted,
}

impl HappeningKind {
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
            events: SeenEvents::new(),
            happenings: Ring::new(HAPPENINGS),
            missed_happenings: 0,
            rates: Rates::default(),
        };
        Self {
            recorded: Mutex::new(recorded),
            #[cfg(feature = "dispatch")]
            traces: Mutex::new(Ring::new(TRACES)),
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
        self.recorded.lock().events.push(event, is_wanted);
    }

    pub(crate) fn happening(&self, event: &ConnectionEvent) {
        let (connection, kind, detail) = match event {
            ConnectionEvent::Opened(connection) => {
                (connection, HappeningKind::Opened, String::new())
            }
            ConnectionEvent::Gap(connection, gap) => {
                let from = gap.from.map_or_else(|| "the start".to_owned(), |id| id.to_string());
                let detail = format!("{}: from {from} to {}", gap.reason.as_str(), gap.to);
                (connection, HappeningKind::Gap, detail)
            }
            ConnectionEvent::Closed(connection, why) => {
                let kind = match why {
                    CloseReason::TooSlow => HappeningKind::Evicted,
                    _ => HappeningKind::Closed,
                };
                (connection, kind, reason(*why).to_owned())
            }
            _ => return,
        };
        let described = self.describe(connection);
        let (connection, at) = (connection.id().to_string(), SystemTime::now());
        self.recorded.lock().happenings.push(|number| Happening {
            number,
            at,
            kind,
            connection,
            described,
            detail,
        });
    }

    pub(crate) fn describe(&self, connection: &Connection) -> Described {
        self.describe.call(connection)
    }

    pub(crate) fn skip(&self, events: u64) {
        self.recorded.lock().events.skipped += events;
    }

    pub(crate) fn miss_happenings(&self, happenings: u64) {
        self.recorded.lock().missed_happenings += happenings;
    }

    /// Takes the counters of the hub, once a second.
    pub(crate) fn sample(&self, stats: &Stats) {
        self.recorded.lock().rates.sample(stats);
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
