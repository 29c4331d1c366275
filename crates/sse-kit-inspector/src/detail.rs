//! One event, with its data and the fragments in it.

use askama::Template;
use sse_kit_htmx::HtmlTemplate;

use crate::filter::View;
use crate::links::Links;
use crate::seen_event::SeenEvent;

/// The maximum number of fragments that are shown apart.
const MAX_FRAGMENTS: usize = 20;

/// One event, with its data and the fragments in it.
#[derive(Debug, Template)]
#[template(path = "detail.html")]
pub(crate) struct Detail<'a> {
    links: &'a Links,
    view: &'a View,
    event: &'a SeenEvent,
    fragments: Vec<PageFragment<'a>>,
}

impl HtmlTemplate for Detail<'_> {}

impl<'a> Detail<'a> {
    pub(crate) fn new(links: &'a Links, view: &'a View, event: &'a SeenEvent) -> Self {
        Self { links, view, event, fragments: PageFragment::all_in(&event.data) }
    }

    /// Returns the page without the event.
    fn close(&self) -> String {
        self.view.at(self.links.page(), self.view.is_paused)
    }
}

/// A fragment of a page in the data of an event, and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PageFragment<'a> {
    target: &'a str,
    swap: &'a str,
    content: &'a str,
}

impl<'a> PageFragment<'a> {
    /// Finds the `<hx-partial>`s as sse-kit writes them. It is for people to read, so it need not
    /// parse HTML; data in another form has none.
    fn all_in(data: &'a str) -> Vec<Self> {
        let parts = data.split("<hx-partial ").skip(1);
        let fragments = parts.filter_map(|part| {
            let (attributes, content) = part.split_once('>')?;
            Some(Self {
                target: attribute(attributes, "hx-target")?,
                swap: attribute(attributes, "hx-swap")?,
                content: content.split_once("</hx-partial>").map_or(content, |(within, _)| within),
            })
        });
        fragments.take(MAX_FRAGMENTS).collect()
    }
}

fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = attributes.split_once(name)?;
    let (value, _) = rest.strip_prefix("=\"")?.split_once('"')?;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fragments_of_updates_are_found() {
        let data = "<hx-partial hx-target=\"#a\" hx-swap=\"innerHTML\"><b>1</b></hx-partial>\
                    <hx-partial hx-target=\"#b\" hx-swap=\"delete\"></hx-partial>";
        let fragment = |target, swap, content| PageFragment { target, swap, content };
        assert_eq!(
            PageFragment::all_in(data),
            [fragment("#a", "innerHTML", "<b>1</b>"), fragment("#b", "delete", "")]
        );
    }

    #[test]
    fn other_data_has_none() {
        for data in
            ["", "{}", "<hx-partial", "<hx-partial >", "<hx-partial hx-target=\"", "<p>x</p>"]
        {
            assert_eq!(PageFragment::all_in(data), [], "{data}");
        }
        let many = "<hx-partial hx-target=\"a\" hx-swap=\"b\">".repeat(1_000);
        assert_eq!(PageFragment::all_in(&many).len(), MAX_FRAGMENTS);
    }
}
