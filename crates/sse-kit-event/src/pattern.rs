//! Patterns that match many topics.

use std::borrow::Borrow;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::topic::{Topic, TopicError, check_segments};

/// A pattern over topics, for subscriptions.
///
/// `*` matches any run of characters within one segment. A segment `**` matches any number of
/// segments (at least one if it is the last). All other characters match themselves.
///
/// | pattern | matches | does not match |
/// |---|---|---|
/// | `job:*` | `job:done` | `job`, `job:a:b` |
/// | `job:**` | `job:done`, `job:a:b` | `job` |
/// | `**:done` | `done`, `job:done`, `job:a:done` | `job:done:x` |
/// | `job:*-log` | `job:17-log` | `job:17` |
///
/// These are the rules of the `globset` crate with `:` as the separator (a property test compares
/// the two), without regular expressions: a pattern comes from a client, and here it costs only the
/// memory of its text. A pattern has at most [`Topic::MAX_LEN`] bytes,
/// [`TopicPattern::MAX_SEGMENTS`] segments and [`TopicPattern::MAX_WILDCARDS`] wildcards. Cloning
/// is cheap.
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
    /// The maximum number of wildcards (`*` or `**`) in one pattern.
    pub const MAX_WILDCARDS: usize = 8;

    /// The maximum number of segments in one pattern.
    pub const MAX_SEGMENTS: usize = 16;

    /// Parses a pattern.
    ///
    /// # Errors
    ///
    /// [`TopicPatternError`] if `pattern` breaks one of the rules above.
    pub fn new(pattern: &str) -> Result<Self, TopicPatternError> {
        check_segments(pattern)?;
        if pattern.split(':').any(|segment| segment != "**" && segment.contains("**")) {
            return Err(TopicPatternError::PartOfSegment);
        }
        let segments = pattern.split(':').count();
        if segments > Self::MAX_SEGMENTS {
            return Err(TopicPatternError::TooManySegments { segments });
        }
        match pattern.replace("**", "*").matches('*').count() {
            0 => Err(TopicPatternError::NoWildcard),
            wildcards if wildcards > Self::MAX_WILDCARDS => {
                Err(TopicPatternError::TooManyWildcards { wildcards })
            }
            _ => Ok(Self(pattern.into())),
        }
    }

    /// Returns `**`, which matches every topic.
    pub fn all() -> Self {
        Self("**".into())
    }

    /// Returns the pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the text before the first wildcard. Every topic that the pattern matches begins with
    /// it.
    ///
    /// ```
    /// # use sse_kit_event::TopicPattern;
    /// let pattern: TopicPattern = "users:17:*".parse()?;
    /// assert_eq!(pattern.literal_prefix(), "users:17:");
    /// # Ok::<(), sse_kit_event::TopicPatternError>(())
    /// ```
    pub fn literal_prefix(&self) -> &str {
        self.0.split('*').next().unwrap_or_default()
    }

    /// Returns `true` if the pattern matches `topic`.
    ///
    /// It allocates nothing, and rejects a topic with another prefix or suffix without a search.
    pub fn matches(&self, topic: &Topic) -> bool {
        let literal_suffix = self.0.rsplit('*').next().unwrap_or_default();
        let topic = topic.as_str();
        topic.starts_with(self.literal_prefix())
            // `**:done` matches `done`.
            && topic.ends_with(literal_suffix.strip_prefix(':').unwrap_or(literal_suffix))
            && walk(self.0.as_bytes(), topic.as_bytes())
    }

    /// Returns `true` if this pattern clearly matches every topic that `other` matches. `false` may
    /// be wrong.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let prefix = self.0.strip_suffix("**").filter(|prefix| !prefix.contains('*'));
        prefix.is_some_and(|prefix| other.literal_prefix().starts_with(prefix))
    }
}

