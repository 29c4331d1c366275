//! The paths of shared streams.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// The path of a stream of the app, or of all streams below it.
///
/// It begins with `/` and is written as browsers write it: percent-encoded, without query and
/// fragment. A path matches requests with any query. A path that ends with `/` matches all paths
/// that begin with it. It has at most [`StreamPath::MAX_LEN`] bytes.
///
/// ```
/// use sse_kit_tabs::{StreamPath, StreamPathError};
///
/// let one: StreamPath = "/events".parse()?;
/// let all_below: StreamPath = "/jobs/".parse()?;
/// assert_eq!("events".parse::<StreamPath>(), Err(StreamPathError::Relative));
/// # Ok::<(), StreamPathError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct StreamPath(String);

impl StreamPath {
    /// The maximum length of a path, in bytes.
    pub const MAX_LEN: usize = 2048;

    /// Parses a path.
    ///
    /// # Errors
    ///
    /// [`StreamPathError`] if `path` breaks one of the rules above.
    pub fn new(path: &str) -> Result<Self, StreamPathError> {
        if path.len() > Self::MAX_LEN {
            return Err(StreamPathError::TooLong { bytes: path.len() });
        }
        if !path.starts_with('/') || path.starts_with("//") {
            return Err(StreamPathError::Relative);
        }
        if path.contains(['?', '#']) {
            return Err(StreamPathError::Query);
        }
        if path.split('/').any(|segment| segment == "." || segment == "..") {
            return Err(StreamPathError::Dots);
        }
        match path.chars().find(|&c| !c.is_ascii_graphic() || "\"<>\\^`{|}".contains(c)) {
            Some(found) => Err(StreamPathError::Character { found }),
            None => Ok(Self(path.to_owned())),
        }
    }

    /// Returns the path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for StreamPath {
    type Err = StreamPathError;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        Self::new(path)
    }
}

/// The reason why a text is not the path of a stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamPathError {
    /// The text is longer than [`StreamPath::MAX_LEN`].
    #[error("the path has {bytes} bytes; at most {max} are allowed", max = StreamPath::MAX_LEN)]
    TooLong {
        /// The length of the text, in bytes.
        bytes: usize,
    },
    /// The text does not begin with exactly one `/`. Only streams of the page's own origin can be
    /// shared.
    #[error("the path does not begin with exactly one `/`; write it relative to the page's origin")]
    Relative,
    /// The text has a query or a fragment.
    #[error("the path has a query or a fragment; remove it, as a path matches any query")]
    Query,
    /// A segment is `.` or `..`, which a browser resolves.
    #[error("the path has a segment `.` or `..`; write the path that it resolves to")]
    Dots,
    /// The text contains a character that browsers percent-encode.
    #[error("the path contains {found:?}; write it percent-encoded")]
    Character {
        /// The first such character.
        found: char,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_own_origin_and_no_others() {
        for path in ["/", "/events", "/jobs/", "/a%20b/~c;d=e,f@g:h!$'()*+/&"] {
            assert_eq!(StreamPath::new(path).unwrap().as_str(), path);
        }
        for path in ["", "events", "//elsewhere.test/events", "https://elsewhere.test/"] {
            assert_eq!(StreamPath::new(path), Err(StreamPathError::Relative), "{path}");
        }
        for path in ["/a?topic=b", "/a#b"] {
            assert_eq!(StreamPath::new(path), Err(StreamPathError::Query), "{path}");
        }
        for path in ["/a/../b", "/.", "/./"] {
            assert_eq!(StreamPath::new(path), Err(StreamPathError::Dots), "{path}");
        }
        for (path, found) in [("/a b", ' '), ("/ü", 'ü'), ("/a\\b", '\\'), ("/\n", '\n')] {
            assert_eq!(StreamPath::new(path), Err(StreamPathError::Character { found }));
        }
        let long = format!("/{}", "a".repeat(StreamPath::MAX_LEN));
        assert_eq!(StreamPath::new(&long), Err(StreamPathError::TooLong { bytes: 2049 }));
    }
}
