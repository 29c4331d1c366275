//! The events that sse-kit itself sends. Their names begin with `sse-kit:`, and an app cannot
//! publish them.
//!
//! | event | sent | data |
//! |---|---|---|
//! | `sse-kit:hello` | first on every stream | [`Hello`] |
//! | `sse-kit:heartbeat` | once per heartbeat interval | `{}` |
//! | `sse-kit:gap` | in place of events that cannot be delivered | [`Gap`] |
//! | `sse-kit:shutdown` | last on a stream that the server ends; the client should reconnect | `{}` |
//! | `sse-kit:close` | last on a stream that the server ends; the client should not reconnect | `{}` |
//! | `sse-kit:busy` | instead of a stream, if the server is at a limit | `{}` |

use serde::{Deserialize, Serialize};

use crate::connection_id::ConnectionId;
use crate::event::Event;
use crate::id::EventId;
use crate::name::EventName;

/// The prefix of the names of control events.
pub const RESERVED_PREFIX: &str = "sse-kit:";

/// The name of a control event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ControlName {
    /// `sse-kit:hello`: the first event on every stream.
    Hello,
    /// `sse-kit:heartbeat`: sent once per heartbeat interval, so that scripts can tell a quiet
    /// stream from a dead one.
    Heartbeat,
    /// `sse-kit:gap`: sent in place of events that cannot be delivered.
    Gap,
    /// `sse-kit:shutdown`: the last event on a stream that the server ends; the client should
    /// reconnect.
    Shutdown,
    /// `sse-kit:close`: the last event on a stream that the server ends; the client should not
    /// reconnect. Use it as the close event of the page.
    Close,
    /// `sse-kit:busy`: sent instead of a stream if the server is at a limit; the client should
    /// retry later.
    Busy,
}

impl ControlName {
    /// Returns the name on the wire.
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

    /// Creates the event with this name and the data `{}`.
    pub fn event(self) -> Event {
        Event::new("{}").with_name(EventName::control(self))
    }
}

/// The data of `sse-kit:hello`.
///
/// ```
/// use sse_kit_event::control::Hello;
///
/// let hello = Hello::new("5f-12".parse()?, "tab-1".parse()?).event();
/// let text = hello.encode().finish(None);
/// assert!(text.starts_with(b"event: sse-kit:hello\ndata: {\"cursor\":\"5f-12\""));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Hello {
    /// The position at which the stream begins. Every later event follows on the stream, or is
    /// covered by a gap event.
    pub cursor: EventId,
    /// The id of the connection, with which the client can ask the server to exclude it from a
    /// publish.
    pub connection: ConnectionId,
    /// The heartbeat interval in milliseconds; 0 if there are no heartbeats.
    pub heartbeat_ms: u64,
    /// The newest position when a stream that resumes was opened; otherwise the field is left out. A
    /// client without a cursor that shares the stream begins here: what comes before is for the client
    /// that resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<EventId>,
    /// The last ids of earlier epochs that the epoch of `cursor` continues. An id up to one of these
    /// names the same position as that offset in the epoch of `cursor`. Usually there are none, and
    /// the field is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub continues: Vec<EventId>,
}

impl Hello {
    /// Creates the data of a stream that begins at `cursor`, without heartbeats.
    pub const fn new(cursor: EventId, connection: ConnectionId) -> Self {
        Self { cursor, connection, heartbeat_ms: 0, newest: None, continues: Vec::new() }
    }

