//! The events that sse-kit itself sends. Their names begin with `sse-kit:`, and no user can publish
//! them.
//!
//! | event | when | data |
//! |---|---|---|
//! | `sse-kit:hello` | first on every stream | [`Hello`] |
//! | `sse-kit:heartbeat` | in every heartbeat interval | `{}` |
//! | `sse-kit:gap` | where events are missing for good | [`Gap`] |
//! | `sse-kit:shutdown` | last on a stream that the server ends: come back | `{}` |
//! | `sse-kit:close` | last on a stream that the server ends: stay away | `{}` |
//! | `sse-kit:busy` | instead of a stream, when the server has no room | `{}` |

use serde::{Deserialize, Serialize};

use crate::connection_id::ConnectionId;
use crate::event::Event;
use crate::id::EventId;
use crate::name::EventName;

/// What the names of control events begin with.
pub const RESERVED_PREFIX: &str = "sse-kit:";

/// The name of a control event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ControlName {
    /// First on every stream.
    Hello,
    /// In every heartbeat interval, so that scripts can tell a quiet stream from a dead one.
    Heartbeat,
    /// Where events are missing for good.
    Gap,
    /// Last on a stream that the server ends; the client should come back.
    Shutdown,
    /// Last on a stream that the server ends; the client should stay away. Bind it as the close
    /// event of the page.
    Close,
    /// Instead of a stream, when the server has no room; the client should come back later.
    Busy,
}

impl ControlName {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hello => "sse-kit:hello",
            Self::Heartbeat => "sse-kit:heartbeat",
            Self::Gap => "sse-kit:gap",
            Self::Shutdown => "sse-kit:shutdown",
            Self::Close => "sse-kit:close",
            Self::Busy => "sse-kit:busy",
        }
    }

    /// The event of this name that says nothing but its name.
    pub fn event(self) -> Event {
        Event::new("{}").with_name(EventName::control(self))
    }
}

/// The data of `sse-kit:hello`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Where the stream begins: what comes after this id is on it, or behind a gap event.
    pub cursor: EventId,
    /// The id of the connection, by which the server can be asked to leave it out.
    pub connection: ConnectionId,
    /// How often a heartbeat comes, in milliseconds; 0 when none does.
    pub heartbeat_ms: u64,
}

impl Hello {
    /// The event, without an id. A stream that begins where the client left off, or anew, gives it
    /// the cursor as its id: then a client that is cut off before the first event of its own still
    /// resumes where it began. A stream that begins with a gap must not, as a client that is cut off
    /// in between would never learn of the gap.
    pub fn event(&self) -> Event {
        Event::new(to_json(self)).with_name(EventName::control(ControlName::Hello))
    }
}

/// The data of `sse-kit:gap`: events after `from`, up to and including `to`, may be missing.
///
/// What the page shows should be loaded anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The last event before the gap, where the server can tell.
    pub from: Option<EventId>,
    /// The last event that may be missing.
    pub to: EventId,
    /// What happened.
    pub reason: GapReason,
}

impl Gap {
    /// The event.
    ///
    /// Where the stream goes on after `to`, that is its id, and so the client is told once. Where
    /// history is replayed it has none: until the next event the client's cursor stays before the
    /// gap.
    pub fn event(&self) -> Event {
        let event = Event::new(to_json(self)).with_name(EventName::control(ControlName::Gap));
        match self.reason {
            GapReason::UnknownEpoch | GapReason::Future | GapReason::Malformed => {
                event.with_id(self.to)
            }
            GapReason::Trimmed | GapReason::Lagged | GapReason::Dropped => event,
        }
    }
}

/// Why events are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum GapReason {
    /// The client resumed from an event that history does not reach back to.
    Trimmed,
    /// The client resumed from another life of the log, or the log has begun another one.
    UnknownEpoch,
    /// The client resumed from an event that is yet to come.
    Future,
    /// What the client sent as its last event id is none.
    Malformed,
    /// The client was too slow, and history does not reach back to where it stopped.
    Lagged,
    /// The client was too slow, and its subscription drops the oldest events then.
    Dropped,
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("structs of numbers and texts are always JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EventNameError, id::Epoch};

    #[test]
    fn control_names_cannot_be_made_by_users() {
        for name in [ControlName::Hello, ControlName::Heartbeat, ControlName::Gap] {
            assert_eq!(EventName::new(name.as_str()), Err(EventNameError::Reserved));
            assert!(name.event().name().unwrap().is_control());
        }
    }

    #[test]
    fn a_gap_moves_the_cursor_only_where_nothing_before_its_end_follows() {
        let to = EventId::new(Epoch::new(1), 7);
        let gap = |reason| Gap { from: None, to, reason }.event();
        for reason in [GapReason::UnknownEpoch, GapReason::Future, GapReason::Malformed] {
            assert_eq!(gap(reason).id(), Some(to));
        }
        for reason in [GapReason::Trimmed, GapReason::Lagged, GapReason::Dropped] {
            assert_eq!(gap(reason).id(), None);
        }
        assert_eq!(
            gap(GapReason::UnknownEpoch).data(),
            r#"{"from":null,"to":"1-7","reason":"unknown-epoch"}"#
        );
    }
}
