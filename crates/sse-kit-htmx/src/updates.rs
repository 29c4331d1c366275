//! Several updates in one message.

use crate::error::{MarkupError, MarkupErrorKind, Reason};
use crate::escape::write_escaped;
use crate::html::Html;
use crate::message_format::MessageFormat;
use crate::modifiers::Modifiers;
use crate::out_of_band::write_out_of_band;
use crate::placement::{Part, PlacementError, check};
use crate::selector::Selector;
use crate::swap::Swap;
use crate::update::Update;

/// Updates of a page that come in one message, in this order.
///
/// Its HTML is the data of one event *without a name*: `<hx-partial>`s for htmx 4, elements with
/// `hx-swap-oob` for htmx 2. A page takes it in by an element with
/// [`Connect::out_of_band`](crate::Connect::out_of_band).
///
/// ```
/// use sse_kit_htmx::{Dialect, Html, Update, Updates};
///
/// let row = Html::trusted("<tr id=\"job-17\"><td>done</td></tr>");
/// let updates = Updates::from(Update::replace("job-17".parse()?, &row)?);
///
/// // A row on its own would not survive the parser of HTML.
/// assert_eq!(
///     updates.render(Dialect::V2)?.as_str(),
///     "<template><tr hx-swap-oob=\"outerHTML:#job-17\" id=\"job-17\"><td>done</td></tr></template>",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Updates(Vec<Update>);

impl Updates {
    /// Makes a list of no updates.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an update after the others.
    pub fn push(&mut self, update: Update) {
        self.0.push(update);
    }

    /// Returns `true` if there is nothing to change. Send nothing then: htmx 2 takes an event
    /// without data as new, empty content.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the number of updates.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the updates, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Update> {
        self.0.iter()
    }

    /// Writes the message for pages with this htmx, by its [`Dialect`](crate::Dialect), or by a
    /// format that serves both.
    ///
    /// Each update is read back as a browser reads it. An update whose content would land beside its
    /// target, or take in the updates that follow, is an error.
    ///
    /// # Errors
    ///
    /// [`MarkupError`] names the target of the first update that this htmx cannot make, and why.
    pub fn render(&self, format: impl Into<MessageFormat>) -> Result<Html, MarkupError> {
        let format = format.into();
        let mut message = String::new();
        for update in self {
            write_update(&mut message, update, format).map_err(|fault| Reason::Update {
                selector: update.target().selector().into_owned(),
                fault,
            })?;
        }
        Ok(Html::trusted(message))
    }
}

fn write_update(
    message: &mut String,
    update: &Update,
    format: MessageFormat,
) -> Result<(), UpdateFault> {
    let swap = update.swap(format)?;
    let modifiers = update.modifiers();
    let unknown = match format {
        MessageFormat::V2 => modifiers.unknown_out_of_band(),
        MessageFormat::Both => modifiers.unknown_to_both(),
        MessageFormat::V4 => None,
    };
    if let Some(modifier) = unknown {
        return Err(UpdateFault::Modifier { modifier, format });
    }
    let (start, selector, content) = (message.len(), update.target().selector(), update.content());
    let part = match (format, swap) {
        (MessageFormat::V2 | MessageFormat::Both, Swap::TextContent) => {
            return Err(UpdateFault::TextContent);
        }
        (MessageFormat::V2, _) => write_out_of_band(message, &selector, swap, content)?,
        (MessageFormat::V4 | MessageFormat::Both, _) => {
            write_partial(message, &selector, swap, modifiers, content);
            Part::Partial
        }
    };
    // Text stays where it is.
    if swap == Swap::OuterHtml || content.as_str().contains('<') {
        check(&message[start..], part)?;
    }
    Ok(())
}

/// Writes an `<hx-partial>`, which htmx reads as a `<template>`, so that parts of a table survive.
fn write_partial(
    message: &mut String,
    selector: &Selector,
    swap: Swap,
    modifiers: Modifiers,
    content: &Html,
) {
    message.push_str("<hx-partial hx-target=\"");
    write_escaped(message, selector);
    message.push_str("\" hx-swap=\"");
    write_escaped(message, swap);
    write_escaped(message, modifiers);
    message.push_str("\">");
    message.push_str(content.as_str());
    message.push_str("</hx-partial>");
}

impl From<Update> for Updates {
    fn from(update: Update) -> Self {
        Self(vec![update])
    }
}

impl FromIterator<Update> for Updates {
    fn from_iter<I: IntoIterator<Item = Update>>(updates: I) -> Self {
        Self(updates.into_iter().collect())
    }
}

impl Extend<Update> for Updates {
    fn extend<I: IntoIterator<Item = Update>>(&mut self, updates: I) {
        self.0.extend(updates);
    }
}

impl IntoIterator for Updates {
    type Item = Update;
    type IntoIter = std::vec::IntoIter<Update>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Updates {
    type Item = &'a Update;
    type IntoIter = std::slice::Iter<'a, Update>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The reason why one update cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UpdateFault {
    #[error("{0}; use a swap style of both, or `Update::morph_or_replace`")]
    Swap(Box<MarkupError>),
    // htmx 2 has it, but gets it wrong in every swap but the main one.
    #[error("htmx 2 has no `textContent` out of band; fill it with `Html::text` instead")]
    TextContent,
    #[error("a message of {format:?} cannot carry `{modifier}`")]
    Modifier { modifier: &'static str, format: MessageFormat },
    #[error("the content would not stay in its place: {0}")]
    Content(#[from] PlacementError),
}

impl UpdateFault {
    pub(crate) fn kind(&self) -> MarkupErrorKind {
        match self {
            Self::Swap(_) | Self::TextContent => MarkupErrorKind::Swap,
            Self::Modifier { .. } => MarkupErrorKind::Modifier,
            Self::Content(_) => MarkupErrorKind::Content,
        }
    }
}

impl From<MarkupError> for UpdateFault {
    fn from(error: MarkupError) -> Self {
        Self::Swap(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::element_id::ElementId;
    use crate::modifiers::{Edge, FocusScroll, Transition};

    fn update() -> Update {
        let id = ElementId::new("a").expect("an id");
        Update::append(id, &Html::text("x")).expect("a text can be rendered")
    }

    #[test]
    fn modifiers_are_written_where_they_are_given() {
        let update = update()
            .transition(Transition::On)
            .scroll(Edge::Bottom)
            .show(Edge::Top)
            .settle(Duration::from_millis(20));
        let message = Updates::from(update).render(MessageFormat::Both).map(Html::into_string);
        assert_eq!(
            message.as_deref(),
            Ok("<hx-partial hx-target=\"#a\" hx-swap=\"beforeend transition:true scroll:bottom \
                show:top settle:20ms\">x</hx-partial>"),
        );
    }

    #[test]
    fn what_a_format_cannot_carry_is_an_error() {
        let refused = |update: Update, format| match Updates::from(update).render(format) {
            Err(MarkupError(Reason::Update {
                fault: UpdateFault::Modifier { modifier, .. },
                ..
            })) => Some(modifier),
            _ => None,
        };
        let focused = || update().focus_scroll(FocusScroll::Off);
        assert_eq!(refused(focused(), MessageFormat::Both), Some("focus_scroll"));
        assert_eq!(refused(focused(), MessageFormat::V4), None);
        assert_eq!(refused(update().scroll(Edge::Top), MessageFormat::V2), Some("scroll"));
        assert_eq!(
            refused(update().transition(Transition::On), MessageFormat::V2),
            Some("transition")
        );
        assert_eq!(refused(update().transition(Transition::Off), MessageFormat::V2), None);
    }
}
