//! The namespace of an event.

use std::fmt;
use std::str::FromStr;

use sse_kit_event::TextError;

use crate::event_type::EventType;

/// The namespace of an event: the part before the type in the full type, as `shop` in
/// `shop:job:done`.
///
/// A namespace follows the rules of an [`EventType`]. Cloning is cheap.
///
/// ```
/// use sse_kit_dispatch::Namespace;
///
/// let shop: Namespace = "shop".parse()?;
/// assert_eq!(shop.as_str(), "shop");
/// assert!("".parse::<Namespace>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    /// [`TextError`] says which rule it breaks.
    pub fn new(namespace: &str) -> Result<Self, TextError> {
        EventType::new(namespace).map(Self).map_err(|error| error.named("a namespace"))
    }

    /// Returns the namespace as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl AsRef<str> for Namespace {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Namespace {
    type Err = TextError;

    fn from_str(namespace: &str) -> Result<Self, Self::Err> {
        Self::new(namespace)
    }
}

impl TryFrom<&str> for Namespace {
    type Error = TextError;

    fn try_from(namespace: &str) -> Result<Self, Self::Error> {
        Self::new(namespace)
    }
}

impl TryFrom<String> for Namespace {
    type Error = TextError;

    fn try_from(namespace: String) -> Result<Self, Self::Error> {
        Self::new(&namespace)
    }
}
