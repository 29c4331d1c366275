//! Topics that are validated at compile time.

use crate::audience::Audience;
use crate::topic::{Topic, check_topic};
use crate::topics::Topics;

/// A topic in the source code, validated at compile time.
///
/// It converts to a [`Topic`] without another check, and is accepted wherever a topic is.
///
/// ```
/// use sse_kit_event::{StaticTopic, Topic};
///
/// const NEWS: StaticTopic = StaticTopic::new("news");
/// assert_eq!(Topic::from(NEWS).as_str(), "news");
/// ```
///
/// An invalid topic does not compile:
///
/// ```compile_fail,E0080
/// # use sse_kit_event::StaticTopic;
/// const NEWS: StaticTopic = StaticTopic::new("news:*");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StaticTopic(&'static str);

impl StaticTopic {
    /// Creates a topic by the rules of [`Topic::new`]. In a `const` it is validated at compile time.
    ///
    /// # Panics
    ///
    /// Panics outside of a `const` if `topic` is not a topic. [`Topic::new`] returns an error instead.
    pub const fn new(topic: &'static str) -> Self {
        assert!(
            check_topic(topic).is_ok(),
            "not a topic: it has 1 to 256 bytes in segments joined by `:`, none of them empty, no \
             `*`, no control characters, and does not begin with the segment `sse-kit`"
        );
        Self(topic)
    }

    /// Returns the topic as text.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl From<StaticTopic> for Topic {
    fn from(topic: StaticTopic) -> Self {
        Self::from_checked(topic.0)
    }
}

impl From<StaticTopic> for Topics {
    fn from(topic: StaticTopic) -> Self {
        Topic::from(topic).into()
    }
}

impl From<StaticTopic> for Audience {
    fn from(topic: StaticTopic) -> Self {
        Topic::from(topic).into()
    }
}
