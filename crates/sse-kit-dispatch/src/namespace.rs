//! Whose event it is.

use std::fmt;
use std::str::FromStr;

use crate::event_type::{EventType, EventTypeError};

/// Whose event it is: what stands before the type in the full type, as `shop` in `shop:job:done`.
///
/// The rules are those of an [`EventType`]. Cloning is cheap.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Namespace(EventType);

impl Namespace {
    /// Checks `namespace`.
    ///
    /// # Errors
    ///
    /// [`EventTypeError`] says what is wrong with it.
    pub fn new(namespace: &str) -> Result<Self, EventTypeError> {
        EventType::new(namespace).map(Self)
    }

    /// The namespace as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Namespace {
    type Err = EventTypeError;

    fn from_str(namespace: &str) -> Result<Self, Self::Err> {
        Self::new(namespace)
    }
}

impl TryFrom<&str> for Namespace {
    type Error = EventTypeError;

    fn try_from(namespace: &str) -> Result<Self, Self::Error> {
        Self::new(namespace)
    }
}
