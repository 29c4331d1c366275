//! The target of an update.

use std::borrow::Cow;

use crate::element_id::ElementId;
use crate::selector::Selector;

/// The target of an update: one element by its id, or all that a selector finds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// The element with this id.
    Id(ElementId),
    /// Every element that the selector finds.
    Selector(Selector),
}

impl Target {
    /// Returns the id, if the target is one element by its id. A key for conflation can be made from it.
    pub fn id(&self) -> Option<&ElementId> {
        match self {
            Self::Id(id) => Some(id),
            Self::Selector(_) => None,
        }
    }

    /// Returns the selector that finds it.
    pub fn selector(&self) -> Cow<'_, Selector> {
        match self {
            Self::Id(id) => Cow::Owned(id.selector()),
            Self::Selector(selector) => Cow::Borrowed(selector),
        }
    }
}

impl From<ElementId> for Target {
    fn from(id: ElementId) -> Self {
        Self::Id(id)
    }
}

impl From<Selector> for Target {
    fn from(selector: Selector) -> Self {
        Self::Selector(selector)
    }
}
