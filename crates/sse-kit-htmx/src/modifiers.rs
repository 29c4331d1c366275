//! The modifiers of a swap.

use std::fmt;
use std::time::Duration;

/// The view transition of a swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transition {
    /// The swap has one, even in a stream. Later updates wait until it is over.
    On,
    /// The swap has none.
    Off,
}

/// An edge of an element, for scrolling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Edge {
    /// The upper edge.
    Top,
    /// The lower edge.
    Bottom,
}

/// The scrolling to an element that keeps the focus over the swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FocusScroll {
    /// The page scrolls to it.
    On,
    /// The page stays where it is.
    Off,
}

/// The modifiers of one update, each with a space before it. Without any, nothing is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Modifiers {
    pub(crate) transition: Option<Transition>,
    pub(crate) scroll: Option<Edge>,
    pub(crate) show: Option<Edge>,
    pub(crate) settle: Option<Duration>,
    pub(crate) focus_scroll: Option<FocusScroll>,
}

impl Modifiers {
    /// Returns the first one that htmx 2 cannot read out of band.
    pub(crate) fn unknown_out_of_band(self) -> Option<&'static str> {
        let has = [
            // A swap out of band never has a transition of its own.
            (self.transition == Some(Transition::On), "transition"),
            (self.scroll.is_some(), "scroll"),
            (self.show.is_some(), "show"),
            (self.settle.is_some(), "settle"),
            (self.focus_scroll.is_some(), "focus_scroll"),
        ];
        has.into_iter().find(|(has, _)| *has).map(|(_, name)| name)
    }

    /// Returns the first one that the two versions of htmx write differently.
    pub(crate) fn unknown_to_both(self) -> Option<&'static str> {
        self.focus_scroll.map(|_| "focus_scroll")
    }
}

impl fmt::Display for Modifiers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(transition) = self.transition {
            write!(f, " transition:{}", transition == Transition::On)?;
        }
        let edge = |edge| match edge {
            Edge::Top => "top",
            Edge::Bottom => "bottom",
        };
        if let Some(scroll) = self.scroll {
            write!(f, " scroll:{}", edge(scroll))?;
        }
        if let Some(show) = self.show {
            write!(f, " show:{}", edge(show))?;
        }
        if let Some(settle) = self.settle {
            write!(f, " settle:{}ms", settle.as_millis())?;
        }
        if let Some(focus) = self.focus_scroll {
            write!(f, " focusScroll:{}", focus == FocusScroll::On)?;
        }
        Ok(())
    }
}
