//! Messages and answers as htmx 2 takes them in: each change is made before the next one's target is
//! looked for.

use dom_query::NodeRef;
use sse_kit_htmx::Swap;

use super::spec::SwapSpec;
use super::swap::{insert, lose_preserved};
use super::{Dom, DomError, MainSwap, NodeExt};

pub(super) fn swap(
    dom: &Dom,
    _element: NodeRef<'_>,
    html: &str,
    how: MainSwap<'_>,
) -> Result<(), DomError> {
    let spec = SwapSpec::parse(how.style.unwrap_or_default())?;
    let target = dom.node(how.target);
    if spec.style == Swap::TextContent {
        // Not parsed, so nothing in it is out of band.
        target.clear();
        target.append_child(&dom.new_text(html));
        return Ok(());
    }
    swap_fragment(dom, target, dom.fragment(html), spec.style)
}

fn swap_fragment(
    dom: &Dom,
    target: NodeRef<'_>,
    fragment: NodeRef<'_>,
    style: Swap,
) -> Result<(), DomError> {
    swap_out_of_band(dom, fragment)?;
    for template in fragment.find_all("template")? {
        if let Some(content) = template.template_content()
            && swap_out_of_band(dom, content)?
        {
            template.remove_from_parent();
        }
    }
    let has_partials = swap_partials(dom, fragment)?;
    let is_empty = fragment.first_element_child().is_none() && fragment.text().trim().is_empty();
    if has_partials && is_empty {
        return Ok(());
    }
    if matches!(style, Swap::None | Swap::Delete) {
        lose_preserved(dom, fragment);
    }
    insert(dom, style, target, fragment)
}

/// Swaps the elements with `hx-swap-oob`; returns whether there were any.
fn swap_out_of_band(dom: &Dom, fragment: NodeRef<'_>) -> Result<bool, DomError> {
    let elements = fragment.find_all("[hx-swap-oob], [data-hx-swap-oob]")?;
    for element in &elements {
        let Some(value) = element.hx("hx-swap-oob") else { continue };
        let own = element.hx("id").map(|id| format!("[id={}]", quoted(&id)));
        let (style, selector) = match value.split_once(':') {
            Some((style, selector)) => (style, Some(selector.to_owned())),
            None if value == "true" => ("outerHTML", own),
            None => (&*value, own),
        };
        element.remove_attrs(&["hx-swap-oob", "data-hx-swap-oob"]);
        let style = SwapSpec::parse(style)?.style;
        for target in dom.select(&selector.unwrap_or_default())? {
            let content = dom.new_fragment();
            let copy = dom.copy(element);
            if style == Swap::OuterHtml {
                content.append_child(&copy);
            } else {
                copy.children().iter().for_each(|child| content.append_child(child));
            }
            insert(dom, style, target, content)?;
        }
        element.remove_from_parent();
    }
    Ok(!elements.is_empty())
}

/// Swaps the `<hx-partial>`s; returns whether there were any.
fn swap_partials(dom: &Dom, fragment: NodeRef<'_>) -> Result<bool, DomError> {
    let templates = fragment.find_all("template[hx]")?;
    for template in &templates {
        if template.hx("type").as_deref() == Some("partial")
            && let Some(selector) = template.hx("hx-target")
            && let Some(content) = template.template_content()
        {
            let spec = SwapSpec::parse(&template.hx("hx-swap").unwrap_or_default())?;
            for target in dom.select(&selector)? {
                swap_fragment(dom, target, dom.copy(&content), spec.style)?;
            }
        }
        template.remove_from_parent();
    }
    Ok(!templates.is_empty())
}

/// Writes a text as a string of CSS.
pub(super) fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .flat_map(|c| match c {
            '"' | '\\' => vec!['\\', c],
            '\n' => "\\a ".chars().collect(),
            _ => vec![c],
        })
        .collect();
    format!("\"{escaped}\"")
}
