//! The swap styles, which both versions of htmx share but for morphing.

use dom_query::NodeRef;
use sse_kit_htmx::Swap;

use super::morph::{copy_attributes, morph};
use super::{Dom, DomError, NodeExt};

/// Puts the content of `fragment` into its target, and preserved elements back into their places.
pub(super) fn insert(
    dom: &Dom,
    style: Swap,
    target: NodeRef<'_>,
    fragment: NodeRef<'_>,
) -> Result<(), DomError> {
    if style == Swap::None {
        return Ok(());
    }
    if style == Swap::Delete {
        target.remove_from_parent();
        return Ok(());
    }
    let preserved = take_preserved(dom, fragment);
    place(dom, style, target, fragment)?;
    for (id, kept) in preserved {
        if let Some(place) = dom.by_id(&id) {
            place.insert_before(&kept);
            place.remove_from_parent();
        }
    }
    Ok(())
}

/// Does to a page of htmx 2 what content does that goes nowhere: what it asks to preserve is lost.
pub(super) fn lose_preserved(dom: &Dom, fragment: NodeRef<'_>) {
    take_preserved(dom, fragment);
}

fn place(
    dom: &Dom,
    style: Swap,
    target: NodeRef<'_>,
    fragment: NodeRef<'_>,
) -> Result<(), DomError> {
    let is_body = target.has_name("body");
    match style {
        Swap::OuterHtml if !is_body => {
            insert_before(target, fragment);
            target.remove_from_parent();
        }
        Swap::InnerHtml | Swap::OuterHtml => {
            target.clear();
            append(target, fragment);
        }
        Swap::TextContent => {
            let text = fragment.text();
            target.clear();
            target.append_child(&dom.new_text(&text));
        }
        Swap::OuterSync => {
            let content = fragment.first_element_child().ok_or(DomError::NoElement(style))?;
            copy_attributes(target, content);
            target.clear();
            append(target, content);
        }
        Swap::BeforeBegin => insert_before(target, fragment),
        Swap::AfterBegin => match target.first_child() {
            Some(first) => insert_before(first, fragment),
            None => append(target, fragment),
        },
        Swap::BeforeEnd => append(target, fragment),
        Swap::AfterEnd => {
            for child in fragment.children().iter().rev() {
                target.insert_after(child);
            }
        }
        Swap::InnerMorph | Swap::OuterMorph => morph(dom, target, fragment, style)?,
        // `None` and `Delete` are dealt with; others are not known when this is compiled.
        _ => {}
    }
    Ok(())
}

/// Takes elements out of the document that the content asks to preserve.
fn take_preserved<'a>(dom: &'a Dom, fragment: NodeRef<'_>) -> Vec<(String, NodeRef<'a>)> {
    let asked = fragment.descendants_it().filter(|node| node.hx("hx-preserve").is_some());
    let ids: Vec<String> = asked.filter_map(|node| node.hx("id")).collect();
    let mut preserved = Vec::new();
    for id in ids {
        if let Some(kept) = dom.by_id(&id) {
            kept.remove_from_parent();
            preserved.push((id, kept));
        }
    }
    preserved
}

fn insert_before(target: NodeRef<'_>, fragment: NodeRef<'_>) {
    if target.parent().is_some() {
        for child in fragment.children() {
            target.insert_before(&child);
        }
    }
}

fn append(target: NodeRef<'_>, fragment: NodeRef<'_>) {
    for child in fragment.children() {
        target.append_child(&child);
    }
}
