//! The conversions and the error of the text types of this crate.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::convert::Infallible;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// A text that is cheap to clone: from the source of the program, or shared.
#[derive(Clone)]
pub(crate) enum Text {
    Static(&'static str),
    Shared(Arc<str>),
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Static(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::Shared(text.into())
    }
}

/// Returns `true` if a text has 1 to `max` visible ASCII characters. Literals in the source of a program
/// are checked so when it is compiled.
pub(crate) const fn is_plain(text: &str, max: usize) -> bool {
    let bytes = text.as_bytes();
    if bytes.is_empty() || bytes.len() > max {
        return false;
    }
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_graphic() {
            return false;
        }
        at += 1;
    }
    true
}

/// Gives a text type with `new` and `as_str` the conversions that all of them have.
macro_rules! text_type {
    ($name:ident, $error:ty) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.as_str().to_owned()
            }
        }

        impl std::str::FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = $error;

            fn try_from(text: &str) -> Result<Self, Self::Error> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::new(&text)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use text_type;

/// A text that is not what it was taken for: an id, a selector, the name of an element.
///
/// The message has the text, or its beginning, and names the rule that it breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}: {rule}")]
pub struct TextError {
    text: String,
    what: &'static str,
    rule: Cow<'static, str>,
    kind: TextErrorKind,
}

/// The kind of a [`TextError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TextErrorKind {
    /// The text has no characters.
    Empty,
    /// The text is longer than its type allows.
    TooLong,
    /// The text has a character that its type does not allow.
    Character,
    /// The text has an order of characters that its type does not allow.
    Form,
    /// The text is none of the words that its type has.
    Unknown,
    /// The text means something that could run a script, or something relative to an element of
    /// htmx, and has to be asked for by another constructor.
    Unsafe,
}

impl From<Infallible> for TextError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl TextError {
    /// The most of a text that a message holds, in characters.
    const SHOWN: usize = 80;

    pub(crate) fn new(
        text: &str,
        what: &'static str,
        kind: TextErrorKind,
        rule: impl Into<Cow<'static, str>>,
    ) -> Self {
        let text = text.chars().take(Self::SHOWN).collect();
        Self { text, what, rule: rule.into(), kind }
    }

    pub(crate) fn empty(what: &'static str) -> Self {
        Self::new("", what, TextErrorKind::Empty, "it has no characters")
    }

    pub(crate) fn too_long(text: &str, what: &'static str, max: usize) -> Self {
        let rule = format!("it has {} bytes, and may have {max}", text.len());
        Self::new(text, what, TextErrorKind::TooLong, rule)
    }

    pub(crate) fn character(text: &str, what: &'static str, found: char) -> Self {
        Self::new(text, what, TextErrorKind::Character, format!("it has {found:?}"))
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> TextErrorKind {
        self.kind
    }
}
