//! Changes as htmx 2 takes them: `hx-swap-oob`.

use crate::escape::write_escaped;
use crate::html::Html;
use crate::root_element::{RootElement, first_element};
use crate::selector::Selector;
use crate::swap::Swap;
use crate::updates::UpdatesError;

/// Writes one change into a message of htmx 2.
///
/// For `outerHTML` htmx inserts the very element that has `hx-swap-oob`, so the attribute goes on
/// the content's own element. For everything else it inserts what is *in* that element, so a
/// wrapper has it.
pub(crate) fn write_out_of_band(
    message: &mut String,
    selector: &Selector,
    swap: Swap,
    content: &Html,
) -> Result<(), UpdatesError> {
    match swap {
        Swap::None => {}
        Swap::OuterHtml => {
            let root = RootElement::parse(content.as_str())
                .map_err(|source| UpdatesError::Root { selector: selector.clone(), source })?;
            write_element(message, selector, swap, content.as_str(), &root);
        }
        Swap::Delete => write_wrapped(message, selector, swap, ""),
        _ => write_wrapped(message, selector, swap, content.as_str()),
    }
    Ok(())
}

fn write_element(
    message: &mut String,
    selector: &Selector,
    swap: Swap,
    content: &str,
    root: &RootElement<'_>,
) {
    let (before, after) = content.split_at(root.name_end);
    let in_template = wrapper_of(root.name) != "div";
    if in_template {
        message.push_str("<template>");
    }
    message.push_str(before);
    write_attribute(message, selector, swap);
    message.push_str(after);
    if in_template {
        message.push_str("</template>");
    }
}

fn write_wrapped(message: &mut String, selector: &Selector, swap: Swap, content: &str) {
    let wrapper = first_element(content).map_or("div", wrapper_of);
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
    }
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
fn wrapper_of(name: &str) -> &'static str {
    let is = |names: &[&str]| names.iter().any(|one| name.eq_ignore_ascii_case(one));
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
