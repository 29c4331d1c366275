//! Which streams are shared.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// The path of a stream of the app, or of all streams below it.
///
/// It begins with `/` and is as a browser writes it: percent-encoded, without query and fragment. A
/// path stands for itself, whatever the query of a request; one that ends with `/` stands for all
/// that begin with it. At most [`StreamPath::MAX_LEN`] bytes.
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
    /// The longest path, in bytes.
    pub const MAX_LEN: usize = 2048;

    /// Checks `path`.
    ///
    /// # Errors
    ///
    /// [`StreamPathError`] says what is wrong with it.
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

    /// The path as text.
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

/// Why a text is no path of a stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamPathError {
    /// It is longer than [`StreamPath::MAX_LEN`].
    #[error("a stream's path has at most {max} bytes, not {bytes}", max = StreamPath::MAX_LEN)]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// It does not begin with one `/`. Only streams of the page's own origin can be shared.
    #[error("a stream's path begins with one `/`")]
    Relative,
    /// It has a query or a fragment.
    #[error("a stream's path has no query and no fragment")]
    Query,
    /// One of its segments is `.` or `..`, which a browser resolves.
    #[error("a stream's path has no segments `.` and `..`")]
    Dots,
    /// It holds a character that a browser writes percent-encoded.
    #[error("a stream's path is percent-encoded, but this one has {found:?}")]
    Character {
        /// The first of them.
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
