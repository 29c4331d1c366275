//! Template engines: what they render becomes [`Html`](crate::Html), each behind its feature.

#[cfg(feature = "askama")]
mod askama {
    use std::fmt;

    use askama::filters::HtmlSafe;
    use askama::{FastWritable, Template, Values};

    use crate::{Attributes, Element, Fragment, Html, PageScripts, RenderError};

    impl<T: Template> Fragment for T {
        fn to_html(&self) -> Result<Html, RenderError> {
            self.render().map(Html::trusted).map_err(RenderError::new)
        }
    }

    // None of these is escaped again in a template.
    impl HtmlSafe for Attributes {}
    impl HtmlSafe for Element {}
    impl HtmlSafe for Html {}
    impl HtmlSafe for PageScripts {}

    impl FastWritable for Html {
        fn write_into(&self, out: &mut dyn fmt::Write, _: &dyn Values) -> askama::Result<()> {
            Ok(out.write_str(self.as_str())?)
        }
    }
}

#[cfg(feature = "maud")]
impl From<maud::Markup> for crate::Html {
    fn from(markup: maud::Markup) -> Self {
        Self::trusted(markup.into_string())
    }
}

#[cfg(feature = "hypertext")]
impl From<hypertext::Rendered<String>> for crate::Html {
    fn from(rendered: hypertext::Rendered<String>) -> Self {
        Self::trusted(rendered.into_inner())
    }
}

#[cfg(feature = "minijinja")]
impl crate::Html {
    /// Renders a template of minijinja with a context.
    ///
    /// # Errors
    ///
    /// [`RenderError`](crate::RenderError) when minijinja has one, and when it would not escape:
    /// it does so by the template's name, which ends in `.html` then.
    pub fn from_minijinja(
        template: &minijinja::Template<'_, '_>,
        context: impl Into<minijinja::Value>,
    ) -> Result<Self, crate::RenderError> {
        let captured = template.render_captured(context).map_err(crate::RenderError::new)?;
        if !matches!(captured.state().auto_escape(), minijinja::AutoEscape::Html) {
            return Err(crate::RenderError::new(format!(
                "`{}` is rendered without escaping; templates of HTML are named `….html`",
                template.name()
            )));
        }
        Ok(Self::trusted(captured.into_output()))
    }
}
