//! The topics and patterns of a subscription.

use crate::audience::Audience;
use crate::pattern::TopicPattern;
use crate::text::TextError;
use crate::topic::Topic;

/// The topics and patterns of one subscription: sorted, without duplicates, at most
/// [`Topics::MAX_LEN`], of which at most [`Topics::MAX_PATTERNS`] are patterns.
///
/// A topic is left out if one of the patterns matches it. A pattern is left out if another pattern
/// of the form `**` or `a:**` covers it.
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
    /// The maximum number of topics and patterns in one subscription.
    pub const MAX_LEN: usize = 64;

    /// The maximum number of patterns in one subscription.
    pub const MAX_PATTERNS: usize = 16;

    /// Creates an empty set. Such a subscription receives only events for everyone and messages
    /// that are sent to its connection alone.
    pub fn none() -> Self {
        Self::default()
    }

    /// Combines topics and patterns.
    ///
    /// # Errors
    ///
    /// [`TopicsError::TooMany`] if there are more than [`Topics::MAX_LEN`] items, and
    /// [`TopicsError::TooManyPatterns`] if more than [`Topics::MAX_PATTERNS`] different patterns
    /// remain.
    pub fn new(
        topics: impl IntoIterator<Item = Topic>,
        patterns: impl IntoIterator<Item = TopicPattern>,
    ) -> Result<Self, TopicsError> {
        // Takes one item too many and stops: the iterator may be endless.
        let mut patterns: Vec<_> = patterns.into_iter().take(Self::MAX_LEN + 1).collect();
        let mut topics: Vec<_> = topics.into_iter().take(Self::MAX_LEN + 1).collect();
        if topics.len() + patterns.len() > Self::MAX_LEN {
            return Err(TopicsError::TooMany { max: Self::MAX_LEN });
        }
        patterns.sort_unstable();
        patterns.dedup();
        let mut at = 0;
        while let Some(pattern) = patterns.get(at).cloned() {
            patterns.retain(|other| *other == pattern || !pattern.covers(other));
            at = patterns.iter().position(|other| *other == pattern).map_or(at, |at| at + 1);
        }
        if patterns.len() > Self::MAX_PATTERNS {
            return Err(TopicsError::TooManyPatterns);
        }
        topics.sort_unstable();
        topics.dedup();
        topics.retain(|topic| !patterns.iter().any(|pattern| pattern.matches(topic)));
        Ok(Self { topics: topics.into(), patterns: patterns.into() })
    }

    /// Parses each text: as a pattern if it contains `*`, as a topic otherwise.
    ///
    /// # Errors
    ///
    /// [`TopicsError`] for the first text that is neither, or if there are too many.
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

    /// Returns the topics that no pattern matches.
    pub fn topics(&self) -> &[Topic] {
        &self.topics
    }

    /// Returns the patterns.
    pub fn patterns(&self) -> &[TopicPattern] {
        &self.patterns
    }

    /// Returns `true` if there are neither topics nor patterns.
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty() && self.patterns.is_empty()
    }

    /// Returns `true` if this subscription receives events for `audience`. Every subscription
    /// receives events for everyone.
    pub fn include(&self, audience: &Audience) -> bool {
        audience.is_everyone() || audience.topics().iter().any(|topic| self.cover(topic))
    }

    /// Returns `true` if this subscription receives events on `topic`.
    pub fn cover(&self, topic: &Topic) -> bool {
        self.topics.binary_search(topic).is_ok() || self.patterns.iter().any(|p| p.matches(topic))
    }

    /// Returns `true` if these topics have the same pattern, or one of the form `**` or `a:**` that covers
    /// it.
    ///
    /// ```
    /// use sse_kit_event::Topics;
    ///
    /// let topics = Topics::parse(["news:**", "rooms:*"])?;
    /// assert!(topics.cover_pattern(&"news:*:today".parse()?));
    /// assert!(topics.cover_pattern(&"rooms:*".parse()?));
    /// assert!(!topics.cover_pattern(&"**".parse()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cover_pattern(&self, pattern: &TopicPattern) -> bool {
        self.patterns.iter().any(|wide| wide == pattern || wide.covers(pattern))
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

/// The reason why texts or topics are not [`Topics`] or an [`Audience`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopicsError {
    /// A text is neither a topic nor a pattern.
    #[error(transparent)]
    Text(#[from] TextError),
    /// There is no topic for an [`Audience`] of several.
    #[error("the list of topics is empty; an event for several topics needs at least one")]
    Empty,
    /// There are more topics and patterns than a subscription ([`Topics::MAX_LEN`]) or an event
    /// ([`Audience::MAX_TOPICS`]) may have.
    #[error("too many topics and patterns: at most {max} are allowed")]
    TooMany {
        /// The maximum number.
        max: usize,
    },
    /// There are more than [`Topics::MAX_PATTERNS`] different patterns.
    #[error("too many patterns: a subscription may have at most {max}", max = Topics::MAX_PATTERNS)]
    TooManyPatterns,
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
    fn a_pattern_that_another_covers_is_left_out() {
        let topics = Topics::parse(["a:*", "a:**", "a:**:b", "b", "*:b"]).unwrap();
        assert_eq!(topics.patterns(), ["*:b".parse().unwrap(), "a:**".parse().unwrap()]);
        assert_eq!(Topics::parse(["**", "*", "a"]).unwrap(), Topics::parse(["**"]).unwrap());
    }

    #[test]
    fn patterns_have_a_limit_of_their_own() {
        let patterns = |many: usize| (0..many).map(|n| format!("{n}:*")).collect::<Vec<_>>();
        assert_eq!(Topics::parse(patterns(16)).unwrap().patterns().len(), 16);
        assert_eq!(Topics::parse(patterns(17)), Err(TopicsError::TooManyPatterns));
        assert!(Topics::parse(patterns(17).iter().chain([&"**".to_owned()])).is_ok());
        assert_eq!(Topics::parse(vec!["*"; 64]).unwrap().patterns().len(), 1);
    }

    #[test]
    fn too_many_end_an_endless_source() {
        let too_many = Err(TopicsError::TooMany { max: 64 });
        assert_eq!(Topics::parse(std::iter::repeat("a")), too_many);
        assert_eq!(Topics::parse(std::iter::repeat("*")), too_many);
    }

    #[test]
    fn the_first_bad_text_is_named() {
        for text in ["", "a**"] {
            let Err(TopicsError::Text(error)) = Topics::parse(["a", text]) else {
                panic!("{text:?} is accepted")
            };
            assert!(error.to_string().starts_with(&format!("{text:?} is not a topic")), "{error}");
        }
    }
}
