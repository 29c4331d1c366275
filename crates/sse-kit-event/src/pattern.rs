//! Subscribing to many topics at once.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::topic::{Topic, TopicError, check_segments};

/// A pattern over topics, for subscriptions.
///
/// `*` stands for any run of characters within one segment, a segment `**` for any number of
/// segments (at least one when it comes last). Everything else stands for itself.
///
/// | pattern | matches | does not match |
/// |---|---|---|
/// | `job:*` | `job:done` | `job`, `job:a:b` |
/// | `job:**` | `job:done`, `job:a:b` | `job` |
/// | `**:done` | `done`, `job:done`, `job:a:done` | `job:done:x` |
/// | `job:*-log` | `job:17-log` | `job:17` |
///
/// These are the rules of the `globset` crate with `:` as the separator (a property test holds them
/// together), without its regular expressions: a pattern comes from a client, and here it costs its
/// own text and nothing else. At most [`Topic::MAX_LEN`] bytes and [`TopicPattern::MAX_WILDCARDS`]
/// wildcards. Cloning is cheap.
///
/// ```
/// use sse_kit_event::TopicPattern;
///
/// let pattern: TopicPattern = "job:**".parse()?;
/// assert!(pattern.matches(&"job:17:progress".parse()?));
/// assert!(!pattern.matches(&"jobs:17".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct TopicPattern(Arc<str>);

impl TopicPattern {
    /// The most wildcards (`*` or `**`) in one pattern.
    pub const MAX_WILDCARDS: usize = 8;

    /// Checks `pattern`.
    ///
    /// # Errors
    ///
    /// [`TopicPatternError`] says what is wrong with it.
    pub fn new(pattern: &str) -> Result<Self, TopicPatternError> {
        check_segments(pattern)?;
        if pattern.split(':').any(|segment| segment != "**" && segment.contains("**")) {
            return Err(TopicPatternError::PartOfSegment);
        }
        match pattern.replace("**", "*").matches('*').count() {
            0 => Err(TopicPatternError::NoWildcard),
            wildcards if wildcards > Self::MAX_WILDCARDS => {
                Err(TopicPatternError::TooManyWildcards { wildcards })
            }
            _ => Ok(Self(pattern.into())),
        }
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `topic` is one of those that the pattern stands for.
    pub fn matches(&self, topic: &Topic) -> bool {
        let mut pattern: Vec<&str> = self.0.split(':').collect();
        if pattern.last() == Some(&"**") {
            pattern.insert(pattern.len() - 1, "*"); // the last `**` asks for a segment at least
        }
        let topic: Vec<&str> = topic.segments().collect();
        wildcard(&pattern, &topic, "**", |pattern, segment| {
            wildcard(pattern.as_bytes(), segment.as_bytes(), b'*', |p, s| p == s)
        })
    }
}

/// Whether `pattern` matches all of `text`, where a `star` takes any number of items.
///
/// The usual walk with two pointers: a star first takes nothing, and one item more whenever what
/// follows it fails. Going back to the last star suffices, as an earlier one could only take what
/// the later one takes as well; so the time is at most the product of the lengths.
fn wildcard<T: Copy + PartialEq>(
    pattern: &[T],
    text: &[T],
    star: T,
    fits: impl Fn(T, T) -> bool,
) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut last_star = None;
    while t < text.len() {
        if pattern.get(p) == Some(&star) {
            last_star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && fits(pattern[p], text[t]) {
            (p, t) = (p + 1, t + 1);
        } else if let Some((at, taken)) = last_star {
            last_star = Some((at, taken + 1));
            (p, t) = (at + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|item| *item == star)
}

impl fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TopicPattern {
    type Err = TopicPatternError;

    fn from_str(pattern: &str) -> Result<Self, Self::Err> {
        Self::new(pattern)
    }
}

impl TryFrom<String> for TopicPattern {
    type Error = TopicPatternError;

    fn try_from(pattern: String) -> Result<Self, Self::Error> {
        Self::new(&pattern)
    }
}

impl From<TopicPattern> for String {
    fn from(pattern: TopicPattern) -> Self {
        pattern.as_str().to_owned()
    }
}

/// Why a text is no topic pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopicPatternError {
    /// It breaks a rule that holds for topics too.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// It is a plain topic.
    #[error("a pattern has at least one `*`; without one it is a topic")]
    NoWildcard,
    /// It has more than [`TopicPattern::MAX_WILDCARDS`].
    #[error("a pattern has at most {max} wildcards, not {wildcards}", max = TopicPattern::MAX_WILDCARDS)]
    TooManyWildcards {
        /// How many it has.
        wildcards: usize,
    },
    /// `**` stands beside other characters.
    #[error("`**` is a segment of its own: `a:**`, not `a**`")]
    PartOfSegment,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, topic: &str) -> bool {
        TopicPattern::new(pattern).unwrap().matches(&Topic::new(topic).unwrap())
    }

    #[test]
    fn stars_stay_within_a_segment_and_double_stars_cross() {
        assert!(matches("job:*", "job:done"));
        assert!(!matches("job:*", "job:a:b"));
        assert!(!matches("job:*", "job"));
        assert!(matches("job:**", "job:a"));
        assert!(matches("job:**", "job:a:b"));
        assert!(!matches("job:**", "job"));
        assert!(matches("**:completed", "completed"));
        assert!(matches("**:completed", "job:x:completed"));
        assert!(!matches("**:completed", "job:completed:x"));
        assert!(matches("a:**:b", "a:b"));
        assert!(matches("a:**:b:*:c", "a:b:x:b:y:c"));
        assert!(matches("**", "a:b:c"));
        assert!(matches("*a*b*", "xaxbx"));
        assert!(!matches("*a*b", "ba"));
    }

    #[test]
    fn everything_but_a_star_is_literal() {
        assert!(!matches("a.*", "axb"));
        assert!(matches("[ab]{c}?:*", "[ab]{c}?:d"));
        assert!(!matches("[ab]:*", "a:d"));
    }

    #[test]
    fn every_rule_has_its_error() {
        assert_eq!(TopicPattern::new("a:b"), Err(TopicPatternError::NoWildcard));
        assert_eq!(TopicPattern::new("a**"), Err(TopicPatternError::PartOfSegment));
        assert_eq!(TopicPattern::new("***"), Err(TopicPatternError::PartOfSegment));
        assert_eq!(
            TopicPattern::new("*:*:*:*:*:*:*:*:*"),
            Err(TopicPatternError::TooManyWildcards { wildcards: 9 })
        );
        assert_eq!(
            TopicPattern::new(&"*".repeat(100_000)),
            Err(TopicPatternError::Topic(TopicError::TooLong { bytes: 100_000 }))
        );
        assert_eq!(
            TopicPattern::new("sse-kit:*"),
            Err(TopicPatternError::Topic(TopicError::Reserved))
        );
    }
}
