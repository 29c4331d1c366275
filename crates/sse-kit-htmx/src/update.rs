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
    /// The swap for pages that cannot morph.
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
    /// [`RenderError`] when the fragment cannot be rendered.
    pub fn new(
        target: impl Into<Target>,
        swap: Swap,
        fragment: &(impl Fragment + ?Sized),
    ) -> Result<Self, RenderError> {
        Ok(Self::with(target.into(), swap, fragment.to_html()?))
    }

    /// Replaces the element by the fragment ([`Swap::OuterHtml`]).
    ///
    /// The fragment is one element, which htmx 2 needs, and has the same id, if it is to be found
    /// again.
    ///
    /// # Errors
    ///
    /// [`RenderError`] when the fragment cannot be rendered.
    pub fn replace(
        id: ElementId,
        fragment: &(impl Fragment + ?Sized),
    ) -> Result<Self, RenderError> {
        Self::new(id, Swap::OuterHtml, fragment)
    }

    /// Replaces the content of the element by the fragment ([`Swap::InnerHtml`]).
    ///
    /// # Errors
    ///
    /// [`RenderError`] when the fragment cannot be rendered.
    pub fn fill(id: ElementId, fragment: &(impl Fragment + ?Sized)) -> Result<Self, RenderError> {
        Self::new(id, Swap::InnerHtml, fragment)
    }

    /// Inserts the fragment into the element, after its content ([`Swap::BeforeEnd`]).
    ///
    /// # Errors
    ///
    /// [`RenderError`] when the fragment cannot be rendered.
    pub fn append(id: ElementId, fragment: &(impl Fragment + ?Sized)) -> Result<Self, RenderError> {
        Self::new(id, Swap::BeforeEnd, fragment)
    }

    /// Inserts the fragment into the element, before its content ([`Swap::AfterBegin`]).
    ///
    /// # Errors
    ///
    /// [`RenderError`] when the fragment cannot be rendered.
    pub fn prepend(
        id: ElementId,
        fragment: &(impl Fragment + ?Sized),
    ) -> Result<Self, RenderError> {
        Self::new(id, Swap::AfterBegin, fragment)
    }

    /// Inserts the fragment before the element ([`Swap::BeforeBegin`]).
    ///
    /// # Errors
    ///
    /// [`RenderError`] when the fragment cannot be rendered.
    pub fn before(id: ElementId, fragment: &(impl Fragment + ?Sized)) -> Result<Self, RenderError> {
        Self::new(id, Swap::BeforeBegin, fragment)
    }

    /// Inserts the fragment after the element ([`Swap::AfterEnd`]).
    ///
    /// # Errors
    ///
    /// [`RenderError`] when the fragment cannot be rendered.
    pub fn after(id: ElementId, fragment: &(impl Fragment + ?Sized)) -> Result<Self, RenderError> {
        Self::new(id, Swap::AfterEnd, fragment)
    }

    /// Morphs the element into the fragment: everything that is alike stays, such as focus, scrolling, a
    /// video that plays ([`Swap::OuterMorph`]). Only for htmx 4.
    ///
    /// # Errors
    ///
    /// [`RenderError`] when the fragment cannot be rendered.
    pub fn morph(id: ElementId, fragment: &(impl Fragment + ?Sized)) -> Result<Self, RenderError> {
        Self::new(id, Swap::OuterMorph, fragment)
    }

    /// Morphs where only htmx 4 reads the message, and replaces where htmx 2 reads it too.
    ///
    /// # Errors
    ///
    /// [`RenderError`] when the fragment cannot be rendered.
    pub fn morph_or_replace(
        id: ElementId,
        fragment: &(impl Fragment + ?Sized),
    ) -> Result<Self, RenderError> {
        Ok(Self { otherwise: Some(Swap::OuterHtml), ..Self::morph(id, fragment)? })
    }

    /// Deletes the element ([`Swap::Delete`]).
    pub fn delete(id: ElementId) -> Self {
        Self::with(id.into(), Swap::Delete, Html::default())
    }

    /// Declares that it builds on what the page shows already, as content with `hx-preserve` does, so that
    /// a newer update of the same target cannot stand in for it.
    ///
    /// Updates that insert next to existing content are cumulative in any case.
    pub fn cumulative(self) -> Self {
        Self { cumulative: true, ..self }
    }

    /// Sets the view transition. Default: an update of a stream has none, whatever htmx is configured to
    /// do. With one each update would wait for the transition of the one before, and the
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

    /// Returns the target.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Returns the swap in a message of this format, or on a page of this [`Dialect`](crate::Dialect).
    ///
    /// # Errors
    ///
    /// [`MarkupError`] when it cannot be, and no other way was given.
    pub fn swap(&self, format: impl Into<MessageFormat>) -> Result<Swap, MarkupError> {
        match (self.swap.as_str(format.into().narrowest()), self.otherwise) {
            (Ok(_), _) => Ok(self.swap),
            (Err(_), Some(otherwise)) => Ok(otherwise),
            (Err(error), None) => Err(error),
        }
    }

    /// Returns `true` if the update builds on what the page shows already. Then each of several updates
    /// of a target counts, and not only the newest.
    pub fn is_cumulative(&self) -> bool {
        self.cumulative
    }

    /// Returns the content.
    pub fn content(&self) -> &Html {
        &self.content
    }
}
