//! Patterns of event types.

use sse_kit_event::{StaticTopic, TextError, TopicPattern};

use crate::event_type::EventType;

/// A pattern over the [full types](crate::DomainEvent::full_type) of events: one event type, or a
/// [`TopicPattern`] with `*` and `**`.
///
/// | pattern | matches | does not match |
/// |---|---|---|
/// | `job:done` | `job:done` | `job:done:x`, `shop:job:done` |
/// | `job:*` | `job:done` | `job`, `job:a:b` |
/// | `job:**` | `job:done`, `job:a:b` | `job` |
/// | `**:done` | `done`, `job:done`, `job:a:done` | `job:done:x` |
/// | `job:*-log` | `job:17-log` | `job:17` |
///
/// ```
/// use sse_kit_dispatch::Pattern;
///
/// let pattern: Pattern = "job:**".parse()?;
/// assert!(pattern.matches(&"job:17:progress".parse()?));
/// assert!(!pattern.matches(&"jobs:17".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pattern {
    /// One event type.
    Exact(EventType),
    /// Every event type that a pattern with wildcards matches.
    Wild(TopicPattern),
}

impl Pattern {
    /// Reads a text as a [`TopicPattern`] when it has a `*`, and as an [`EventType`] otherwise.
    ///
    /// # Errors
    ///
    /// [`TextError`] says which rule it breaks.
    pub fn new(pattern: &str) -> Result<Self, TextError> {
        if pattern.contains('*') {
            TopicPattern::new(pattern).map(Self::Wild)
        } else {
            Ok(Self::Exact(EventType::new(pattern)?))
        }
    }

    /// Returns the pattern as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Exact(event_type) => event_type.as_str(),
            Self::Wild(pattern) => pattern.as_str(),
        }
    }

    /// Returns `true` if the pattern matches `event_type`.
    pub fn matches(&self, event_type: &EventType) -> bool {
        match self {
            Self::Exact(exact) => exact == event_type,
            Self::Wild(pattern) => pattern.matches(event_type.as_topic()),
        }
    }
}

sse_kit_event::text_type!(Pattern);

impl From<EventType> for Pattern {
    fn from(event_type: EventType) -> Self {
        Self::Exact(event_type)
    }
}

impl From<StaticTopic> for Pattern {
    fn from(topic: StaticTopic) -> Self {
        Self::Exact(topic.into())
    }
}

impl From<TopicPattern> for Pattern {
    fn from(pattern: TopicPattern) -> Self {
        Self::Wild(pattern)
    }
}
