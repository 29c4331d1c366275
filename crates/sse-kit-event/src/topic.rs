//! Topics: the names that events are published to.

use std::borrow::Borrow;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::control::RESERVED_PREFIX;
use crate::text::{first_control, starts_with};

/// A name that events are published to: segments joined by `:`, such as `jobs:17`.
///
/// A topic has at most [`Topic::MAX_LEN`] bytes, no empty segment, no control characters and no `*`
/// (a text with `*` is a [`TopicPattern`](crate::TopicPattern)). The first segment is not
/// `sse-kit`. All other characters are literal. Cloning is cheap.
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
    /// The maximum length of a topic, in bytes.
    pub const MAX_LEN: usize = 256;

    /// Parses a topic.
    ///
    /// # Errors
    ///
    /// [`TopicError`] if `topic` breaks one of the rules above.
    pub fn new(topic: &str) -> Result<Self, TopicError> {
        check_topic(topic)?;
        Ok(Self::from_checked(topic))
    }

    /// Creates a topic from a text that [`check_topic`] has accepted.
    pub(crate) fn from_checked(topic: &str) -> Self {
        Self(topic.into())
    }

    /// Returns the topic as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the segments; there is at least one.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split(':')
    }
}

/// Checks the rules of a topic. It is `const`, so that [`StaticTopic`](crate::StaticTopic) shares it.
pub(crate) const fn check_topic(text: &str) -> Result<(), TopicError> {
    if let Err(error) = check_segments(text) {
        return Err(error);
    }
    let (bytes, mut at) = (text.as_bytes(), 0);
    while at < bytes.len() {
        if bytes[at] == b'*' {
            return Err(TopicError::Wildcard);
        }
        at += 1;
    }
    Ok(())
}

/// Checks the rules that topics and patterns share.
pub(crate) const fn check_segments(text: &str) -> Result<(), TopicError> {
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return Err(TopicError::Empty);
    }
    if bytes.len() > Topic::MAX_LEN {
        return Err(TopicError::TooLong { bytes: bytes.len() });
    }
    if let Some(found) = first_control(bytes) {
        return Err(TopicError::Control { found });
    }
    let (mut at, mut segment) = (0, 0);
    while at <= bytes.len() {
        if at == bytes.len() || bytes[at] == b':' {
            if at == segment {
                return Err(TopicError::EmptySegment);
            }
            segment = at + 1;
        }
        at += 1;
    }
    if is_reserved(bytes) {
        return Err(TopicError::Reserved);
    }
    Ok(())
}

/// Returns `true` if the first segment is `sse-kit`.
const fn is_reserved(text: &[u8]) -> bool {
    let (segment, _) = RESERVED_PREFIX.as_bytes().split_at(RESERVED_PREFIX.len() - 1);
    starts_with(text, segment) && (text.len() == segment.len() || text[segment.len()] == b':')
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

impl TryFrom<&str> for Topic {
    type Error = TopicError;

    fn try_from(topic: &str) -> Result<Self, Self::Error> {
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

impl AsRef<str> for Topic {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Topic {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The reason why a text is not a topic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopicError {
    /// The text is empty.
    #[error("the topic is empty; name at least one segment")]
    Empty,
    /// A segment contains `:`, which would make two segments of it.
    #[error("the segment of a topic contains `:`; encode it")]
    Separator,
    /// The text is longer than [`Topic::MAX_LEN`].
    #[error("the topic has {bytes} bytes; at most {max} are allowed", max = Topic::MAX_LEN)]
    TooLong {
        /// The length of the text, in bytes.
        bytes: usize,
    },
    /// The text contains a control character.
    #[error("the topic contains the control character {found:?}; remove it")]
    Control {
        /// The first control character.
        found: char,
    },
    /// The text begins or ends with `:`, or contains `::`.
    #[error("the topic has an empty segment; remove `:` at an end and `::`")]
    EmptySegment,
    /// The text contains `*`, which only patterns may contain.
    #[error("the topic contains `*`; only subscriptions may use patterns")]
    Wildcard,
    /// The first segment is `sse-kit`.
    #[error("the first segment of the topic is `sse-kit`, which is reserved; choose another")]
    Reserved,
}

impl From<Infallible> for TopicError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_those_of_unicode() {
        for c in ('\0'..='\u{7ff}').chain(['\u{2028}', '\u{feff}', '😀']) {
            let found = first_control(format!("é{c}x").as_bytes());
            assert_eq!(found, c.is_control().then_some(c), "{c:?}");
        }
    }

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
