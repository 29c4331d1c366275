//! The name of an attribute.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// The name of an attribute of an element.
///
/// At most [`AttributeName::MAX_LEN`] bytes, and nothing in it that ends a name in HTML. Attributes
/// whose value is a script (`onclick`, `hx-on:click`) have to be asked for by
/// [`AttributeName::scripting`].
///
/// ```
/// use sse_kit_htmx::{AttributeName, AttributeNameError};
///
/// let name: AttributeName = "data-job".parse()?;
/// assert_eq!("onclick".parse::<AttributeName>(), Err(AttributeNameError::Scripting));
/// # Ok::<(), AttributeNameError>(())
/// ```
#[derive(Clone, Debug)]
pub struct AttributeName(Cow<'static, str>);

impl AttributeName {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 128;

    /// Checks `name`.
    ///
    /// # Errors
    ///
    /// [`AttributeNameError`] says what is wrong with it.
    pub fn new(name: &str) -> Result<Self, AttributeNameError> {
        let name = Self::scripting(name)?;
        if name.is_scripting() { Err(AttributeNameError::Scripting) } else { Ok(name) }
    }

    /// Checks a name that may be that of an event handler. Nothing of its value may come from users.
    ///
    /// # Errors
    ///
    /// As [`AttributeName::new`], but for [`AttributeNameError::Scripting`].
    pub fn scripting(name: &str) -> Result<Self, AttributeNameError> {
        if name.is_empty() {
            return Err(AttributeNameError::Empty);
        }
        if name.len() > Self::MAX_LEN {
            return Err(AttributeNameError::TooLong { bytes: name.len() });
        }
        let ends_name = |c: char| c.is_whitespace() || c.is_control() || "\"'<>/=`&".contains(c);
        if let Some(found) = name.chars().find(|&c| ends_name(c)) {
            return Err(AttributeNameError::Character { found });
        }
        Ok(Self(Cow::Owned(name.to_owned())))
    }

    /// One of our own.
    pub(crate) const fn known(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    fn is_scripting(&self) -> bool {
        let name = self.0.to_ascii_lowercase();
        ["on", "hx-on", "data-hx-on"].iter().any(|prefix| name.starts_with(prefix))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether HTML takes it for the same name: case makes no difference.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.0.eq_ignore_ascii_case(name)
    }
}

impl PartialEq for AttributeName {
    fn eq(&self, other: &Self) -> bool {
        self.is(&other.0)
    }
}

impl Eq for AttributeName {}

impl fmt::Display for AttributeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AttributeName {
    type Err = AttributeNameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

/// Why a text is no name of an attribute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttributeNameError {
    /// It has no characters.
    #[error("an attribute's name is not empty")]
    Empty,
    /// It is longer than [`AttributeName::MAX_LEN`].
    #[error("an attribute's name has at most {max} bytes, not {bytes}", max = AttributeName::MAX_LEN)]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// It holds a character that a name cannot have.
    #[error("an attribute's name has no {found:?}")]
    Character {
        /// The first of them.
        found: char,
    },
    /// Its value would be a script.
    #[error("the attribute's value is a script; ask for it by `AttributeName::scripting`")]
    Scripting,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_name_is_refused() {
        let new = AttributeName::new;
        assert_eq!(new(""), Err(AttributeNameError::Empty));
        assert_eq!(new(&"x".repeat(129)), Err(AttributeNameError::TooLong { bytes: 129 }));
        for found in [' ', '\n', '\0', '"', '\'', '<', '>', '/', '=', '\u{a0}'] {
            let name = format!("a{found}b");
            assert_eq!(new(&name), Err(AttributeNameError::Character { found }));
        }
        for name in ["hx-sse:connect", "@click.away", "x-bind:a", "data-ü"] {
            assert_eq!(new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn handlers_have_to_be_asked_for() {
        for name in ["onclick", "ONLOAD", "hx-on:click", "hx-on::load", "data-hx-on-click"] {
            assert_eq!(AttributeName::new(name), Err(AttributeNameError::Scripting));
            assert!(AttributeName::scripting(name).is_ok());
        }
        assert!(AttributeName::new("data-on").is_ok());
    }
}
