//! The event that an app publishes.

use std::time::Duration;

use crate::id::EventId;
use crate::idempotency::IdempotencyKey;
use crate::key::EventKey;
use crate::name::EventName;

/// One server-sent event: data and, optionally, a name, an id, a reconnection time, a comment, and
/// a [key](EventKey) for conflation.
///
/// ```
/// use std::time::Duration;
/// use sse_kit_event::Event;
///
/// let event = Event::new("two\nlines").with_name("note".parse()?).with_retry(Duration::from_secs(2));
/// assert_eq!(
///     &event.encode().finish(None)[..],
///     b"event: note\ndata: two\ndata: lines\nretry: 2000\n\n",
/// );
/// # Ok::<(), sse_kit_event::TextError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    name: Option<EventName>,
    data: String,
    id: Option<EventId>,
    retry: Option<Duration>,
    comment: Option<String>,
    key: Option<EventKey>,
    once: Option<IdempotencyKey>,
}

impl Event {
    /// Creates an unnamed event with this data.
    ///
    /// Any text is allowed. The format has one kind of line end: a client reads CRLF and CR as LF.
    pub fn new(data: impl Into<String>) -> Self {
        Self {
            name: None,
            data: data.into(),
            id: None,
            retry: None,
            comment: None,
            key: None,
            once: None,
        }
    }

    /// Creates an unnamed event whose data is `value` as JSON.
    ///
    /// ```
    /// # use sse_kit_event::Event;
    /// assert_eq!(Event::json(&[1, 2])?.data(), "[1,2]");
    /// # Ok::<(), sse_kit_event::JsonError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`JsonError`] if `value` cannot be written as JSON, such as a map with keys that are not
    /// strings.
    #[cfg(feature = "json")]
    pub fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<Self, JsonError> {
        serde_json::to_string(value).map(Self::new).map_err(JsonError)
    }

    /// Sets the name. The name `message` is not written: the standard gives it to unnamed events.
    pub fn with_name(self, name: EventName) -> Self {
        Self { name: Some(name), ..self }
    }

    /// Sets the id. The hub assigns its own ids; use this only to write a stream without a hub.
    pub fn with_id(self, id: EventId) -> Self {
        Self { id: Some(id), ..self }
    }

    /// Sets the delay before the client reconnects. It is written in whole milliseconds.
    pub fn with_retry(self, delay: Duration) -> Self {
        Self { retry: Some(delay), ..self }
    }

    /// Adds a comment. Clients skip it; it helps people who read the stream with `curl`.
    pub fn with_comment(self, text: impl Into<String>) -> Self {
        Self { comment: Some(text.into()), ..self }
    }

    /// Sets the subject of the event. For a client that lags, a newer event with the same key may
    /// replace it.
    pub fn with_key(self, key: EventKey) -> Self {
        Self { key: Some(key), ..self }
    }

    /// Identifies this publish, so that the log accepts a retry of it only once.
    pub fn with_idempotency_key(self, key: IdempotencyKey) -> Self {
        Self { once: Some(key), ..self }
    }

    /// Returns the name, if set.
    pub fn name(&self) -> Option<&EventName> {
        self.name.as_ref()
    }

    /// Returns the data, as given.
    pub fn data(&self) -> &str {
        &self.data
    }

    /// Returns the id, if set.
    pub fn id(&self) -> Option<EventId> {
        self.id
    }

    /// Returns the delay before the client reconnects, if set.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Returns the comment, if set.
    pub fn comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// Returns the conflation key, if set.
    pub fn key(&self) -> Option<&EventKey> {
        self.key.as_ref()
    }

    /// Returns the idempotency key, if set.
    pub fn idempotency_key(&self) -> Option<&IdempotencyKey> {
        self.once.as_ref()
    }
}

/// The error for a value that cannot be written as JSON.
#[cfg(feature = "json")]
#[derive(Debug, thiserror::Error)]
#[error("the value cannot be written as JSON")]
pub struct JsonError(#[source] serde_json::Error);
