//! Pieces of a page that render to HTML.

use std::error::Error;

use crate::html::Html;

/// A piece of a page that can be rendered: a template, or [`Html`] that is ready.
///
/// Only what escapes what users said may be one. Templates of askama are declared to be HTML
/// (`HtmlTemplate`); maud, hypertext and minijinja give [`Html`]. For other engines implement it
/// yourself.
///
/// ```
/// use sse_kit_htmx::{Fragment, Html, RenderError};
///
/// struct Percent(u8);
///
/// impl Fragment for Percent {
///     fn to_html(&self) -> Result<Html, RenderError> {
///         Ok(Html::trusted(format!("<b>{} %</b>", self.0)))
///     }
/// }
///
/// assert_eq!(Percent(40).to_html()?.as_str(), "<b>40 %</b>");
/// # Ok::<(), RenderError>(())
/// ```
pub trait Fragment {
    /// Renders the fragment.
    ///
    /// # Errors
    ///
    /// [`RenderError`] holds what the engine says.
    fn to_html(&self) -> Result<Html, RenderError>;
}

impl Fragment for Html {
    fn to_html(&self) -> Result<Html, RenderError> {
        Ok(self.clone())
    }
}

/// A fragment could not be rendered. What the engine said is the source.
#[derive(Debug, thiserror::Error)]
#[error("the fragment cannot be rendered")]
pub struct RenderError(#[source] Box<dyn Error + Send + Sync>);

impl RenderError {
    /// Makes the error of an engine's error or of a message.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}
