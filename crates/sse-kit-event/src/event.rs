//! What an app publishes.

use std::time::Duration;

use crate::id::EventId;
use crate::idempotency::IdempotencyKey;
use crate::key::EventKey;
use crate::name::EventName;

/// One Server-Sent Event: always data, and where wanted a name, an id, a reconnection time, a
/// comment, and a [key](EventKey) for conflation.
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
/// # Ok::<(), sse_kit_event::EventNameError>(())
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
    /// An unnamed event with this data.
    ///
    /// Any text is allowed. The format knows only one line end: a client reads CRLF and CR back as
    /// LF.
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

    /// An unnamed event whose data is `value` as JSON.
    ///
    /// # Errors
    ///
    /// [`JsonError`] when `value` cannot be written as JSON, such as a map whose keys are not text.
    pub fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<Self, JsonError> {
        serde_json::to_string(value).map(Self::new).map_err(JsonError)
    }

    /// Gives it a name. (`message` is the name that the standard gives to unnamed events, and is
    /// written as none.)
    pub fn with_name(self, name: EventName) -> Self {
        Self { name: Some(name), ..self }
    }

    /// Gives it an id. The hub gives its own ids; this is for those who write streams by
    /// hand.
    pub fn with_id(self, id: EventId) -> Self {
        Self { id: Some(id), ..self }
    }

    /// Tells the client how long to wait before it reconnects; written in whole milliseconds.
    pub fn with_retry(self, delay: Duration) -> Self {
        Self { retry: Some(delay), ..self }
    }

    /// Adds a comment, which clients skip and people with `curl` read.
    pub fn with_comment(self, text: impl Into<String>) -> Self {
        Self { comment: Some(text.into()), ..self }
    }

    /// Says what it is about, so that a newer event may replace it for a client that lags.
    pub fn with_key(self, key: EventKey) -> Self {
        Self { key: Some(key), ..self }
    }

    /// Says which publish it is, so that one that is tried again is not taken twice.
    pub fn with_idempotency_key(self, key: IdempotencyKey) -> Self {
        Self { once: Some(key), ..self }
    }

    /// Its name, if it has one.
    pub fn name(&self) -> Option<&EventName> {
        self.name.as_ref()
    }

    /// Its data, as given.
    pub fn data(&self) -> &str {
        &self.data
    }

    /// Its id, if it was given one.
    pub fn id(&self) -> Option<EventId> {
        self.id
    }

    /// The reconnection time that it sets, if any.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Its comment, if it has one.
    pub fn comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// Its key, if it has one.
    pub fn key(&self) -> Option<&EventKey> {
        self.key.as_ref()
    }

    /// The key of its publish, if it has one.
    pub fn idempotency_key(&self) -> Option<&IdempotencyKey> {
        self.once.as_ref()
    }
}

/// A value that cannot be written as JSON.
#[derive(Debug, thiserror::Error)]
#[error("the value cannot be written as JSON")]
pub struct JsonError(#[source] serde_json::Error);
