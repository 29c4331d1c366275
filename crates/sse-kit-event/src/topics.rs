//! What a subscriber asks for.

use crate::pattern::{TopicPattern, TopicPatternError};
use crate::topic::{Topic, TopicError};

/// The topics and patterns of one subscription: sorted, without repetition, at most
/// [`Topics::MAX_LEN`].
///
/// A topic that one of the patterns covers is left out, as it adds nothing.
///
/// ```
/// use sse_kit_event::Topics;
///
/// let topics = Topics::parse(["news", "jobs:*", "jobs:17"])?;
/// assert_eq!(topics.topics().len(), 1); // `jobs:*` covers `jobs:17`
/// assert!(topics.cover(&"jobs:18".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topics {
    topics: Box<[Topic]>,
    patterns: Box<[TopicPattern]>,
}

impl Topics {
    /// The most topics and patterns in one subscription.
    pub const MAX_LEN: usize = 64;

    /// No topic at all: such a subscription gets what is sent to everybody, or to it alone.
    pub fn none() -> Self {
        Self::default()
    }

    /// Puts topics and patterns together.
    ///
    /// # Errors
    ///
    /// [`TopicsError::TooMany`] when there are more than [`Topics::MAX_LEN`].
    pub fn new(
        topics: impl IntoIterator<Item = Topic>,
        patterns: impl IntoIterator<Item = TopicPattern>,
    ) -> Result<Self, TopicsError> {
        // Looks at one item too many and no further: the source may be endless.
        let mut patterns: Vec<_> = patterns.into_iter().take(Self::MAX_LEN + 1).collect();
        let mut topics: Vec<_> = topics.into_iter().take(Self::MAX_LEN + 1).collect();
        if topics.len() + patterns.len() > Self::MAX_LEN {
            return Err(TopicsError::TooMany);
        }
        patterns.sort_unstable();
        patterns.dedup();
        topics.sort_unstable();
        topics.dedup();
        topics.retain(|topic| !patterns.iter().any(|pattern| pattern.matches(topic)));
        Ok(Self { topics: topics.into(), patterns: patterns.into() })
    }

    /// Reads each text as a pattern when it has a `*`, and as a topic otherwise.
    ///
    /// # Errors
    ///
    /// [`TopicsError`] with the text that is neither, or when there are too many.
    pub fn parse<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Self, TopicsError> {
        let (mut topics, mut patterns) = (Vec::new(), Vec::new());
        for text in texts.into_iter().take(Self::MAX_LEN + 1) {
            let text = text.as_ref();
            if text.contains('*') {
                patterns.push(TopicPattern::new(text)?);
            } else {
                topics.push(Topic::new(text)?);
            }
        }
        Self::new(topics, patterns)
    }

    /// The topics that no pattern covers.
    pub fn topics(&self) -> &[Topic] {
        &self.topics
    }

    /// The patterns.
    pub fn patterns(&self) -> &[TopicPattern] {
        &self.patterns
    }

    /// Whether there is neither topic nor pattern.
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty() && self.patterns.is_empty()
    }

    /// Whether events on `topic` are asked for.
    pub fn cover(&self, topic: &Topic) -> bool {
        self.topics.binary_search(topic).is_ok() || self.patterns.iter().any(|p| p.matches(topic))
    }
}

impl From<Topic> for Topics {
    fn from(topic: Topic) -> Self {
        Self { topics: [topic].into(), patterns: Box::default() }
    }
}

impl From<&Topic> for Topics {
    fn from(topic: &Topic) -> Self {
        topic.clone().into()
    }
}

impl From<TopicPattern> for Topics {
    fn from(pattern: TopicPattern) -> Self {
        Self { topics: Box::default(), patterns: [pattern].into() }
    }
}

/// Why texts are no [`Topics`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopicsError {
    /// One of them is no topic.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// One of them is no pattern.
    #[error(transparent)]
    Pattern(#[from] TopicPatternError),
    /// There are more than [`Topics::MAX_LEN`].
    #[error("a subscription has at most {max} topics and patterns", max = Topics::MAX_LEN)]
    TooMany,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetition_and_what_a_pattern_covers_are_left_out() {
        let topics = Topics::parse(["b", "a", "b", "a:*", "a:*", "a:x"]).unwrap();
        assert_eq!(topics.topics(), ["a".parse().unwrap(), "b".parse().unwrap()]);
        assert_eq!(topics.patterns(), ["a:*".parse().unwrap()]);
        assert!(topics.cover(&"b".parse().unwrap()));
        assert!(!topics.cover(&"a:x:y".parse().unwrap()));
    }

    #[test]
    fn too_many_end_an_endless_source() {
        assert_eq!(Topics::parse(std::iter::repeat("a")), Err(TopicsError::TooMany));
        assert_eq!(Topics::parse(std::iter::repeat("*")), Err(TopicsError::TooMany));
    }

    #[test]
    fn the_first_bad_text_is_named() {
        assert_eq!(Topics::parse(["a", ""]), Err(TopicsError::Topic(TopicError::Empty)));
        assert_eq!(
            Topics::parse(["a**"]),
            Err(TopicsError::Pattern(TopicPatternError::PartOfSegment))
        );
    }
}
