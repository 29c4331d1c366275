//! maud: its markup is HTML, and HTML stands in its markup.

use maud::{Markup, Render};

use super::for_all_html;
use crate::Html;

impl From<Markup> for Html {
    fn from(markup: Markup) -> Self {
        Self::trusted(markup.into_string())
    }
}

macro_rules! render {
    ($html:ty) => {
        impl Render for $html {
            fn render_to(&self, buffer: &mut String) {
                buffer.push_str(&self.to_string());
            }
        }
    };
}
for_all_html!(render);