    /// Creates the event, without an id.
    ///
    /// A stream that resumes, or that begins at the current position, should use the cursor as the
    /// event's id. A client that is cut off before its next event then resumes from the same
    /// position. A stream that begins with a gap must leave the id off: a client that is cut off
    /// between hello and gap would never learn of the gap.
    pub fn event(&self) -> Event {
        let Self { cursor, connection, heartbeat_ms, newest, continues } = self;
        // None of these has a character that JSON escapes.
        let newest = newest.map_or_else(String::new, |id| format!(r#","newest":"{id}""#));
        let ids: Vec<String> = continues.iter().map(|id| format!("\"{id}\"")).collect();
        let continues = match &*ids {
            [] => String::new(),
            ids => format!(r#","continues":[{}]"#, ids.join(",")),
        };
        let data = format!(
            r#"{{"cursor":"{cursor}","connection":"{connection}","heartbeat_ms":{heartbeat_ms}{newest}{continues}}}"#
        );
        Event::new(data).with_name(EventName::control(ControlName::Hello))
    }
}

/// The data of `sse-kit:gap`: events after `from`, up to and including `to`, may be missing.
///
/// The page should reload its content.
///
/// ```
/// use sse_kit_event::control::{Gap, GapReason};
///
/// let gap = Gap::new(None, "5f-12".parse()?, GapReason::Trimmed).event();
/// assert_eq!(gap.data(), r#"{"from":null,"to":"5f-12","reason":"trimmed"}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Gap {
    /// The last event before the gap, if the server knows it.
    pub from: Option<EventId>,
    /// The last event that may be missing.
    pub to: EventId,
    /// The cause of the gap.
    pub reason: GapReason,
}

impl Gap {
    /// Creates the data.
    pub const fn new(from: Option<EventId>, to: EventId, reason: GapReason) -> Self {
        Self { from, to, reason }
    }

    /// Creates the event.
    ///
    /// If the stream continues after `to`, the event's id is `to`, so the client receives the gap
    /// once. If the hub replays history after the gap, the event has no id: until the next event,
    /// the client's cursor stays before the gap.
    pub fn event(&self) -> Event {
        let Self { from, to, reason } = self;
        let from = from.map_or_else(|| "null".to_owned(), |from| format!("\"{from}\""));
        let reason_text = reason.as_str();
        let data = format!(r#"{{"from":{from},"to":"{to}","reason":"{reason_text}"}}"#);
        let event = Event::new(data).with_name(EventName::control(ControlName::Gap));
        match reason {
            GapReason::UnknownEpoch | GapReason::Future | GapReason::Malformed => {
                event.with_id(*to)
            }
            GapReason::Trimmed | GapReason::Lagged | GapReason::Dropped | GapReason::Other => event,
        }
    }
}

/// The cause of a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum GapReason {
    /// History no longer holds events for the client, which resumed from an older one, or was slow to read the history
    /// with which it began.
    Trimmed,
    /// The client resumed from another incarnation of the log, or the log began a new one.
    UnknownEpoch,
    /// The client resumed from an event that does not exist yet.
    Future,
    /// The client sent a last event id that cannot be parsed.
    Malformed,
    /// The client was too slow, and the history no longer holds the next event for it.
    Lagged,
    /// The client was too slow, and its subscription drops the oldest events.
    Dropped,
    /// A cause that this version of the crate does not know: a newer server has sent it.
    #[serde(other)]
    Other,
}

impl GapReason {
    /// Returns the reason as it is on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trimmed => "trimmed",
            Self::UnknownEpoch => "unknown-epoch",
            Self::Future => "future",
            Self::Malformed => "malformed",
            Self::Lagged => "lagged",
            Self::Dropped => "dropped",
            Self::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TextErrorKind, id::Epoch};

    #[test]
    fn control_names_cannot_be_made_by_users() {
        for name in [ControlName::Hello, ControlName::Heartbeat, ControlName::Gap] {
            let error = EventName::new(name.as_str()).unwrap_err();
            assert_eq!(error.kind(), TextErrorKind::Reserved);
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
    }

    #[test]
    fn a_reason_of_a_newer_version_is_a_gap_all_the_same() {
        let data = r#"{"from":null,"to":"1-7","reason":"moon-phase"}"#;
        let gap: Gap = serde_json::from_str(data).unwrap();
        assert_eq!(gap.reason, GapReason::Other);
        assert_eq!(gap.to, EventId::new(Epoch::new(1), 7));
    }

    #[test]
    fn data_is_what_serde_writes() {
        let cursor = EventId::new(Epoch::new(0xbee), 7);
        let connection: ConnectionId = "a.B_c-9".parse().unwrap();
        for (heartbeat_ms, newest, continues) in
            [(0, None, vec![]), (u64::MAX, Some(cursor), vec![cursor]), (1, None, vec![cursor; 3])]
        {
            let begun = Hello::new(cursor, connection.clone());
            let hello = Hello { heartbeat_ms, newest, continues, ..begun };
            assert_eq!(hello.event().data(), serde_json::to_string(&hello).unwrap());
        }
        let reasons = [
            GapReason::Trimmed,
            GapReason::UnknownEpoch,
            GapReason::Future,
            GapReason::Malformed,
            GapReason::Lagged,
            GapReason::Dropped,
            GapReason::Other,
        ];
        for reason in reasons {
            for from in [None, Some(cursor)] {
                let gap = Gap { from, to: cursor, reason };
                assert_eq!(gap.event().data(), serde_json::to_string(&gap).unwrap());
            }
        }
    }
}
