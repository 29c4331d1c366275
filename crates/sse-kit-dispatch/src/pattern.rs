//! Which events a handler is for.

use std::borrow::Borrow;
use std::convert::Infallible;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use globset::{Glob, GlobBuilder, GlobMatcher};

use crate::event_type::{EventType, EventTypeError, check_segments};

/// Which events a handler is for: an event type in which `*` and `**` are wildcards.
///
/// `*` stands for any run of characters within one segment, a segment `**` for any number of
/// segments (at least one when it comes last). Everything else stands for itself. It is matched
/// with the [full type](crate::DomainEvent::full_type) of an event, and follows the same rules as
/// the topic patterns of sse-kit, but that it may do without a wildcard.
///
/// | pattern | matches | does not match |
/// |---|---|---|
/// | `job:done` | `job:done` | `job:done:x`, `shop:job:done` |
/// | `job:*` | `job:done` | `job`, `job:a:b` |
/// | `job:**` | `job:done`, `job:a:b` | `job` |
/// | `**:done` | `done`, `job:done`, `job:a:done` | `job:done:x` |
/// | `job:*-log` | `job:17-log` | `job:17` |
///
/// At most [`EventType::MAX_LEN`] bytes and [`Pattern::MAX_WILDCARDS`] wildcards. Cloning is cheap.
///
/// ```
/// use sse_kit_dispatch::Pattern;
///
/// let pattern: Pattern = "job:**".parse()?;
/// assert!(pattern.matches(&"job:17:progress".parse()?));
/// assert!(!pattern.matches(&"jobs:17".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Pattern(Arc<Inner>);

struct Inner {
    text: Box<str>,
    /// None where there is no wildcard.
    glob: Option<Glob>,
    /// Made when it is first asked for: it takes 14 KiB, and dispatchers have no use for it.
    matcher: OnceLock<GlobMatcher>,
}

impl Pattern {
    /// The most wildcards (`*` or `**`) in one pattern.
    pub const MAX_WILDCARDS: usize = 8;

    /// Checks `pattern`.
    ///
    /// # Errors
    ///
    /// [`PatternError`] says what is wrong with it.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        check_segments(pattern)?;
        if pattern.split(':').any(|segment| segment != "**" && segment.contains("**")) {
            return Err(PatternError::PartOfSegment);
        }
        let glob = match pattern.replace("**", "*").matches('*').count() {
            0 => None,
            wildcards if wildcards > Self::MAX_WILDCARDS => {
                return Err(PatternError::TooManyWildcards { wildcards });
            }
            _ => Some(glob(pattern)),
        };
        Ok(Self(Arc::new(Inner { text: pattern.into(), glob, matcher: OnceLock::new() })))
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Whether `event_type` is one of those that the pattern stands for.
    pub fn matches(&self, event_type: &EventType) -> bool {
        match &self.0.glob {
            None => self.as_str() == event_type.as_str(),
            Some(glob) => {
                let matcher = self.0.matcher.get_or_init(|| glob.compile_matcher());
                matcher.is_match(in_glob_alphabet(event_type.as_str()))
            }
        }
    }

    /// What globset makes of it; none where there is no wildcard.
    pub(crate) fn glob(&self) -> Option<&Glob> {
        self.0.glob.as_ref()
    }
}

fn glob(pattern: &str) -> Glob {
    let mut glob = String::with_capacity(2 * pattern.len());
    for c in in_glob_alphabet(pattern).chars() {
        if c.is_ascii_punctuation() && c != '*' && c != '/' {
            glob.push('\\');
        }
        glob.push(c);
    }
    GlobBuilder::new(&glob)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .expect("all that has a meaning in it is stars, and `**` is a segment of its own")
}

/// The text as globset is given it: with `/` for `:`, as there a path is what is matched, and
/// without the characters that make a path special (`/`; `\`, which separates on Windows; `.`, as
/// a last segment `..` has no name). Control characters stand for those, which the text cannot have.
pub(crate) fn in_glob_alphabet(text: &str) -> String {
    let swap = |c| match c {
        ':' => '/',
        '/' => '\u{1}',
        '\\' => '\u{2}',
        '.' => '\u{3}',
        c => c,
    };
    text.chars().map(swap).collect()
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.as_str()).finish()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Borrow<str> for Pattern {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(pattern: &str) -> Result<Self, Self::Err> {
        Self::new(pattern)
    }
}

impl TryFrom<&str> for Pattern {
    type Error = PatternError;

    fn try_from(pattern: &str) -> Result<Self, Self::Error> {
        Self::new(pattern)
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(pattern: String) -> Result<Self, Self::Error> {
        Self::new(&pattern)
    }
}

impl From<EventType> for Pattern {
    fn from(event_type: EventType) -> Self {
        let text = event_type.as_str().into();
        Self(Arc::new(Inner { text, glob: None, matcher: OnceLock::new() }))
    }
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// It breaks a rule that holds for event types too.
    #[error(transparent)]
    EventType(#[from] EventTypeError),
    /// It has more than [`Pattern::MAX_WILDCARDS`].
    #[error("a pattern has at most {max} wildcards, not {wildcards}", max = Pattern::MAX_WILDCARDS)]
    TooManyWildcards {
        /// How many it has.
        wildcards: usize,
    },
    /// `**` stands beside other characters.
    #[error("`**` is a segment of its own: `a:**`, not `a**`")]
    PartOfSegment,
}

impl From<Infallible> for PatternError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, event_type: &str) -> bool {
        Pattern::new(pattern).unwrap().matches(&EventType::new(event_type).unwrap())
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
        assert!(matches("**", "a:b:c"));
        assert!(!matches("*", "a:b"));
    }

    #[test]
    fn everything_but_a_star_is_literal() {
        assert!(!matches("a.*", "axb"));
        assert!(matches("[ab]{c,d}?!^\\~ä:*", "[ab]{c,d}?!^\\~ä:d"));
        assert!(!matches("[ab]:*", "a:d"));
        assert!(!matches("a/*", "a:b"), "a separator is none but `:`");
        assert!(matches("a/*", "a/b/c"));
        assert!(matches("**:..", "a:.."));
    }

    #[test]
    fn every_rule_has_its_error() {
        assert_eq!(Pattern::new(""), Err(EventTypeError::Empty.into()));
        assert_eq!(Pattern::new("a**"), Err(PatternError::PartOfSegment));
        assert_eq!(Pattern::new("***"), Err(PatternError::PartOfSegment));
        assert_eq!(
            Pattern::new("*:*:*:*:*:*:*:*:*"),
            Err(PatternError::TooManyWildcards { wildcards: 9 })
        );
        let long = "*".repeat(100_000);
        assert_eq!(Pattern::new(&long), Err(EventTypeError::TooLong { bytes: 100_000 }.into()));
        assert_eq!(Pattern::new("sse-kit:*"), Err(EventTypeError::Reserved.into()));
    }
}
