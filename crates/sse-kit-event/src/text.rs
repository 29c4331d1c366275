//! The error of all text types, and the conversions that they share.

use std::borrow::Cow;
use std::convert::Infallible;

/// The reason why a text is not an id, a name, a topic, an address, or another text with rules.
///
/// The message has the text, or its beginning, and names the rule that it breaks. Text types of an
/// app may use it too:
///
/// ```
/// use sse_kit_event::{TextError, TextErrorKind, Topic};
///
/// let error = "jobs:*".parse::<Topic>().unwrap_err();
/// assert_eq!(error.kind(), TextErrorKind::Character);
/// assert!(error.to_string().starts_with("\"jobs:*\" is not a topic: "));
///
/// fn room(text: &str) -> Result<&str, TextError> {
///     if text.is_empty() { Err(TextError::empty("a room")) } else { Ok(text) }
/// }
/// assert_eq!(room("").unwrap_err().to_string(), "\"\" is not a room: it is empty");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}: {rule}")]
pub struct TextError {
    text: Box<str>,
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
    /// The text has characters in an order that its type does not allow.
    Form,
    /// The text is reserved for sse-kit.
    Reserved,
    /// The text is none of the words that its type has.
    Unknown,
    /// The text could run a script, leave the origin of the page, or mean another element to htmx.
    /// A constructor with another name accepts it.
    Unsafe,
}

impl TextError {
    /// The maximum number of characters of the text that a message has.
    const SHOWN: usize = 80;

    /// Creates an error: `text` is not `what` (with its article, as in `a topic`), because of
    /// `rule`, a clause such as `it has 300 bytes; at most 256 are allowed`.
    pub fn new(
        text: &str,
        what: &'static str,
        kind: TextErrorKind,
        rule: impl Into<Cow<'static, str>>,
    ) -> Self {
        let text = text.chars().take(Self::SHOWN).collect();
        Self { text, what, rule: rule.into(), kind }
    }

    /// Creates the error for a text without characters.
    pub fn empty(what: &'static str) -> Self {
        Self::new("", what, TextErrorKind::Empty, "it is empty")
    }

    /// Creates the error for a text of more than `max` bytes.
    pub fn too_long(text: &str, what: &'static str, max: usize) -> Self {
        let rule = format!("it has {} bytes; at most {max} are allowed", text.len());
        Self::new(text, what, TextErrorKind::TooLong, rule)
    }

    /// Creates the error for a text that contains `found`, which is not allowed.
    pub fn character(text: &str, what: &'static str, found: char) -> Self {
        Self::new(text, what, TextErrorKind::Character, format!("it contains {found:?}"))
    }

    /// Returns the same error for a text type that is built on another, such as a namespace whose
    /// rules are those of a topic.
    #[must_use]
    pub fn named(self, what: &'static str) -> Self {
        Self { what, ..self }
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> TextErrorKind {
        self.kind
    }
}

impl From<Infallible> for TextError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// Gives a text type with `new` and `as_str` the conversions that all text types have. The crate
/// that uses it depends on serde.
#[doc(hidden)]
#[macro_export]
macro_rules! text_type {
    ($name:ident) => {
        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl ::std::convert::AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl ::std::convert::From<$name> for ::std::string::String {
            fn from(text: $name) -> Self {
                text.as_str().to_owned()
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::TextError;

            fn from_str(text: &str) -> ::std::result::Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl ::std::convert::TryFrom<&str> for $name {
            type Error = $crate::TextError;

            fn try_from(text: &str) -> ::std::result::Result<Self, Self::Error> {
                Self::new(text)
            }
        }

        impl ::std::convert::TryFrom<::std::string::String> for $name {
            type Error = $crate::TextError;

            fn try_from(text: ::std::string::String) -> ::std::result::Result<Self, Self::Error> {
                Self::new(&text)
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::std::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::std::result::Result<Self, D::Error> {
                let text =
                    <::std::string::String as ::serde::Deserialize>::deserialize(deserializer)?;
                Self::new(&text).map_err(::serde::de::Error::custom)
            }
        }
    };
}
