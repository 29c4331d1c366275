//! The swap styles of htmx.

use std::fmt;
use std::str::FromStr;

use sse_kit_event::{TextError, TextErrorKind};

use crate::dialect::Dialect;
use crate::error::{MarkupError, Reason};

/// A swap style of htmx: the way in which content goes into its target.
///
/// ```
/// use sse_kit_htmx::{Dialect, Swap};
///
/// let swap: Swap = "beforeend".parse()?;
/// assert_eq!(swap, Swap::BeforeEnd);
/// assert_eq!(swap.as_str(Dialect::V2)?, "beforeend");
/// assert!(Swap::OuterMorph.as_str(Dialect::V2).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Swap {
    /// `innerHTML`: instead of the target's content.
    InnerHtml,
    /// `outerHTML`: instead of the target itself.
    OuterHtml,
    /// `textContent`: the new content's text, instead of the target's content.
    ///
    /// htmx 2 has it where an element swaps for itself, but not out of band.
    TextContent,
    /// `beforebegin`: before the target.
    BeforeBegin,
    /// `afterbegin`: in the target, before its content.
    AfterBegin,
    /// `beforeend`: in the target, behind its content.
    BeforeEnd,
    /// `afterend`: behind the target.
    AfterEnd,
    /// `delete`: the target goes, whatever the content.
    Delete,
    /// `none`: the target stays as it is. What comes out of band is still swapped.
    None,
    /// `innerMorph`: the target's content becomes the new one, and equal elements stay. htmx 4.
    InnerMorph,
    /// `outerMorph`: the target becomes the new content, and equal elements stay. htmx 4.
    OuterMorph,
    /// `outerSync`: the target keeps its place, and takes over the content's attributes and
    /// children. htmx 4.
    OuterSync,
}

impl Swap {
    /// All styles.
    const ALL: [Self; 12] = [
        Self::InnerHtml,
        Self::OuterHtml,
        Self::TextContent,
        Self::BeforeBegin,
        Self::AfterBegin,
        Self::BeforeEnd,
        Self::AfterEnd,
        Self::Delete,
        Self::None,
        Self::InnerMorph,
        Self::OuterMorph,
        Self::OuterSync,
    ];

    /// Returns its name in markup of this dialect.
    ///
    /// # Errors
    ///
    /// [`MarkupError`] when this htmx does not have it.
    pub fn as_str(self, dialect: Dialect) -> Result<&'static str, MarkupError> {
        match (dialect, self) {
            (Dialect::V2, Self::InnerMorph | Self::OuterMorph | Self::OuterSync) => {
                Err(Reason::Swap { swap: self, dialect }.into())
            }
            _ => Ok(self.name()),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::InnerHtml => "innerHTML",
            Self::OuterHtml => "outerHTML",
            Self::TextContent => "textContent",
            Self::BeforeBegin => "beforebegin",
            Self::AfterBegin => "afterbegin",
            Self::BeforeEnd => "beforeend",
            Self::AfterEnd => "afterend",
            Self::Delete => "delete",
            Self::None => "none",
            Self::InnerMorph => "innerMorph",
            Self::OuterMorph => "outerMorph",
            Self::OuterSync => "outerSync",
        }
    }
}

impl fmt::Display for Swap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Swap {
    type Err = TextError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|swap| swap.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join("`, `");
            TextError::new(
                name,
                "a swap style",
                TextErrorKind::Unknown,
                format!("it is none of `{names}`"),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_as_they_are_written() {
        for swap in Swap::ALL {
            assert_eq!(swap.to_string().parse(), Ok(swap));
            assert_eq!(swap.as_str(Dialect::V4), Ok(swap.name()));
        }
        for name in ["innerhtml", "true"] {
            let error = name.parse::<Swap>().expect_err("it is none");
            assert_eq!(error.kind(), TextErrorKind::Unknown);
        }
    }

    #[test]
    fn htmx_2_does_not_morph() {
        let refused: Vec<Swap> =
            Swap::ALL.into_iter().filter(|swap| swap.as_str(Dialect::V2).is_err()).collect();
        assert_eq!(refused, [Swap::InnerMorph, Swap::OuterMorph, Swap::OuterSync]);
    }
}
