//! Template engines: what they render becomes [`Html`](crate::Html), and `Html` stands in what they
//! render. Each is behind its feature.

#[cfg(feature = "askama")]
mod askama;
#[cfg(feature = "hypertext")]
mod hypertext;
#[cfg(feature = "maud")]
mod maud;
#[cfg(feature = "minijinja")]
mod minijinja;

#[cfg(feature = "askama")]
pub use self::askama::{HtmlBlock, HtmlTemplate};
#[cfg(feature = "minijinja")]
pub use self::minijinja::HtmlTemplates;

/// Implements an engine's trait for types that are HTML already, so that it does not escape them again.
#[cfg(any(feature = "hypertext", feature = "maud", feature = "minijinja"))]
macro_rules! for_all_html {
    ($implement:ident) => {
        $implement!(crate::Attributes);
        $implement!(crate::Element);
        $implement!(crate::Html);
        $implement!(crate::PageScripts);
    };
}
#[cfg(any(feature = "hypertext", feature = "maud", feature = "minijinja"))]
use for_all_html;
