//! The type of an event.

use sse_kit_event::{StaticTopic, TextError, Topic};

use crate::event_data::EventData;

/// The type of an event: segments joined by `:`, such as `job:progress`.
///
/// An event type follows the rules of a [`Topic`], and becomes one without a copy: events can be
/// published to the topic with the name of their type. Cloning is cheap.
///
/// ```
/// use sse_kit_dispatch::EventType;
/// use sse_kit_event::{TextError, Topic};
///
/// let event_type: EventType = "job:17:progress".parse()?;
/// assert_eq!(event_type.segments().collect::<Vec<_>>(), ["job", "17", "progress"]);
/// assert_eq!(Topic::from(event_type).as_str(), "job:17:progress");
/// assert!("job:*".parse::<EventType>().is_err());
/// # Ok::<(), TextError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventType(Topic);

impl EventType {
    /// The longest event type, in bytes; with its namespace, when it has one.
    pub const MAX_LEN: usize = Topic::MAX_LEN;

    /// Checks `event_type`.
    ///
    /// # Errors
    ///
    /// [`TextError`] says which rule it breaks.
    pub fn new(event_type: &str) -> Result<Self, TextError> {
        Topic::new(event_type).map(Self).map_err(|error| error.named("an event type"))
    }

    /// Returns the event type of a Rust type, which is checked when the program is compiled.
    ///
    /// ```compile_fail,E0080
    /// use sse_kit_dispatch::{EventData, EventType};
    ///
    /// struct Counted;
    ///
    /// impl EventData for Counted {
    ///     const TYPE: &'static str = "not a : valid :: type";
    /// }
    ///
    /// EventType::of::<Counted>();
    /// ```
    pub fn of<E: EventData>() -> Self {
        Self(const { StaticTopic::new(E::TYPE) }.into())
    }

    /// Returns the event type as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Returns the topic with the name of the event type.
    pub fn as_topic(&self) -> &Topic {
        &self.0
    }

    /// Returns the segments, of which there is at least one.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.segments()
    }
}

sse_kit_event::text_type!(EventType);

impl From<Topic> for EventType {
    fn from(topic: Topic) -> Self {
        Self(topic)
    }
}

impl From<StaticTopic> for EventType {
    fn from(topic: StaticTopic) -> Self {
        Self(topic.into())
    }
}

impl From<EventType> for Topic {
    fn from(event_type: EventType) -> Self {
        event_type.0
    }
}
