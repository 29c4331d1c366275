//! The URL of a folder of script files.

use sse_kit_event::{TextError, TextErrorKind, text_type};

use crate::endpoint::Endpoint;

/// The URL of a folder of script files: a path, with or without a `/` at its end.
///
/// ```
/// use sse_kit_htmx::{ScriptFolder, TextError};
///
/// const ASSETS: ScriptFolder = ScriptFolder::from_static("/assets");
/// assert_eq!(ASSETS.file("htmx.min.js"), "/assets/htmx.min.js");
/// assert!("/assets?v=1".parse::<ScriptFolder>().is_err());
/// # Ok::<(), TextError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ScriptFolder(Endpoint);

impl ScriptFolder {
    /// Checks the path of a folder of the page's own origin.
    ///
    /// # Errors
    ///
    /// [`TextError`], as [`Endpoint::new`], and if `path` has `?` or `#`.
    pub fn new(path: &str) -> Result<Self, TextError> {
        Self::from_endpoint(Endpoint::new(path)?)
    }

    /// Takes a path from the source of the program. In a `const` it is checked when that is compiled.
    ///
    /// # Panics
    ///
    /// Outside of a `const`, as [`Endpoint::from_static`], and when it has `?` or `#`.
    pub const fn from_static(path: &'static str) -> Self {
        let bytes = path.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            assert!(bytes[at] != b'?' && bytes[at] != b'#', "a folder has no `?` and no `#`");
            at += 1;
        }
        Self(Endpoint::from_static(path))
    }

    /// Takes the URL of a folder of another origin, such as that of a CDN.
    ///
    /// # Errors
    ///
    /// [`TextError`], as [`Endpoint::cross_origin`], and if `url` has `?` or `#`.
    pub fn cross_origin(url: &str) -> Result<Self, TextError> {
        Self::from_endpoint(Endpoint::cross_origin(url)?)
    }

    fn from_endpoint(endpoint: Endpoint) -> Result<Self, TextError> {
        if endpoint.as_str().contains(['?', '#']) {
            let rule = "a folder has no `?` and no `#`";
            return Err(TextError::new(endpoint.as_str(), "a folder", TextErrorKind::Form, rule));
        }
        Ok(Self(endpoint))
    }

    /// Returns the URL of a file in the folder.
    pub fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.as_str().trim_end_matches('/'))
    }

    /// Returns the URL as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(crate) fn is_cross_origin(&self) -> bool {
        self.0.is_cross_origin()
    }
}

text_type!(ScriptFolder);
