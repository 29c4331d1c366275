//! An event in the log.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use sse_kit_event::{
    Audience, ConnectionId, Decoded, Decoder, EventId, EventKey, Message, Topic, TraceContext,
};
use tokio::time::Instant;

use crate::compressed::Forms;
use crate::connection_set::ConnectionSet;
use crate::ledger::{BYTES_OVERHEAD, Ledger, Share};
use crate::record::Record;

/// An event to which the log has assigned an id: immutable, and shared by all its receivers.
pub struct Entry {
    pub(crate) id: EventId,
    pub(crate) audience: Audience,
    pub(crate) key: Option<EventKey>,
    pub(crate) except: ConnectionSet,
    pub(crate) trace: Option<Box<TraceContext>>,
    pub(crate) frame: Bytes,
    pub(crate) at: Instant,
    /// The compressed forms. Boxed, as most events have none.
    pub(crate) forms: OnceLock<Box<Forms>>,
    /// The share in the memory of history; `None` for a copy that one connection read from the log.
    share: Option<Share>,
}

impl Entry {
    /// Creates an event of history, which all its receivers share.
    pub(crate) fn shared(id: EventId, record: Record, ledger: &Arc<Ledger>) -> Self {
        Self { share: Some(Share::new(ledger)), ..Self::new(id, record) }
    }

    /// Creates a copy for one connection.
    pub(crate) fn new(id: EventId, record: Record) -> Self {
        let Record { audience, key, except, event, trace } = record;
        Self {
            id,
            audience,
            key,
            except,
            trace,
            frame: event.finish(Some(id)),
            at: Instant::now(),
            forms: OnceLock::new(),
            share: None,
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

    /// Returns the trace of the request that caused the event, if the publisher had one and the log
    /// keeps it.
    pub fn trace_context(&self) -> Option<TraceContext> {
        self.trace.as_deref().copied()
    }

    /// Returns the event in the `text/event-stream` format, with its id.
    pub fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// Returns the event as a client reads it: its name, its data and its id.
    ///
    /// The frame is decoded again at each call, so this is for tests and inspectors and not for what
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

    /// Returns the number by which streams know the event; `None` for a copy of one connection.
    pub(crate) fn number(&self) -> Option<u64> {
        self.share.as_ref().map(Share::number)
    }

    /// Returns the share in the memory of history; `None` for a copy of one connection.
    pub(crate) fn share(&self) -> Option<&Share> {
        self.share.as_ref()
    }

    /// Adds the bytes of a compressed form to those of history.
    pub(crate) fn account_for(&self, bytes: usize) {
        if let Some(share) = &self.share {
            share.add(bytes);
        }
    }

    /// Returns the memory that the event takes without its compressed forms, in bytes. The name of a
    /// single topic is that of the topic, and not counted.
    pub(crate) fn weight(&self) -> usize {
        /// The counts of an [`Arc`].
        const COUNTS: usize = 2 * size_of::<usize>();
        /// The room in a frame for the longest id, of which an id takes about half.
        const ROOM_LEFT: usize = 16;
        let text = |text: &str| COUNTS + text.len();
        let frame = self.frame.len() + ROOM_LEFT + BYTES_OVERHEAD;
        let topics = match &self.audience {
            Audience::Topic(_) | Audience::Everyone => &[],
            several => several.topics(),
        };
        let topics = topics.iter().map(|topic| size_of::<Topic>() + text(topic.as_str()));
        let key = self.key.as_ref().map_or(0, |key| text(key.as_str()));
        let except = self.except.as_slice().iter();
        let except = except.map(|id| size_of::<ConnectionId>() + text(id.as_str()));
        let trace = self.trace.as_ref().map_or(0, |_| size_of::<TraceContext>());
        let texts = topics.sum::<usize>() + key + except.sum::<usize>() + trace;
        COUNTS + size_of::<Self>() + frame + texts
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
