//! Messages and answers as htmx 4 takes them in: all targets are looked for before any change is made.

use dom_query::NodeRef;
use sse_kit_htmx::Swap;

use super::spec::{SwapSpec, is_outer};
use super::swap::insert;
use super::v2::quoted;
use super::{Dom, DomError, MainSwap, NodeExt};

/// One change of a message.
struct Task<'a> {
    target: NodeRef<'a>,
    fragment: NodeRef<'a>,
    spec: SwapSpec,
}

pub(super) fn swap(
    dom: &Dom,
    element: NodeRef<'_>,
    html: &str,
    how: MainSwap<'_>,
) -> Result<(), DomError> {
    let fragment = dom.fragment(html);
    let out_of_band = out_of_band(dom, fragment)?;
    let partials = partials(dom, element, fragment)?;
    let spec = SwapSpec::parse(how.style.unwrap_or_default())?;
    let is_empty = fragment.first_element_child().is_none() && fragment.text().trim().is_empty();
    let others = !out_of_band.is_empty() || !partials.is_empty();
    let mut tasks = Vec::new();
    if spec.style == Swap::Delete || !is_empty || spec.swap_empty.unwrap_or(!others) {
        // Our script looks again for a target that was replaced in the meantime.
        let target = dom.node(how.target);
        let found = target.hx("id").filter(|_| !target.is_connected());
        let target = found.and_then(|id| dom.by_id(&id)).unwrap_or(target);
        tasks.push(Task { target, fragment, spec });
    }
    tasks.extend(out_of_band);
    tasks.extend(partials);
    for Task { target, fragment, spec } in tasks {
        let content = match fragment.first_element_child() {
            Some(outermost) if spec.strip == Some(true) => {
                outermost.template_content().unwrap_or(outermost)
            }
            _ => fragment,
        };
        if let Some(id) = preserved_around(target, content) {
            return Err(DomError::PreservedTarget(id));
        }
        insert(dom, spec.style, target, content)?;
    }
    Ok(())
}

/// The id of an element that the content asks to preserve although it is the target, or around it.
fn preserved_around(target: NodeRef<'_>, content: NodeRef<'_>) -> Option<String> {
    let asked = content.descendants_it().filter(|node| node.hx("hx-preserve").is_some());
    let mut ids = asked.filter_map(|node| node.hx("id"));
    ids.find(|id| {
        let has_id = |node: &NodeRef<'_>| node.hx("id").as_ref() == Some(id);
        has_id(&target) || target.ancestors_it(None).any(|around| has_id(&around))
    })
}

fn out_of_band<'a>(dom: &'a Dom, fragment: NodeRef<'a>) -> Result<Vec<Task<'a>>, DomError> {
    let mut tasks = Vec::new();
    for element in fragment.find_all("[hx-swap-oob], [data-hx-swap-oob]")? {
        let value = element.hx("hx-swap-oob").unwrap_or_default();
        element.remove_attrs(&["hx-swap-oob", "data-hx-swap-oob"]);
        let own = element.hx("id").map(|id| format!("[id={}]", quoted(&id)));
        let (style, selector) = match value.split_once(':') {
            Some((style, selector)) if !style.contains(char::is_whitespace) => {
                (style, Some(selector.to_owned()))
            }
            _ if value.is_empty() || value == "true" => ("outerHTML", own),
            _ => (&*value, own),
        };
        let mut spec = SwapSpec::parse(style)?;
        spec.strip = Some(spec.strip.unwrap_or(!is_outer(spec.style)));
        let Some(selector) = spec.target.clone().or(selector) else { continue };
        for target in dom.select(&selector)? {
            let fragment = dom.new_fragment();
            fragment.append_child(&dom.copy(&element));
            tasks.push(Task { target, fragment, spec: spec.clone() });
        }
        element.remove_from_parent();
    }
    Ok(tasks)
}

fn partials<'a>(
    dom: &'a Dom,
    element: NodeRef<'_>,
    fragment: NodeRef<'a>,
) -> Result<Vec<Task<'a>>, DomError> {
    let mut tasks = Vec::new();
    for template in fragment.find_all("template[hx]")? {
        if template.hx("type").as_deref() == Some("partial")
            && let Some(selector) = template.hx("hx-target")
            && let Some(content) = template.template_content()
        {
            let spec = SwapSpec::parse(&template.hx("hx-swap").unwrap_or_default())?;
            let targets = match &*selector {
                "this" => vec![dom.node(element.id)],
                selector => dom.select(selector)?,
            };
            for target in targets {
                let fragment = dom.copy(&content);
                tasks.push(Task { target, fragment, spec: spec.clone() });
            }
        }
        template.remove_from_parent();
    }
    Ok(tasks)
}
