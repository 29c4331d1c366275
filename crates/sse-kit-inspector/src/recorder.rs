//! The record of what happened last.

use std::time::SystemTime;

use parking_lot::Mutex;
use sse_kit_broadcast::{CloseReason, Connection, ConnectionEvent, Entry, Stats};

use crate::builder::Describe;
use crate::chart::Rates;
use crate::described::Described;
use crate::ring::Ring;
use crate::seen_event::SeenEvent;

/// The numbers of events, of things that happened to connections, and of traces that are kept.
const EVENTS: usize = 256;
const HAPPENINGS: usize = 128;
#[cfg(feature = "dispatch")]
const TRACES: usize = 128;

/// The record of what happened last. All of it is bounded.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) recorded: Mutex<Recorded>,
    describe: Describe,
}

#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) events: Ring<SeenEvent>,
    /// The number of events that were not recorded, because there were too many at a time.
    pub(crate) skipped: u64,
    pub(crate) happenings: Ring<Happening>,
    pub(crate) missed_happenings: u64,
    #[cfg(feature = "dispatch")]
    pub(crate) traces: Ring<crate::dispatch::Traced>,
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
            events: Ring::new(EVENTS),
            skipped: 0,
            happenings: Ring::new(HAPPENINGS),
            missed_happenings: 0,
            #[cfg(feature = "dispatch")]
            traces: Ring::new(TRACES),
            rates: Rates::default(),
        };
        Self { recorded: Mutex::new(recorded), describe }
    }

    pub(crate) fn event(&self, entry: &Entry) {
        // Decoded before the lock is taken.
        let seen = SeenEvent::new(0, entry);
        self.recorded.lock().events.push(|number| SeenEvent { number, ..seen });
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
        self.recorded.lock().skipped += events;
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
