//! Events, as far as they are recorded.

use std::time::SystemTime;

use sse_kit_broadcast::Entry;
use sse_kit_event::{Audience, EventId};

use crate::text::beginning;

/// The maximum number of bytes of an event's data that are recorded.
pub(crate) const MAX_DATA: usize = 8 << 10;

/// An event, as far as it is recorded.
#[derive(Clone, Debug)]
pub(crate) struct SeenEvent {
    pub(crate) number: u64,
    pub(crate) at: SystemTime,
    pub(crate) id: EventId,
    pub(crate) audience: Audience,
    pub(crate) name: String,
    pub(crate) key: Option<String>,
    /// The beginning of the data.
    pub(crate) data: String,
    /// The size of all of the data, in bytes.
    pub(crate) bytes: usize,
}

impl SeenEvent {
    /// Decodes an event. It has no number yet.
    pub(crate) fn new(entry: &Entry) -> Self {
        let message = entry.message();
        let (data, is_whole) = beginning(&message.data, MAX_DATA);
        let bytes = message.data.len();
        Self {
            number: 0,
            at: SystemTime::now(),
            id: entry.id(),
            audience: entry.audience().clone(),
            name: message.name,
            key: entry.key().map(ToString::to_string),
            data: if is_whole { message.data } else { data.to_owned() },
            bytes,
        }
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.data.len() == self.bytes
    }
}
