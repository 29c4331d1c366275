//! The paths of shared streams.

use sse_kit_event::{TextError, TextErrorKind, text_type};

/// The path of a stream of the app, or of all streams below it.
///
/// It begins with `/` and is written as browsers write it: percent-encoded, without query and
/// fragment. A path matches requests with any query. A path that ends with `/` matches all paths
/// that begin with it. It has at most [`StreamPath::MAX_LEN`] bytes.
///
/// ```
/// use sse_kit_htmx::TextError;
/// use sse_kit_tabs::StreamPath;
///
/// let one: StreamPath = "/events".parse()?;
/// let all_below: StreamPath = "/jobs/".parse()?;
/// assert!("events".parse::<StreamPath>().is_err());
/// # Ok::<(), TextError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StreamPath(String);

impl StreamPath {
    /// The maximum length of a path, in bytes.
    pub const MAX_LEN: usize = 2048;

    /// Parses a path.
    ///
    /// # Errors
    ///
    /// [`TextError`] if `path` breaks one of the rules above.
    pub fn new(path: &str) -> Result<Self, TextError> {
        const WHAT: &str = "the path of a stream";
        if path.len() > Self::MAX_LEN {
            return Err(TextError::too_long(path, WHAT, Self::MAX_LEN));
        }
        let error = |rule: &'static str| Err(TextError::new(path, WHAT, TextErrorKind::Form, rule));
        if !path.starts_with('/') || path.starts_with("//") {
            return error("begin it with exactly one `/`, relative to the page's origin");
        }
        if path.contains(['?', '#']) {
            return error("remove the query or fragment, as a path matches any query");
        }
        if path.split('/').any(|segment| segment == "." || segment == "..") {
            return error("it has a segment `.` or `..`; write the path that it resolves to");
        }
        match path.chars().find(|&c| !c.is_ascii_graphic() || "\"<>\\^`{|}".contains(c)) {
            Some(found) => {
                let rule = format!("it contains {found:?}; write it percent-encoded");
                Err(TextError::new(path, WHAT, TextErrorKind::Character, rule))
            }
            None => Ok(Self(path.to_owned())),
        }
    }

    /// Returns the path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

text_type!(StreamPath);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_own_origin_and_no_others() {
        let message = |path: &str| StreamPath::new(path).unwrap_err().to_string();
        for path in ["/", "/events", "/jobs/", "/a%20b/~c;d=e,f@g:h!$'()*+/&"] {
            assert_eq!(StreamPath::new(path).unwrap().as_str(), path);
        }
        for path in ["", "events", "//elsewhere.test/events", "https://elsewhere.test/"] {
            assert!(message(path).contains("exactly one"), "{path}");
        }
        for path in ["/a?topic=b", "/a#b"] {
            assert!(message(path).contains("query"), "{path}");
        }
        for path in ["/a/../b", "/.", "/./"] {
            assert!(message(path).contains("resolves"), "{path}");
        }
        for path in ["/a b", "/ü", "/a\\b", "/\n"] {
            assert!(message(path).contains("percent-encoded"), "{path}");
        }
        let long = format!("/{}", "a".repeat(StreamPath::MAX_LEN));
        assert!(message(&long).contains("2049 bytes"));
    }
}
