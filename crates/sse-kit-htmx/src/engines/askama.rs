//! askama: templates that are declared to be HTML are fragments.

use std::fmt;

use askama::filters::HtmlSafe;
use askama::{FastWritable, Template, Values};

use crate::{Attributes, Element, Fragment, Html, PageScripts, RenderError};

/// A template of askama that is HTML: a declaration that makes a [`Fragment`] of it.
///
/// askama escapes by the template's extension: in `html`, and not in `txt`. Its trait does not tell
/// which, so a template is a fragment only when its type says so. In one that is declared,
/// `escape = "none"` and the filter `safe` are the two ways to have a value taken as it is: nothing
/// from users may pass there.
///
/// ```
/// use sse_kit_htmx::{Fragment, HtmlTemplate};
///
/// #[derive(askama::Template)]
/// #[template(ext = "html", source = "<b>{{ name }}</b>")]
/// struct Greeting<'a> {
///     name: &'a str,
/// }
///
/// impl HtmlTemplate for Greeting<'_> {}
///
/// let greeting = Greeting { name: "<img onerror=alert(1)>" };
/// assert_eq!(greeting.to_html()?.as_str(), "<b>&#60;img onerror=alert(1)&#62;</b>");
/// # Ok::<(), sse_kit_htmx::RenderError>(())
/// ```
///
/// Without the declaration it is none:
///
/// ```compile_fail,E0599
/// # use sse_kit_htmx::Fragment;
/// #[derive(askama::Template)]
/// #[template(ext = "txt", source = "{{ name }}")]
/// struct Plain<'a> {
///     name: &'a str,
/// }
///
/// Plain { name: "<img onerror=alert(1)>" }.to_html();
/// ```
///
/// Escape what a template of text renders by [`Html::text`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not declared to be HTML",
    note = "for a template with `ext = \"html\"` write `impl HtmlTemplate for … {{}}`"
)]
pub trait HtmlTemplate: Template {}

impl<T: HtmlTemplate> Fragment for T {
    fn to_html(&self) -> Result<Html, RenderError> {
        self.render().map(Html::trusted).map_err(RenderError::new)
    }
}

/// A block of a template that is HTML: `HtmlBlock(page.as_row())`.
///
/// ```
/// use sse_kit_htmx::{Fragment, HtmlBlock};
///
/// #[derive(askama::Template)]
/// #[template(
///     ext = "html",
///     source = "<ul>{% block row %}<li>{{ id }}</li>{% endblock %}</ul>",
///     blocks = ["row"]
/// )]
/// struct List {
///     id: u32,
/// }
///
/// assert_eq!(HtmlBlock(List { id: 1 }.as_row()).to_html()?.as_str(), "<li>1</li>");
/// # Ok::<(), sse_kit_htmx::RenderError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct HtmlBlock<T>(pub T);

impl<T: Template> Fragment for HtmlBlock<T> {
    fn to_html(&self) -> Result<Html, RenderError> {
        self.0.render().map(Html::trusted).map_err(RenderError::new)
    }
}

/// Lets a template hold fragments: `{{ card.to_html()? }}`.
impl From<RenderError> for askama::Error {
    fn from(error: RenderError) -> Self {
        Self::Custom(error.into())
    }
}

impl HtmlSafe for Attributes {}
impl HtmlSafe for Element {}
impl HtmlSafe for Html {}
impl HtmlSafe for PageScripts {}

impl FastWritable for Html {
    fn write_into(&self, out: &mut dyn fmt::Write, _: &dyn Values) -> askama::Result<()> {
        Ok(out.write_str(self.as_str())?)
    }
}
