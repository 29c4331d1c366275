//! The version of htmx on a page.

use std::fmt;
use std::str::FromStr;

use sse_kit_event::{TextError, TextErrorKind};

/// The version of htmx on a page, which says what markup and messages look like.
///
/// Read from and written as `2` and `4`.
///
/// ```
/// use sse_kit_htmx::Dialect;
///
/// assert_eq!("2".parse(), Ok(Dialect::V2));
/// assert_eq!(Dialect::default().to_string(), "4");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// htmx 2 with `htmx-ext-sse` 2.2: `sse-connect`, `sse-swap`, `hx-swap-oob`.
    V2,
    /// htmx 4 with its `hx-sse`: `hx-sse:connect`, `<hx-partial>`, morphing.
    #[default]
    V4,
}

impl Dialect {
    /// Both versions, for apps that serve both.
    pub const ALL: [Self; 2] = [Self::V2, Self::V4];
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V2 => "2",
            Self::V4 => "4",
        })
    }
}

impl FromStr for Dialect {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "2" => Ok(Self::V2),
            "4" => Ok(Self::V4),
            _ => Err(TextError::new(
                text,
                "a version of htmx",
                TextErrorKind::Unknown,
                "it is neither `2` nor `4`",
            )),
        }
    }
}
