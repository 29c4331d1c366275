//! The namespace of an event.

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
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

sse_kit_event::text_type!(Namespace);
