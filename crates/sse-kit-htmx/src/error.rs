//! The error of markup, updates and heads that cannot be written.

use sse_kit_event::TextError;

use crate::attribute_name::AttributeName;
use crate::dialect::Dialect;
use crate::selector::Selector;
use crate::swap::Swap;
use crate::updates::UpdateFault;

/// Markup that cannot be written for this htmx, or not like this: attributes, a message of updates, or the
/// scripts of a head.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct MarkupError(#[from] pub(crate) Reason);

/// The kind of a [`MarkupError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MarkupErrorKind {
    /// This htmx does not have the swap style, or not out of band.
    Swap,
    /// The name of an event cannot stand where it is wanted, or none was given.
    EventName,
    /// The element has an attribute already that is needed for the connection.
    Attribute,
    /// The text is no id, or no endpoint.
    Text,
    /// A message of this format cannot carry a modifier of the update.
    Modifier,
    /// A browser would not leave the content where it belongs: it is not the one element that htmx 2
    /// needs, or something in it is not closed.
    Content,
    /// The head has no script of htmx, one of another version, or one that is `async`, for which
    /// nothing can wait.
    Htmx,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Reason {
    #[error("htmx {dialect} has no swap style `{swap}`")]
    Swap { swap: Swap, dialect: Dialect },
    #[error("there is no name of an event")]
    NoName,
    #[error("{name:?} cannot stand in a list of names: no commas, and no whitespace at the ends")]
    NotInList { name: String },
    #[error(
        "{name:?} means something else in `hx-trigger` of htmx {dialect}; give the event another name"
    )]
    NotInTrigger { name: String, dialect: Dialect },
    #[error("the attribute `{name}` is written by `Connect`; leave it out of the others")]
    Taken { name: AttributeName },
    #[error(transparent)]
    Text(TextError),
    #[error("`{selector}` cannot be updated: {fault}")]
    Update { selector: Selector, fault: UpdateFault },
    #[error("the head has no script of htmx; put `htmx.min.js` in it, or use `PageScripts::tags`")]
    NoHtmx,
    #[error("the script of htmx is `async`, so its extension cannot wait for it; write `defer`")]
    AsyncHtmx,
    #[error("the head has a script of htmx {found}, but the page is made for htmx {dialect}")]
    OtherHtmx { found: u32, dialect: Dialect },
}

impl MarkupError {
    /// Returns the kind of the error.
    pub fn kind(&self) -> MarkupErrorKind {
        match &self.0 {
            Reason::Swap { .. } => MarkupErrorKind::Swap,
            Reason::NoName | Reason::NotInList { .. } | Reason::NotInTrigger { .. } => {
                MarkupErrorKind::EventName
            }
            Reason::Taken { .. } => MarkupErrorKind::Attribute,
            Reason::Text(_) => MarkupErrorKind::Text,
            Reason::Update { fault, .. } => fault.kind(),
            Reason::NoHtmx | Reason::AsyncHtmx | Reason::OtherHtmx { .. } => MarkupErrorKind::Htmx,
        }
    }

    /// Returns the selector of the target that cannot be updated, if the error is that of an update.
    pub fn selector(&self) -> Option<&Selector> {
        match &self.0 {
            Reason::Update { selector, .. } => Some(selector),
            _ => None,
        }
    }
}

impl From<TextError> for MarkupError {
    fn from(error: TextError) -> Self {
        Self(Reason::Text(error))
    }
}
