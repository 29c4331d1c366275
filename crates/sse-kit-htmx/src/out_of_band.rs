//! Changes as htmx 2 takes them: `hx-swap-oob`.

use crate::escape::write_escaped;
use crate::first_tag::FirstTag;
use crate::html::Html;
use crate::placement::{Part, PlacementError, root_tag};
use crate::selector::Selector;
use crate::swap::Swap;

/// Writes one change into a message of htmx 2.
///
/// For `outerHTML` htmx inserts the very element that has `hx-swap-oob`, so the attribute goes on
/// the content's own element. For everything else it inserts the *content* of that element, so a
/// wrapper has it.
pub(crate) fn write_out_of_band(
    message: &mut String,
    selector: &Selector,
    swap: Swap,
    content: &Html,
) -> Result<Part, PlacementError> {
    match swap {
        Swap::OuterHtml => {
            let tag = root_tag(content.as_str())?;
            Ok(write_element(message, selector, swap, content.as_str(), tag))
        }
        Swap::Delete | Swap::None => Ok(write_wrapped(message, selector, swap, "")),
        _ => Ok(write_wrapped(message, selector, swap, content.as_str())),
    }
}

fn write_element(
    message: &mut String,
    selector: &Selector,
    swap: Swap,
    content: &str,
    tag: FirstTag<'_>,
) -> Part {
    let (before, after) = content.split_at(tag.name_end);
    let in_template = wrapper_of(tag) != "div";
    if in_template {
        message.push_str("<template>");
    }
    message.push_str(before);
    write_attribute(message, selector, swap);
    message.push_str(after);
    if in_template {
        message.push_str("</template>");
        return Part::InTemplate;
    }
    Part::Element
}

fn write_wrapped(message: &mut String, selector: &Selector, swap: Swap, content: &str) -> Part {
    let wrapper = FirstTag::find(content).map_or("div", wrapper_of);
    let in_template = wrapper != "div";
    if in_template {
        message.push_str("<template>");
    }
    message.push('<');
    message.push_str(wrapper);
    write_attribute(message, selector, swap);
    message.push('>');
    message.push_str(content);
    message.push_str("</");
    message.push_str(wrapper);
    message.push('>');
    if in_template {
        message.push_str("</template>");
        return Part::InTemplate;
    }
    Part::Element
}

fn write_attribute(message: &mut String, selector: &Selector, swap: Swap) {
    message.push_str(" hx-swap-oob=\"");
    write_escaped(message, swap);
    message.push(':');
    write_escaped(message, selector);
    message.push('"');
}

/// In which element a parser of HTML lets this element stand. Parts of a table are dropped from a
/// `<div>`, and also from the message itself, unless each part has a `<template>` of its own.
fn wrapper_of(tag: FirstTag<'_>) -> &'static str {
    let is = |names: &[&str]| names.iter().any(|name| tag.is(name));
    if is(&["tr"]) {
        "tbody"
    } else if is(&["td", "th"]) {
        "tr"
    } else if is(&["col"]) {
        "colgroup"
    } else if is(&["tbody", "thead", "tfoot", "caption", "colgroup"]) {
        "table"
    } else {
        "div"
    }
}
