//! The error of markup that cannot be written.

use sse_kit_event::TextError;

use crate::attribute_name::AttributeName;
use crate::dialect::Dialect;
use crate::swap::Swap;

/// Markup that cannot be written for this htmx, or not like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct MarkupError(#[from] pub(crate) Reason);

/// The kind of a [`MarkupError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MarkupErrorKind {
    /// This htmx does not have the swap style.
    Swap,
    /// The name of an event cannot stand where it is wanted, or none was given.
    EventName,
    /// The element has an attribute already that is needed for the connection.
    Attribute,
    /// The text is no id, or no endpoint.
    Text,
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
}

impl MarkupError {
    /// Returns the kind of the error.
    pub fn kind(&self) -> MarkupErrorKind {
        match self.0 {
            Reason::Swap { .. } => MarkupErrorKind::Swap,
            Reason::NoName | Reason::NotInList { .. } | Reason::NotInTrigger { .. } => {
                MarkupErrorKind::EventName
            }
            Reason::Taken { .. } => MarkupErrorKind::Attribute,
            Reason::Text(_) => MarkupErrorKind::Text,
        }
    }
}

impl From<TextError> for MarkupError {
    fn from(error: TextError) -> Self {
        Self(Reason::Text(error))
    }
}
