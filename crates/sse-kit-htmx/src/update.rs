//! A change to one target.

use crate::dialect::Dialect;
use crate::element_id::ElementId;
use crate::fragment::{Fragment, RenderError};
use crate::html::Html;
use crate::swap::{Swap, UnsupportedSwap};
use crate::target::Target;

/// A change to one target of a page: which, how, and with what content.
///
/// The constructors are named after what happens to the element with that id. Updates become a
/// message by [`Updates`](crate::Updates).
///
/// ```
/// use sse_kit_htmx::{Dialect, ElementId, Html, Swap, Update};
///
/// let id: ElementId = "job-17".parse()?;
/// let update = Update::morph_or_replace(id, &Html::trusted("<li id=\"job-17\">done</li>"))?;
///
/// assert_eq!(update.swap(Dialect::V4)?, Swap::OuterMorph);
/// assert_eq!(update.swap(Dialect::V2)?, Swap::OuterHtml);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    target: Target,
    swap: Swap,
    /// What is done where there is no morphing.
    otherwise: Option<Swap>,
    content: Html,
}

impl Update {
    /// Swaps a fragment into a target in any of htmx's ways.
    ///
    /// # Errors
    ///
    /// [`RenderError`] when the fragment cannot be rendered, as in all constructors below.
    pub fn to(
        target: impl Into<Target>,
        swap: Swap,
        fragment: &(impl Fragment + ?Sized),
    ) -> Result<Self, RenderError> {
        let content = fragment.to_html()?;
        Ok(Self { target: target.into(), swap, otherwise: None, content })
    }

    /// The fragment comes instead of the element ([`Swap::OuterHtml`]).
    ///
    /// The fragment is one element, which htmx 2 needs, and has the same id, if it is to be found
    /// again.
    ///
    /// # Errors
    ///
    /// As [`Update::to`].
    pub fn replace(
        id: ElementId,
        fragment: &(impl Fragment + ?Sized),
    ) -> Result<Self, RenderError> {
        Self::to(id, Swap::OuterHtml, fragment)
    }

    /// The fragment comes instead of what is in the element ([`Swap::InnerHtml`]).
    ///
    /// # Errors
    ///
    /// As [`Update::to`].
    pub fn fill(id: ElementId, fragment: &(impl Fragment + ?Sized)) -> Result<Self, RenderError> {
        Self::to(id, Swap::InnerHtml, fragment)
    }

    /// The fragment comes into the element, behind what is in it ([`Swap::BeforeEnd`]).
    ///
    /// # Errors
    ///
    /// As [`Update::to`].
    pub fn append(id: ElementId, fragment: &(impl Fragment + ?Sized)) -> Result<Self, RenderError> {
        Self::to(id, Swap::BeforeEnd, fragment)
    }

    /// The fragment comes into the element, before what is in it ([`Swap::AfterBegin`]).
    ///
    /// # Errors
    ///
    /// As [`Update::to`].
    pub fn prepend(
        id: ElementId,
        fragment: &(impl Fragment + ?Sized),
    ) -> Result<Self, RenderError> {
        Self::to(id, Swap::AfterBegin, fragment)
    }

    /// The fragment comes before the element ([`Swap::BeforeBegin`]).
    ///
    /// # Errors
    ///
    /// As [`Update::to`].
    pub fn before(id: ElementId, fragment: &(impl Fragment + ?Sized)) -> Result<Self, RenderError> {
        Self::to(id, Swap::BeforeBegin, fragment)
    }

    /// The fragment comes behind the element ([`Swap::AfterEnd`]).
    ///
    /// # Errors
    ///
    /// As [`Update::to`].
    pub fn after(id: ElementId, fragment: &(impl Fragment + ?Sized)) -> Result<Self, RenderError> {
        Self::to(id, Swap::AfterEnd, fragment)
    }

    /// The element becomes the fragment, and what is alike stays: focus, scrolling, a video that
    /// plays ([`Swap::OuterMorph`]). Only for htmx 4.
    ///
    /// # Errors
    ///
    /// As [`Update::to`].
    pub fn morph(id: ElementId, fragment: &(impl Fragment + ?Sized)) -> Result<Self, RenderError> {
        Self::to(id, Swap::OuterMorph, fragment)
    }

    /// As [`Update::morph`] with htmx 4, and as [`Update::replace`] with htmx 2.
    ///
    /// # Errors
    ///
    /// As [`Update::to`].
    pub fn morph_or_replace(
        id: ElementId,
        fragment: &(impl Fragment + ?Sized),
    ) -> Result<Self, RenderError> {
        Ok(Self { otherwise: Some(Swap::OuterHtml), ..Self::morph(id, fragment)? })
    }

    /// The element goes ([`Swap::Delete`]).
    pub fn delete(id: ElementId) -> Self {
        Self { target: id.into(), swap: Swap::Delete, otherwise: None, content: Html::default() }
    }

    /// What is changed.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// How it is changed in this dialect.
    ///
    /// # Errors
    ///
    /// [`UnsupportedSwap`] when this htmx cannot, and no other way was given.
    pub fn swap(&self, dialect: Dialect) -> Result<Swap, UnsupportedSwap> {
        match (self.swap.as_str(dialect), self.otherwise) {
            (Ok(_), _) => Ok(self.swap),
            (Err(_), Some(otherwise)) => Ok(otherwise),
            (Err(error), None) => Err(error),
        }
    }

    /// What it is changed with.
    pub fn content(&self) -> &Html {
        &self.content
    }
}
