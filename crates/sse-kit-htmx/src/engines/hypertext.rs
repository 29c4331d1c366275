//! hypertext: what it renders is HTML, and HTML stands in what it renders.

use hypertext::{Buffer, Renderable, Rendered};

use super::for_all_html;
use crate::Html;

impl From<Rendered<String>> for Html {
    fn from(rendered: Rendered<String>) -> Self {
        Self::trusted(rendered.into_inner())
    }
}

macro_rules! renderable {
    ($html:ty) => {
        impl Renderable for $html {
            fn render_to(&self, buffer: &mut Buffer) {
                // It is HTML already: escaped text, or markup that was trusted by name.
                buffer.dangerously_get_string().push_str(&self.to_string());
            }
        }
    };
}
for_all_html!(renderable);
