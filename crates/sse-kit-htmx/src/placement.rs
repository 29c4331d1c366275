//! The check that an update keeps to its place in a message.

use crate::first_tag::FirstTag;
use crate::tree::{NodeId, Scripting, Tree};

/// The form in which a message has one update.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    /// An `<hx-partial>`.
    Partial,
    /// An element with `hx-swap-oob`.
    Element,
    /// The same, in a `<template>`, as it is a part of a table.
    InTemplate,
}

/// Stands behind a part, to see whether it swallows what follows.
const END: &str = "sse-kit-end";

/// HTML that does not keep to its place, as a browser reads it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlacementError {
    #[error("there is no element in it")]
    NoElement,
    #[error("there is text beside the element")]
    TextBeside,
    #[error("a browser drops `<{name}>` here")]
    Dropped { name: String },
    #[error("a browser puts `<{name}>` beside it, and not into it")]
    Beside { name: String },
    #[error("`<{name}>` is not closed, and takes in what follows")]
    Unclosed { name: String },
    #[error("a comment in it does not end")]
    Comment,
    #[error("a tag in it does not end")]
    Tag,
    #[error("it has a `</template>` or `</hx-…>` too many")]
    TemplateEnd,
}

/// Elements that a message of htmx cannot have at its top.
const DOCUMENT: &[&str] = &["html", "head", "body"];

/// Finds the tag of the one element that a piece of HTML is to consist of.
pub(crate) fn root_tag(html: &str) -> Result<FirstTag<'_>, PlacementError> {
    let Some(tag) = FirstTag::find(html) else {
        let tree = Tree::parse(html, Scripting::Off);
        let is_empty = !tree.top().iter().any(|&node| tree.is_shown(node));
        return Err(if is_empty { PlacementError::NoElement } else { PlacementError::TextBeside });
    };
    if DOCUMENT.iter().any(|name| tag.is(name)) {
        return Err(PlacementError::Dropped { name: tag.name.to_ascii_lowercase() });
    }
    Ok(tag)
}

/// Checks that a part of a message is one element for a browser, which keeps its content, and
/// leaves alone what follows.
pub(crate) fn check(html: &str, part: Part) -> Result<(), PlacementError> {
    // htmx reads a message within a `<template>`, where no script runs.
    let html = with_templates(html);
    let tree = Tree::parse(&format!("<template>{html}<{END}></{END}></template>"), Scripting::Off);
    let message = tree.top().first().map_or(&[][..], |&template| tree.within(template));
    let mut shown: Vec<NodeId> =
        message.iter().copied().filter(|&node| tree.is_shown(node)).collect();
    let ends = shown.pop_if(|last| tree.name(*last) == Some(END)).is_some();
    // What stands at the top is named first: it is why the rest went wrong.
    let attribute = if let Part::Element = part { "hx-swap-oob" } else { "" };
    let root = match only(&tree, &shown, attribute) {
        Err(PlacementError::NoElement) | Ok(_) if !ends => return Err(swallowed(&tree)),
        root => root?,
    };
    if let Part::InTemplate = part {
        let within = tree.within(root).iter().copied();
        let shown: Vec<NodeId> = within.filter(|&node| tree.is_shown(node)).collect();
        only(&tree, &shown, "hx-swap-oob")?;
    }
    Ok(())
}

/// Returns the one node that there is: an element, with this attribute if one is named. Elements
/// that got out of it do not have ours.
fn only(tree: &Tree, shown: &[NodeId], attribute: &str) -> Result<NodeId, PlacementError> {
    if shown.iter().any(|&node| tree.is_text(node)) {
        return Err(PlacementError::TextBeside);
    }
    let is_right =
        |&node: &NodeId| attribute.is_empty() || tree.attribute(node, attribute).is_some();
    let right = shown.iter().position(is_right);
    let other = shown.iter().enumerate().find(|&(at, _)| Some(at) != right);
    match (right, other) {
        (Some(at), None) => Ok(shown[at]),
        (_, Some((_, &other))) => Err(PlacementError::Beside { name: name_of(tree, other) }),
        (None, None) => Err(PlacementError::NoElement),
    }
}

/// Finds out what has taken in the end of a part.
fn swallowed(tree: &Tree) -> PlacementError {
    let mut last = tree.nodes().rev();
    let end = tree.nodes().rev().find(|&node| tree.name(node) == Some(END));
    if let Some(end) = end {
        return match tree.parent(end).and_then(|parent| tree.name(parent)) {
            Some("html") | None => PlacementError::TemplateEnd,
            Some(name) => PlacementError::Unclosed { name: name.to_owned() },
        };
    }
    match last.next() {
        Some(node) if tree.is_comment(node) => PlacementError::Comment,
        Some(node) if tree.is_text(node) => match tree.parent(node).and_then(|it| tree.name(it)) {
            Some(name) => PlacementError::Unclosed { name: name.to_owned() },
            None => PlacementError::Tag,
        },
        _ => PlacementError::Tag,
    }
}

fn name_of(tree: &Tree, node: NodeId) -> String {
    tree.name(node).unwrap_or_default().to_owned()
}

/// Does what htmx does before it parses: `<hx-partial>` and its like become `<template>`.
fn with_templates(html: &str) -> String {
    let mut read = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        read.push_str(before);
        let (start, name) = match tag.strip_prefix("</") {
            Some(name) => ("</template", name),
            None => ("<template", &tag[1..]),
        };
        let end = hx_name_end(name).filter(|&end| {
            let after = name[end..].chars().next();
            after == Some('>') || (start == "<template" && after.is_some_and(char::is_whitespace))
        });
        rest = if let Some(end) = end {
            read.push_str(start);
            &name[end..]
        } else {
            read.push_str(&tag[..tag.len() - name.len()]);
            name
        };
    }
    read.push_str(rest);
    read
}

/// Returns where `hx-` and letters end.
fn hx_name_end(name: &str) -> Option<usize> {
    let rest = name.get(..3).filter(|start| start.eq_ignore_ascii_case("hx-"))?;
    let letters = name[rest.len()..].bytes().take_while(u8::is_ascii_alphabetic).count();
    (letters > 0).then_some(rest.len() + letters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_htmx_are_templates() {
        assert_eq!(
            with_templates("<hx-partial a><b></hx-PARTIAL><hx-2 ></hx-a ><HX-x>"),
            "<template a><b></template><hx-2 ></hx-a ><template>"
        );
    }
}
