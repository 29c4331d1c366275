//! The position that a reconnecting client sends.

use crate::id::EventId;
use crate::text::TextError;

/// The last event id that a reconnecting client sends, in the `Last-Event-ID` header or in a query
/// parameter ([HTML standard, section 9.2.4][spec]).
///
/// A client may send anything. A text that is not an event id is kept as [`LastEventId::Unusable`]:
/// the client believes that it has seen something, so the hub sends it a gap event.
///
/// ```
/// use sse_kit_event::LastEventId;
///
/// assert_eq!(LastEventId::parse(b""), None);
/// assert!(matches!(LastEventId::parse(b"5f-12"), Some(LastEventId::Known(_))));
/// assert!(matches!(LastEventId::parse(b"' OR 1=1"), Some(LastEventId::Unusable(_))));
/// ```
///
/// [spec]: https://html.spec.whatwg.org/multipage/server-sent-events.html#the-last-event-id-header
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastEventId {
    /// An id in the form of this crate. Only the log can tell whether it still holds that event.
    Known(EventId),
    /// A text that is not an event id.
    Unusable(TextError),
}

impl LastEventId {
    /// Parses the bytes that a client sent. Returns `None` if they are empty, as they are before
    /// the first event.
    pub fn parse(sent: &[u8]) -> Option<Self> {
        if sent.is_empty() {
            return None;
        }
        // The replacement character is in no id, so a text that is not UTF-8 is none either.
        Some(match String::from_utf8_lossy(sent).parse() {
            Ok(id) => Self::Known(id),
            Err(error) => Self::Unusable(error),
        })
    }
}

impl From<EventId> for LastEventId {
    fn from(id: EventId) -> Self {
        Self::Known(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bytes_a_client_can_send_are_taken_for_nothing() {
        for sent in [&b"\xff\xfe"[..], b"\0", b" ", &[b'9'; 10_000]] {
            assert!(matches!(LastEventId::parse(sent), Some(LastEventId::Unusable(_))));
        }
    }
}
