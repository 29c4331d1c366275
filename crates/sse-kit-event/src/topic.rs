//! Topics: the names that events are published to.

use std::borrow::Borrow;
use std::sync::Arc;

use crate::control::RESERVED_PREFIX;
use crate::rules::{BrokenRule, first_control, starts_with};
use crate::text::TextError;

/// A name that events are published to: segments joined by `:`, such as `jobs:17`.
///
/// A topic has at most [`Topic::MAX_LEN`] bytes, no empty segment, no control characters and no `*`
/// (a text with `*` is a [`TopicPattern`](crate::TopicPattern)). The first segment is not
/// `sse-kit`. All other characters are literal. Cloning is cheap.
///
/// ```
/// use sse_kit_event::{TextError, Topic};
///
/// let topic: Topic = "jobs:17:log".parse()?;
/// assert_eq!(topic.segments().collect::<Vec<_>>(), ["jobs", "17", "log"]);
/// assert!("jobs:*".parse::<Topic>().is_err());
/// # Ok::<(), TextError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(Arc<str>);

pub(crate) const WHAT: &str = "a topic";

impl Topic {
    /// The maximum length of a topic, in bytes.
    pub const MAX_LEN: usize = 256;

    /// Parses a topic.
    ///
    /// # Errors
    ///
    /// [`TextError`] if `topic` breaks one of the rules above.
    pub fn new(topic: &str) -> Result<Self, TextError> {
        match check_topic(topic) {
            Ok(()) => Ok(Self::from_checked(topic)),
            Err(rule) => Err(rule.error(topic, WHAT)),
        }
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
pub(crate) const fn check_topic(text: &str) -> Result<(), BrokenRule> {
    if let Err(error) = check_segments(text) {
        return Err(error);
    }
    let (bytes, mut at) = (text.as_bytes(), 0);
    while at < bytes.len() {
        if bytes[at] == b'*' {
            return Err(BrokenRule::Wildcard);
        }
        at += 1;
    }
    Ok(())
}

/// Checks the rules that topics and patterns share.
pub(crate) const fn check_segments(text: &str) -> Result<(), BrokenRule> {
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return Err(BrokenRule::Empty);
    }
    if bytes.len() > Topic::MAX_LEN {
        return Err(BrokenRule::TooLong(Topic::MAX_LEN));
    }
    if let Some(found) = first_control(bytes) {
        return Err(BrokenRule::Control(found));
    }
    let (mut at, mut segment) = (0, 0);
    while at <= bytes.len() {
        if at == bytes.len() || bytes[at] == b':' {
            if at == segment {
                return Err(BrokenRule::EmptySegment);
            }
            segment = at + 1;
        }
        at += 1;
    }
    if is_reserved(bytes) {
        return Err(BrokenRule::Reserved(
            "the first segment `sse-kit` is reserved; choose another",
        ));
    }
    Ok(())
}

/// Returns `true` if the first segment is `sse-kit`.
const fn is_reserved(text: &[u8]) -> bool {
    let (segment, _) = RESERVED_PREFIX.as_bytes().split_at(RESERVED_PREFIX.len() - 1);
    starts_with(text, segment) && (text.len() == segment.len() || text[segment.len()] == b':')
}

crate::text_type!(Topic);

impl Borrow<str> for Topic {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::TextErrorKind;

    #[test]
    fn every_rule_has_its_error() {
        let kind = |topic: &str| Topic::new(topic).err().map(|error| error.kind());
        assert_eq!(kind(""), Some(TextErrorKind::Empty));
        assert_eq!(kind(&"t".repeat(257)), Some(TextErrorKind::TooLong));
        assert_eq!(kind("a\r\nb"), Some(TextErrorKind::Character));
        for topic in [":", "a:", ":a", "a::b"] {
            assert_eq!(kind(topic), Some(TextErrorKind::Form), "{topic}");
        }
        assert_eq!(kind("a:*"), Some(TextErrorKind::Character));
        assert_eq!(kind("sse-kit:all"), Some(TextErrorKind::Reserved));
        assert_eq!(kind("sse-kit"), Some(TextErrorKind::Reserved));
        for topic in ["sse-kitten", "a", "/users/17?x=[1]{2}", "räume:küche ✓"] {
            assert!(Topic::new(topic).is_ok(), "{topic}");
        }
    }
}
