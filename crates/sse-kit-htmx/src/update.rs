//! A change to one target.

use std::time::Duration;

use crate::element_id::ElementId;
use crate::error::MarkupError;
use crate::fragment::{Fragment, RenderError};
use crate::html::Html;
use crate::message_format::MessageFormat;
use crate::modifiers::{Edge, FocusScroll, Modifiers, Transition};
use crate::swap::Swap;
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
    cumulative: bool,
    modifiers: Modifiers,
}

impl Update {
    /// Swaps a fragment into a target in any of htmx's ways.
    ///
    /// # Errors
    ///
    /// [`RenderError`] when the fragment cannot be rendered, as in all constructors below.
    pub fn new(
        target: impl Into<Target>,
        swap: Swap,
        fragment: &(impl Fragment + ?Sized),
    ) -> Result<Self, RenderError> {
        Ok(Self::with(target.into(), swap, fragment.to_html()?))
    }

    /// The fragment comes instead of the element ([`Swap::OuterHtml`]).
    ///
    /// The fragment is one element, which htmx 2 needs, and has the same id, if it is to be found
    /// again.
    ///
    /// # Errors
    ///
    /// As [`Update::new`].
    pub fn replace(
        id: ElementId,
        fragment: &(impl Fragment + ?Sized),
    ) -> Result<Self, RenderError> {
        Self::new(id, Swap::OuterHtml, fragment)
    }

    /// The fragment comes instead of what is in the element ([`Swap::InnerHtml`]).
    ///
    /// # Errors
    ///
    /// As [`Update::new`].
    pub fn fill(id: ElementId, fragment: &(impl Fragment + ?Sized)) -> Result<Self, RenderError> {
        Self::new(id, Swap::InnerHtml, fragment)
    }

    /// The fragment comes into the element, behind what is in it ([`Swap::BeforeEnd`]).
    ///
    /// # Errors
    ///
    /// As [`Update::new`].
    pub fn append(id: ElementId, fragment: &(impl Fragment + ?Sized)) -> Result<Self, RenderError> {
        Self::new(id, Swap::BeforeEnd, fragment)
    }

    /// The fragment comes into the element, before what is in it ([`Swap::AfterBegin`]).
    ///
    /// # Errors
    ///
    /// As [`Update::new`].
    pub fn prepend(
        id: ElementId,
        fragment: &(impl Fragment + ?Sized),
    ) -> Result<Self, RenderError> {
        Self::new(id, Swap::AfterBegin, fragment)
    }

    /// The fragment comes before the element ([`Swap::BeforeBegin`]).
    ///
    /// # Errors
    ///
    /// As [`Update::new`].
    pub fn before(id: ElementId, fragment: &(impl Fragment + ?Sized)) -> Result<Self, RenderError> {
        Self::new(id, Swap::BeforeBegin, fragment)
    }

    /// The fragment comes behind the element ([`Swap::AfterEnd`]).
    ///
    /// # Errors
    ///
    /// As [`Update::new`].
    pub fn after(id: ElementId, fragment: &(impl Fragment + ?Sized)) -> Result<Self, RenderError> {
        Self::new(id, Swap::AfterEnd, fragment)
    }

    /// The element becomes the fragment, and what is alike stays: focus, scrolling, a video that
    /// plays ([`Swap::OuterMorph`]). Only for htmx 4.
    ///
    /// # Errors
    ///
    /// As [`Update::new`].
    pub fn morph(id: ElementId, fragment: &(impl Fragment + ?Sized)) -> Result<Self, RenderError> {
        Self::new(id, Swap::OuterMorph, fragment)
    }

    /// As [`Update::morph`] with htmx 4 alone, and as [`Update::replace`] where htmx 2 reads it too.
    ///
    /// # Errors
    ///
    /// As [`Update::new`].
    pub fn morph_or_replace(
        id: ElementId,
        fragment: &(impl Fragment + ?Sized),
    ) -> Result<Self, RenderError> {
        Ok(Self { otherwise: Some(Swap::OuterHtml), ..Self::morph(id, fragment)? })
    }

    /// The element goes ([`Swap::Delete`]).
    pub fn delete(id: ElementId) -> Self {
        Self::with(id.into(), Swap::Delete, Html::default())
    }

    /// Says that it builds on what the page shows already, as content with `hx-preserve` does, so that
    /// a newer update of the same target cannot stand in for it.
    ///
    /// Those that insert beside what is there do so in any case.
    pub fn cumulative(self) -> Self {
        Self { cumulative: true, ..self }
    }

    /// Has a view transition, or none. Unless this is said an update of a stream has none, whatever
    /// htmx is configured to do: each update would wait for the transition of the one before, and the
    /// page would fall behind.
    pub fn transition(mut self, transition: Transition) -> Self {
        self.modifiers.transition = Some(transition);
        self
    }

    /// Scrolls the target to its upper or lower end after the swap, as in a chat.
    pub fn scroll(mut self, edge: Edge) -> Self {
        self.modifiers.scroll = Some(edge);
        self
    }

    /// Scrolls the page after the swap, until this edge of the target is in view.
    pub fn show(mut self, edge: Edge) -> Self {
        self.modifiers.show = Some(edge);
        self
    }

    /// Settles so long after the swap, in whole milliseconds, for transitions of CSS.
    pub fn settle(mut self, delay: Duration) -> Self {
        self.modifiers.settle = Some(delay);
        self
    }

    /// Scrolls to an element that keeps the focus over the swap, or does not.
    ///
    /// The two versions of htmx write this differently: it is for
    /// [`MessageFormat::V4`](crate::MessageFormat::V4) alone.
    pub fn focus_scroll(mut self, focus: FocusScroll) -> Self {
        self.modifiers.focus_scroll = Some(focus);
        self
    }

    pub(crate) fn modifiers(&self) -> Modifiers {
        self.modifiers
    }

    fn with(target: Target, swap: Swap, content: Html) -> Self {
        let cumulative =
            matches!(swap, Swap::BeforeBegin | Swap::AfterBegin | Swap::BeforeEnd | Swap::AfterEnd);
        Self { target, swap, otherwise: None, content, cumulative, modifiers: Modifiers::default() }
    }

    /// What is changed.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// How it is changed by a message of this shape, or on a page of this [`Dialect`](crate::Dialect).
    ///
    /// # Errors
    ///
    /// [`MarkupError`] when it cannot be, and no other way was given.
    pub fn swap(&self, shape: impl Into<MessageFormat>) -> Result<Swap, MarkupError> {
        match (self.swap.as_str(shape.into().narrowest()), self.otherwise) {
            (Ok(_), _) => Ok(self.swap),
            (Err(_), Some(otherwise)) => Ok(otherwise),
            (Err(error), None) => Err(error),
        }
    }

    /// Whether it builds on what the page shows already: then each of several updates of a target
    /// counts, and not only the newest.
    pub fn is_cumulative(&self) -> bool {
        self.cumulative
    }

    /// What it is changed with.
    pub fn content(&self) -> &Html {
        &self.content
    }
}
