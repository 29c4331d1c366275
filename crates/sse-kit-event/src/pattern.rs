//! Patterns that match many topics.

use std::borrow::Borrow;
use std::sync::Arc;

use crate::text::{TextError, TextErrorKind};
use crate::topic::{Topic, check_segments};

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
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPattern(Arc<str>);

const WHAT: &str = "a topic pattern";

impl TopicPattern {
    /// The maximum number of wildcards (`*` or `**`) in one pattern.
    pub const MAX_WILDCARDS: usize = 8;

    /// The maximum number of segments in one pattern.
    pub const MAX_SEGMENTS: usize = 16;

    /// Parses a pattern.
    ///
    /// # Errors
    ///
    /// [`TextError`] if `pattern` breaks one of the rules above.
    pub fn new(pattern: &str) -> Result<Self, TextError> {
        check_segments(pattern).map_err(|rule| rule.error(pattern, WHAT))?;
        let error = |rule: String| Err(TextError::new(pattern, WHAT, TextErrorKind::Form, rule));
        if pattern.split(':').any(|segment| segment != "**" && segment.contains("**")) {
            return error("write `**` as a segment of its own: `a:**`, not `a**`".to_owned());
        }
        let segments = pattern.split(':').count();
        if segments > Self::MAX_SEGMENTS {
            let max = Self::MAX_SEGMENTS;
            return error(format!("it has {segments} segments; at most {max} are allowed"));
        }
        match pattern.replace("**", "*").matches('*').count() {
            0 => error("it has no `*`; subscribe to it as a topic".to_owned()),
            wildcards if wildcards > Self::MAX_WILDCARDS => {
                let max = Self::MAX_WILDCARDS;
                error(format!("it has {wildcards} wildcards; at most {max} are allowed"))
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
    /// # Ok::<(), sse_kit_event::TextError>(())
    /// ```
    pub fn literal_prefix(&self) -> &str {
        self.0.split('*').next().unwrap_or_default()
    }

    /// Returns `true` if the pattern matches `topic`.
    ///
    /// It allocates nothing, and rejects a topic with another prefix or suffix without a search.
    pub fn matches(&self, topic: &Topic) -> bool {
        // The pattern of rights without a limit, which each publish asks for.
        if &*self.0 == "**" {
            return true;
        }
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

crate::text_type!(TopicPattern);

impl Borrow<str> for TopicPattern {
    fn borrow(&self) -> &str {
        self.as_str()
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
        let message = |pattern: &str| TopicPattern::new(pattern).unwrap_err().to_string();
        assert!(message("a:b").contains("no `*`"));
        assert!(message("a**").contains("segment of its own"));
        assert!(message("***").contains("segment of its own"));
        assert!(message("*:*:*:*:*:*:*:*:*").contains("9 wildcards"));
        assert!(TopicPattern::new(&format!("*{}", ":a".repeat(15))).is_ok());
        assert!(message(&format!("*{}", ":a".repeat(16))).contains("17 segments"));
        let long = TopicPattern::new(&"*".repeat(100_000)).unwrap_err();
        assert_eq!(long.kind(), TextErrorKind::TooLong);
        assert!(long.to_string().len() < 200, "the message has only the beginning of a text");
        let reserved = TopicPattern::new("sse-kit:*").unwrap_err();
        assert_eq!(reserved.kind(), TextErrorKind::Reserved);
    }
}
