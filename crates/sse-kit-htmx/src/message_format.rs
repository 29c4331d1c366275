//! The form in which a message carries changes.

use crate::dialect::Dialect;

/// The form in which a message carries changes: which pages can read it.
///
/// Made from a [`Dialect`] where all pages have the same htmx.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MessageFormat {
    /// Elements with `hx-swap-oob`, for every htmx 2. No morphing.
    V2,
    /// `<hx-partial>`s, for htmx 4.
    V4,
    /// `<hx-partial>`s without morphing, for htmx 4 and, from 2.0.11 on, htmx 2. For an app that
    /// serves both, such as one that moves from the one to the other: it is still one message.
    Both,
}

impl MessageFormat {
    /// Returns the least capable dialect that must be able to read this format.
    pub(crate) fn narrowest(self) -> Dialect {
        match self {
            Self::V2 | Self::Both => Dialect::V2,
            Self::V4 => Dialect::V4,
        }
    }
}

impl Default for MessageFormat {
    fn default() -> Self {
        Dialect::default().into()
    }
}

impl From<Dialect> for MessageFormat {
    fn from(dialect: Dialect) -> Self {
        match dialect {
            Dialect::V2 => Self::V2,
            Dialect::V4 => Self::V4,
        }
    }
}
