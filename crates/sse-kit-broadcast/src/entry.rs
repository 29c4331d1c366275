//! One event as it stands in the log.

use std::fmt;
use std::sync::OnceLock;

use bytes::Bytes;
use sse_kit_event::{Audience, ConnectionId, Decoded, Decoder, EventId, EventKey, Message, Topic};
use tokio::time::Instant;

use crate::connection_set::ConnectionSet;
use crate::record::Record;

/// An event that the log has given an id: immutable, and shared by all who are sent it.
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

    /// Its place in the log.
    pub fn id(&self) -> EventId {
        self.id
    }

    /// Whom it was published for.
    pub fn audience(&self) -> &Audience {
        &self.audience
    }

    /// The topic it was published to; `None` when it went to several, or to everyone.
    pub fn topic(&self) -> Option<&Topic> {
        self.audience.topic()
    }

    /// What it is about, for conflation.
    pub fn key(&self) -> Option<&EventKey> {
        self.key.as_ref()
    }

    /// The event in the format of `text/event-stream`, with its id.
    pub fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// Returns the event as a client reads it: its name, its data and its id.
    ///
    /// The frame is decoded anew at each call, so this is for tests and inspectors and not for what
    /// every delivery does.
    ///
    /// ```
    /// use sse_kit_broadcast::Hub;
    /// use sse_kit_event::{Event, Topic};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let hub = Hub::new();
    /// let mut tap = hub.tap();
    /// let topic: Topic = "jobs".parse()?;
    /// let event = Event::new("40 %").with_name("progress".parse()?);
    /// let receipt = hub.publish(&topic, event).await?;
    ///
    /// let message = tap.recv().await?.message();
    /// assert_eq!((&*message.name, &*message.data), ("progress", "40 %"));
    /// assert_eq!(message.last_event_id, receipt.id.to_string());
    /// # Ok(()) }
    /// ```
    pub fn message(&self) -> Message {
        decoded(&self.frame)
    }

    /// The frame in a compressed form, which `compress` makes for the first who asks; for all others
    /// it is there. There is one such form, so all who ask must ask for the same.
    ///
    /// It is kept as long as the event is, and is not counted towards the bounds of history.
    pub fn compressed(&self, compress: impl FnOnce(&Bytes) -> Bytes) -> &Bytes {
        self.compressed.get_or_init(|| compress(&self.frame))
    }

    /// What it costs to keep, in bytes: the frame, and about this much for what surrounds it.
    pub(crate) fn weight(&self) -> usize {
        const OVERHEAD: usize = 256;
        self.frame.len() + OVERHEAD
    }

    #[inline]
    pub(crate) fn leaves_out(&self, connection: &ConnectionId) -> bool {
        self.except.contains(connection)
    }
}

/// Decodes a frame that was encoded by us.
pub(crate) fn decoded(frame: &[u8]) -> Message {
    let mut decoder = Decoder::with_limit(frame.len());
    decoder.push(frame).expect("no line is longer than the frame");
    let mut all = std::iter::from_fn(|| decoder.pop());
    let message = all.find_map(|decoded| match decoded {
        Decoded::Message(message) => Some(message),
        _ => None,
    });
    message.expect("every event that is encoded has data")
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
