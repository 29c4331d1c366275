//! The changes that a message asks for, without a page to make them on.

use sse_kit_htmx::{Dialect, Swap};

use super::spec::SwapSpec;
use super::{Dom, DomError, NodeExt};

/// One change of a message: where, how, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DomChange {
    /// The selector of the changed elements, such as `#count`.
    pub target: String,
    /// The style of the change.
    pub swap: Swap,
    /// The HTML that goes in.
    pub html: String,
    /// The text of that HTML.
    pub text: String,
}

/// Reads the changes out of the data of a message, whichever version of htmx it is for: those out of
/// band, then the partials.
pub(crate) fn changes_in(data: &str) -> Result<Vec<DomChange>, DomError> {
    let dom = Dom::parse("");
    let fragment = dom.fragment(data);
    let mut places = vec![fragment];
    places.extend(fragment.find_all("template")?.iter().filter_map(NodeExt::template_content));
    let mut changes = Vec::new();
    for place in places {
        for element in place.find_all("[hx-swap-oob], [data-hx-swap-oob]")? {
            let value = element.hx("hx-swap-oob").unwrap_or_default();
            element.remove_attrs(&["hx-swap-oob", "data-hx-swap-oob"]);
            let own = || format!("#{}", element.hx("id").unwrap_or_default());
            let (style, target) = match value.split_once(':') {
                Some((style, selector)) => (style, selector.to_owned()),
                None if value == "true" => ("outerHTML", own()),
                None => (&*value, own()),
            };
            let swap = SwapSpec::parse(style)?.style;
            let html = if swap == Swap::OuterHtml { element.html() } else { element.inner_html() };
            let (html, text) = (html.to_string(), element.text().to_string());
            changes.push(DomChange { target, swap, html, text });
        }
    }
    for template in fragment.find_all("template[hx]")? {
        if let (Some(target), Some(content)) =
            (template.hx("hx-target"), template.template_content())
        {
            let swap = SwapSpec::parse(&template.hx("hx-swap").unwrap_or_default())?.style;
            let html = content.inner_html().to_string();
            changes.push(DomChange { target, swap, html, text: content.text().to_string() });
        }
    }
    Ok(changes)
}

/// Returns which version of htmx a page has, by how it connects; htmx 4 when it does not.
pub(crate) fn dialect_of(dom: &Dom) -> Dialect {
    let is_v2 = dom
        .root()
        .descendants_it()
        .any(|node| node.is_element() && node.hx("sse-connect").is_some());
    if is_v2 { Dialect::V2 } else { Dialect::V4 }
}
