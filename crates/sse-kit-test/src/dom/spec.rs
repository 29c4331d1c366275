//! `hx-swap`: a style and its modifiers.

use sse_kit_htmx::Swap;

use super::DomError;

/// The parts of `hx-swap` that change a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SwapSpec {
    pub(super) style: Swap,
    /// `strip`: the outermost element of the content is taken off.
    pub(super) strip: Option<bool>,
    /// `swapEmpty`: content that has nothing in it is swapped too.
    pub(super) swap_empty: Option<bool>,
    /// `target`: another target.
    pub(super) target: Option<String>,
}

impl SwapSpec {
    /// Reads a style with modifiers; the style is `innerHTML` where none is named.
    pub(super) fn parse(text: &str) -> Result<Self, DomError> {
        let mut spec = Self { style: Swap::InnerHtml, strip: None, swap_empty: None, target: None };
        for (index, word) in text.split_whitespace().enumerate() {
            match word.split_once(':') {
                Some(("strip", value)) => spec.strip = Some(value == "true"),
                Some(("swapEmpty", value)) => spec.swap_empty = Some(value == "true"),
                Some(("target", value)) => spec.target = Some(value.to_owned()),
                None if index == 0 => spec.style = style(word)?,
                _ => {} // how it looks and scrolls
            }
        }
        Ok(spec)
    }
}

/// Reads the name of a style, also by the short names of htmx 4.
fn style(name: &str) -> Result<Swap, DomError> {
    let long = match name {
        "before" => "beforebegin",
        "after" => "afterend",
        "prepend" => "afterbegin",
        "append" => "beforeend",
        _ => name,
    };
    long.parse().map_err(|_| DomError::Style(name.to_owned()))
}

/// Returns whether the style replaces or changes the target itself.
pub(super) fn is_outer(style: Swap) -> bool {
    matches!(style, Swap::OuterHtml | Swap::OuterMorph | Swap::OuterSync)
}
