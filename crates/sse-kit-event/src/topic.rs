//! Where an event is published.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::control::RESERVED_PREFIX;

/// Where an event is published: segments joined by `:`, such as `jobs:17`.
///
/// At most [`Topic::MAX_LEN`] bytes; no segment is empty; no `*` (that makes a
/// [`TopicPattern`](crate::TopicPattern)), no control characters, and the first segment is not
/// `sse-kit`. All else stands for itself. Cloning is cheap.
///
/// ```
/// use sse_kit_event::{Topic, TopicError};
///
/// let topic: Topic = "jobs:17:log".parse()?;
/// assert_eq!(topic.segments().collect::<Vec<_>>(), ["jobs", "17", "log"]);
/// assert_eq!("jobs:*".parse::<Topic>(), Err(TopicError::Wildcard));
/// # Ok::<(), TopicError>(())
/// ```
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Topic(Arc<str>);

impl Topic {
    /// The longest topic, in bytes.
    pub const MAX_LEN: usize = 256;

    /// Checks `topic`.
    ///
    /// # Errors
    ///
    /// [`TopicError`] says what is wrong with it.
    pub fn new(topic: &str) -> Result<Self, TopicError> {
        check_segments(topic)?;
        if topic.contains('*') {
            return Err(TopicError::Wildcard);
        }
        Ok(Self(topic.into()))
    }

    /// The topic as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its segments, of which there is at least one.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split(':')
    }
}

/// What topics and patterns have in common.
pub(crate) fn check_segments(text: &str) -> Result<(), TopicError> {
    if text.is_empty() {
        return Err(TopicError::Empty);
    }
    if text.len() > Topic::MAX_LEN {
        return Err(TopicError::TooLong { bytes: text.len() });
    }
    if let Some(found) = text.chars().find(|c| c.is_control()) {
        return Err(TopicError::Control { found });
    }
    if text.split(':').any(str::is_empty) {
        return Err(TopicError::EmptySegment);
    }
    if text.split(':').next() == RESERVED_PREFIX.strip_suffix(':') {
        return Err(TopicError::Reserved);
    }
    Ok(())
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Topic {
    type Err = TopicError;

    fn from_str(topic: &str) -> Result<Self, Self::Err> {
        Self::new(topic)
    }
}

impl TryFrom<String> for Topic {
    type Error = TopicError;

    fn try_from(topic: String) -> Result<Self, Self::Error> {
        Self::new(&topic)
    }
}

impl From<Topic> for String {
    fn from(topic: Topic) -> Self {
        topic.as_str().to_owned()
    }
}

impl Borrow<str> for Topic {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Why a text is no topic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopicError {
    /// It has no characters.
    #[error("a topic is not empty")]
    Empty,
    /// A segment holds `:`, which would make two of it.
    #[error("a segment of a topic has no `:`; encode it")]
    Separator,
    /// It is longer than [`Topic::MAX_LEN`].
    #[error("a topic has at most {max} bytes, not {bytes}", max = Topic::MAX_LEN)]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// It holds a control character.
    #[error("a topic has no control characters, but this one has {found:?}")]
    Control {
        /// The first of them.
        found: char,
    },
    /// Two `:` stand together, or one at an end.
    #[error("no segment of a topic is empty: no `:` at an end, no two of them together")]
    EmptySegment,
    /// It holds `*`, which only patterns may.
    #[error("a topic has no `*`; only subscriptions may use patterns")]
    Wildcard,
    /// Its first segment is `sse-kit`.
    #[error("topics whose first segment is `sse-kit` are reserved")]
    Reserved,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_error() {
        assert_eq!(Topic::new(""), Err(TopicError::Empty));
        assert_eq!(Topic::new(&"t".repeat(257)), Err(TopicError::TooLong { bytes: 257 }));
        assert_eq!(Topic::new("a\r\nb"), Err(TopicError::Control { found: '\r' }));
        for topic in [":", "a:", ":a", "a::b"] {
            assert_eq!(Topic::new(topic), Err(TopicError::EmptySegment), "{topic}");
        }
        assert_eq!(Topic::new("a:*"), Err(TopicError::Wildcard));
        assert_eq!(Topic::new("sse-kit:all"), Err(TopicError::Reserved));
        assert_eq!(Topic::new("sse-kit"), Err(TopicError::Reserved));
        for topic in ["sse-kitten", "a", "/users/17?x=[1]{2}", "räume:küche ✓"] {
            assert!(Topic::new(topic).is_ok(), "{topic}");
        }
    }
}
