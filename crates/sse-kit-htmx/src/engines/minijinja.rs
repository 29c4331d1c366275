//! minijinja: templates that escape, those that they include as well.

use minijinja::{AutoEscape, Environment, Error, ErrorKind, Value, escape_formatter};

use super::for_all_html;
use crate::{Html, RenderError};

/// Templates of minijinja in which every value is escaped.
///
/// minijinja decides by a template's name whether it escapes, for each template on its own, and
/// `{% autoescape false %}` ends that for a block. Here a value that would not be escaped is an error
/// that names the template, in partials, parents and macros too. The filter `safe` is the one way
/// to have a value taken as it is: nothing from users may pass there.
///
/// ```
/// use minijinja::{Environment, context};
/// use sse_kit_htmx::HtmlTemplates;
///
/// let mut environment = Environment::new();
/// environment.add_template("row.html", "<li>{{ state }}</li>")?;
/// environment.add_template("row.txt", "{{ state }}")?;
/// let templates = HtmlTemplates::new(environment);
///
/// let row = templates.render("row.html", context! { state => "<done>" })?;
/// assert_eq!(row.as_str(), "<li>&lt;done&gt;</li>");
/// assert!(templates.render("row.txt", context! { state => "<done>" }).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct HtmlTemplates<'source>(Environment<'source>);

impl<'source> HtmlTemplates<'source> {
    /// Takes an environment, and replaces its formatter by one that insists on escaping.
    pub fn new(mut environment: Environment<'source>) -> Self {
        environment.set_formatter(|out, state, value| {
            if value.is_safe() || matches!(state.auto_escape(), AutoEscape::Html) {
                escape_formatter(out, state, value)
            } else {
                Err(unescaped(state.name()))
            }
        });
        Self(environment)
    }

    /// Renders the template of this name.
    ///
    /// # Errors
    ///
    /// [`RenderError`] when minijinja fails, and when a value would not be escaped.
    pub fn render(&self, name: &str, context: impl Into<Value>) -> Result<Html, RenderError> {
        let template = self.0.get_template(name).map_err(RenderError::new)?;
        let captured = template.render_captured(context).map_err(RenderError::new)?;
        if !matches!(captured.state().auto_escape(), AutoEscape::Html) {
            return Err(RenderError::new(unescaped(name)));
        }
        Ok(Html::trusted(captured.into_output()))
    }
}

fn unescaped(template: &str) -> Error {
    let detail = format!(
        "`{template}` does not escape; name templates of HTML `….html`, and leave out \
         `autoescape false`"
    );
    Error::new(ErrorKind::BadEscape, detail)
}

macro_rules! value {
    ($html:ty) => {
        /// A value that is not escaped again.
        impl From<$html> for Value {
            fn from(html: $html) -> Self {
                Self::from_safe_string(html.to_string())
            }
        }
    };
}
for_all_html!(value);