/// Returns `true` if `pattern` matches all of `topic`.
///
/// This is the usual two-pointer search, for both kinds of star. Each star first matches nothing,
/// then one item more whenever the rest of the pattern fails: a character for `*`, a segment for
/// `**`. It is enough to go back to the last star, because an earlier one could only match what the
/// later one can match too. A `*` cannot match beyond the end of its segment.
fn walk(pattern: &[u8], topic: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // The pattern position after the last star, and the end of the text that the star matches so
    // far.
    let (mut star, mut double_star) = (None, None);
    loop {
        match (&pattern[p..], topic.get(t)) {
            (b"**", rest) => return rest.is_some(), // the last one asks for a segment at least
            ([b'*', b'*', ..], _) => {
                p += b"**:".len();
                (star, double_star) = (None, Some((p, t)));
            }
            ([b'*', ..], _) => {
                p += 1;
                star = Some((p, t));
            }
            ([], None) => return true,
            ([literal, ..], Some(byte)) if literal == byte => {
                if *byte == b':' {
                    star = None;
                }
                (p, t) = (p + 1, t + 1);
            }
            _ => match (star, double_star) {
                (Some((after, taken)), _) if topic.get(taken).is_some_and(|b| *b != b':') => {
                    (p, t) = (after, taken + 1);
                    star = Some((p, t));
                }
                (_, Some((after, taken))) => {
                    let rest = &topic[taken..];
                    let Some(end) = rest.iter().position(|b| *b == b':') else { return false };
                    (p, t) = (after, taken + end + 1);
                    (star, double_star) = (None, Some((p, t)));
                }
                _ => return false,
            },
        }
    }
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

impl TryFrom<&str> for TopicPattern {
    type Error = TopicPatternError;

    fn try_from(pattern: &str) -> Result<Self, Self::Error> {
        Self::new(pattern)
    }
}

impl TryFrom<String> for TopicPattern {
    type Error = TopicPatternError;

    fn try_from(pattern: String) -> Result<Self, Self::Error> {
        Self::new(&pattern)
    }
}

impl Borrow<str> for TopicPattern {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for TopicPattern {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<TopicPattern> for String {
    fn from(pattern: TopicPattern) -> Self {
        pattern.as_str().to_owned()
    }
}

/// The reason why a text is not a topic pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopicPatternError {
    /// The text breaks a rule that holds for topics too.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// The text has no wildcard, so it is a topic.
    #[error("the pattern has no `*`; subscribe to it as a topic")]
    NoWildcard,
    /// The pattern has more than [`TopicPattern::MAX_WILDCARDS`] wildcards.
    #[error("the pattern has {wildcards} wildcards; at most {max} are allowed", max = TopicPattern::MAX_WILDCARDS)]
    TooManyWildcards {
        /// The number of wildcards.
        wildcards: usize,
    },
    /// The pattern has more than [`TopicPattern::MAX_SEGMENTS`] segments.
    #[error("the pattern has {segments} segments; at most {max} are allowed", max = TopicPattern::MAX_SEGMENTS)]
    TooManySegments {
        /// The number of segments.
        segments: usize,
    },
    /// A segment contains `**` and other characters.
    #[error(
        "the pattern has `**` within a segment; write it as a segment of its own: `a:**`, not `a**`"
    )]
    PartOfSegment,
}

impl From<Infallible> for TopicPatternError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
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
        assert_eq!(TopicPattern::new("**"), Ok(TopicPattern::all()));
        assert!(matches("*a*b*", "xaxbx"));
        assert!(!matches("*a*b", "ba"));
        assert!(matches("ab*ab", "abab"));
        assert!(!matches("ab*ba", "aba"));
        assert!(matches("**:*s*:x:**:*", "a:s:x:x:x"));
        assert!(!matches("**:x:*", "x"));
    }

    #[test]
    fn what_it_covers_begins_as_it_does() {
        let covers = |wide: &str, narrow: &str| {
            TopicPattern::new(wide).unwrap().covers(&TopicPattern::new(narrow).unwrap())
        };
        assert!(covers("**", "*"));
        assert!(covers("a:**", "a:*:b"));
        assert!(covers("a:**", "a:b:**"));
        assert!(covers("a:**", "a:**:b"));
        assert!(!covers("a:**", "a*:b"));
        assert!(!covers("a:**", "**"));
        assert!(!covers("*:**", "*:a"));
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
        assert!(TopicPattern::new(&format!("*{}", ":a".repeat(15))).is_ok());
        assert_eq!(
            TopicPattern::new(&format!("*{}", ":a".repeat(16))),
            Err(TopicPatternError::TooManySegments { segments: 17 })
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
