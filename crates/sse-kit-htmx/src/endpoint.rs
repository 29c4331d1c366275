//! Where a stream is, or a folder of scripts.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sse_kit_event::EventId;

/// The URL of a stream, or of a folder of scripts: a path, or all of an `http` or `https` URL.
///
/// At most [`Endpoint::MAX_LEN`] bytes, without whitespace and control characters. Mind that htmx 2
/// connects to other origins too, and sends cookies there.
///
/// ```
/// use sse_kit_htmx::{Endpoint, EndpointError};
///
/// let endpoint = Endpoint::from_template("/jobs/{job_id}/events", "a/b & c")?;
/// assert_eq!(endpoint.as_str(), "/jobs/a%2Fb%20%26%20c/events");
/// assert_eq!("javascript:alert(1)".parse::<Endpoint>(), Err(EndpointError::Scheme));
/// # Ok::<(), EndpointError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint(String);

/// The query parameter in which a page sends its cursor.
const CURSOR: &str = "last_event_id";

/// What stands for the id in templates, as it does in the library that this one follows.
const PLACEHOLDER: &str = "{job_id}";

/// Everything but what [RFC 3986](https://www.rfc-editor.org/rfc/rfc3986#section-2.3) calls
/// unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Endpoint {
    /// The longest URL, in bytes.
    pub const MAX_LEN: usize = 8192;

    /// Checks `url`.
    ///
    /// # Errors
    ///
    /// [`EndpointError`] says what is wrong with it.
    pub fn new(url: &str) -> Result<Self, EndpointError> {
        if url.is_empty() {
            return Err(EndpointError::Empty);
        }
        if url.len() > Self::MAX_LEN {
            return Err(EndpointError::TooLong { bytes: url.len() });
        }
        if let Some(found) = url.chars().find(|c| c.is_whitespace() || c.is_control()) {
            return Err(EndpointError::Character { found });
        }
        if scheme(url).is_some_and(|scheme| !["http", "https"].contains(&&*scheme)) {
            return Err(EndpointError::Scheme);
        }
        Ok(Self(url.to_owned()))
    }

    /// Fills `{job_id}` in, encoded for a URL.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::new`], and [`EndpointError::Placeholder`] when another one is in the template.
    pub fn from_template(template: &str, job_id: &str) -> Result<Self, EndpointError> {
        if template.replace(PLACEHOLDER, "").contains(['{', '}']) {
            return Err(EndpointError::Placeholder);
        }
        Self::new(
            &template.replace(PLACEHOLDER, &utf8_percent_encode(job_id, RESERVED).to_string()),
        )
    }

    /// The stream from `cursor` on: it is sent as the query parameter `last_event_id`, in place of
    /// one that is there.
    pub fn with_cursor(&self, cursor: EventId) -> Self {
        let (before, fragment) = match self.0.find('#') {
            Some(at) => self.0.split_at(at),
            None => (&*self.0, ""),
        };
        let (path, query) = before.split_once('?').unwrap_or((before, ""));
        let is_other = |pair: &&str| !pair.is_empty() && pair.split('=').next() != Some(CURSOR);
        let cursor = format!("{CURSOR}={cursor}");
        let pairs: Vec<&str> = query.split('&').filter(is_other).chain([&*cursor]).collect();
        Self(format!("{path}?{}{fragment}", pairs.join("&")))
    }

    /// The URL as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What stands before the first `:`, if no path, query or fragment began before it.
fn scheme(url: &str) -> Option<String> {
    let (before, _) = url.split_once(':')?;
    (!before.contains(['/', '?', '#'])).then(|| before.to_ascii_lowercase())
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        Self::new(url)
    }
}

/// Why a text is no URL of a stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// It has no characters.
    #[error("an endpoint is not empty")]
    Empty,
    /// It is longer than [`Endpoint::MAX_LEN`].
    #[error("an endpoint has at most {max} bytes, not {bytes}", max = Endpoint::MAX_LEN)]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// It holds a character that a URL cannot have.
    #[error("an endpoint has no {found:?}; encode it")]
    Character {
        /// The first of them.
        found: char,
    },
    /// It is neither a path nor of `http` or `https`.
    #[error("an endpoint is a path, or begins with `https:` or `http:`")]
    Scheme,
    /// The template holds another placeholder than `{job_id}`.
    #[error("the only placeholder of a template is `{PLACEHOLDER}`")]
    Placeholder,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        assert_eq!(Endpoint::new(""), Err(EndpointError::Empty));
        assert_eq!(Endpoint::new(&"x".repeat(8193)), Err(EndpointError::TooLong { bytes: 8193 }));
        for found in [' ', '\n', '\0', '\u{a0}'] {
            let url = format!("/a{found}");
            assert_eq!(Endpoint::new(&url), Err(EndpointError::Character { found }));
        }
        for url in ["javascript:x", "JavaScript:x", "data:,x", "ftp://a", ":x"] {
            assert_eq!(Endpoint::new(url), Err(EndpointError::Scheme), "{url}");
        }
        for url in ["/e", "e?topic=jobs:1", "https://a.test/e", "HTTP://a/", "//a.test/e", "?a=b:c"]
        {
            assert!(Endpoint::new(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn the_cursor_finds_its_place() {
        let at = |url: &str| {
            let cursor = "5f-12".parse().unwrap();
            Endpoint::new(url).unwrap().with_cursor(cursor).as_str().to_owned()
        };
        assert_eq!(at("/e"), "/e?last_event_id=5f-12");
        assert_eq!(at("/e?"), "/e?last_event_id=5f-12");
        assert_eq!(at("/e?a=1&b"), "/e?a=1&b&last_event_id=5f-12");
        assert_eq!(at("/e?a=1#x?y"), "/e?a=1&last_event_id=5f-12#x?y");
        assert_eq!(at("/e?last_event_id=1-1&a=1&"), "/e?a=1&last_event_id=5f-12");
    }

    #[test]
    fn templates_encode_what_they_are_given() {
        let fill = |template: &str, id: &str| {
            Endpoint::from_template(template, id).map(|endpoint| endpoint.as_str().to_owned())
        };
        assert_eq!(fill("/e?job_id={job_id}", "ü&x=1"), Ok("/e?job_id=%C3%BC%26x%3D1".into()));
        assert_eq!(fill("/e/{job_id}", "{job_id}"), Ok("/e/%7Bjob_id%7D".into()));
        assert_eq!(fill("/e/{id}", "1"), Err(EndpointError::Placeholder));
        assert_eq!(fill("/e/{job_id", "1"), Err(EndpointError::Placeholder));
    }
}
