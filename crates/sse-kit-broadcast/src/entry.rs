//! An event in the log.

use std::fmt;
use std::sync::OnceLock;

use bytes::Bytes;
use sse_kit_event::{Audience, ConnectionId, EventId, EventKey, Topic};
use tokio::time::Instant;

use crate::connection_set::ConnectionSet;
use crate::record::Record;

/// An event to which the log has assigned an id: immutable, and shared by all its receivers.
pub struct Entry {
    pub(crate) id: EventId,
    pub(crate) audience: Audience,
    pub(crate) key: Option<EventKey>,
    pub(crate) except: ConnectionSet,
    pub(crate) frame: Bytes,
    pub(crate) at: Instant,
    pub(crate) compressed: OnceLock<Bytes>,
}

impl Entry {
    pub(crate) fn new(id: EventId, record: Record) -> Self {
        let Record { audience, key, except, event } = record;
        Self {
            id,
            audience,
            key,
            except,
            frame: event.finish(Some(id)),
            at: Instant::now(),
            compressed: OnceLock::new(),
        }
    }

    /// Returns the position in the log.
    pub fn id(&self) -> EventId {
        self.id
    }

    /// Returns the receivers that the event was published for.
    pub fn audience(&self) -> &Audience {
        &self.audience
    }

    /// Returns the topic of the event; `None` if it has several topics or is for everyone.
    pub fn topic(&self) -> Option<&Topic> {
        self.audience.topic()
    }

    /// Returns the key for conflation, if the event has one.
    pub fn key(&self) -> Option<&EventKey> {
        self.key.as_ref()
    }

    /// Returns the event in the `text/event-stream` format, with its id.
    pub fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// Returns the compressed frame. The first call makes it with `compress`, later calls reuse it,
    /// so all callers must use the same compression.
    ///
    /// The compressed form lives as long as the event and does not count toward the limits of
    /// history.
    pub fn compressed(&self, compress: impl FnOnce(&Bytes) -> Bytes) -> &Bytes {
        self.compressed.get_or_init(|| compress(&self.frame))
    }

    /// Returns the memory that the event takes, in bytes: the frame and an estimate for the
    /// structures around it.
    pub(crate) fn weight(&self) -> usize {
        const OVERHEAD: usize = 256;
        self.frame.len() + OVERHEAD
    }

    #[inline]
    pub(crate) fn leaves_out(&self, connection: &ConnectionId) -> bool {
        self.except.contains(connection)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("id", &format_args!("{}", self.id))
            .field("audience", &format_args!("{}", self.audience))
            .field("bytes", &self.frame.len())
            .finish_non_exhaustive()
    }
}
