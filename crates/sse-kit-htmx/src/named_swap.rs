//! Elements that take in events of certain names.

use sse_kit_event::EventName;

use crate::attributes::Attributes;
use crate::dialect::Dialect;
use crate::error::{MarkupError, Reason};
use crate::swap::Swap;

/// The attributes of an element, within one that holds a connection, that events of certain names
/// are swapped into.
///
/// htmx 2 has `sse-swap` for it. htmx 4 has nothing, and warns of `sse-swap`: there the attribute is
/// `sse-kit-swap`, and [`Script::swap`](crate::Script::swap) gives it its meaning.
///
/// ```
/// use sse_kit_htmx::{Dialect, NamedSwap, Swap};
///
/// let log = NamedSwap::new(["note".parse()?, "warning".parse()?]).swap(Swap::BeforeEnd);
///
/// assert_eq!(
///     log.attributes(Dialect::V2)?.to_string(),
///     " sse-swap=\"note, warning\" hx-swap=\"beforeend\"",
/// );
/// assert_eq!(
///     log.attributes(Dialect::V4)?.to_string(),
///     " sse-kit-swap=\"note, warning\" hx-swap=\"beforeend\"",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct NamedSwap {
    names: Vec<EventName>,
    swap: Option<Swap>,
}

impl NamedSwap {
    /// Takes events of these names; `message` stands for events without a name.
    pub fn new(names: impl IntoIterator<Item = EventName>) -> Self {
        Self { names: names.into_iter().collect(), swap: None }
    }

    /// Sets how events go into the element. Default: `innerHTML`, by htmx.
    pub fn swap(mut self, swap: Swap) -> Self {
        self.swap = Some(swap);
        self
    }

    /// Returns the attributes for pages with this htmx.
    ///
    /// # Errors
    ///
    /// [`MarkupError`] when there is no name, one that cannot stand in a list, or no such style.
    pub fn attributes(&self, dialect: Dialect) -> Result<Attributes, MarkupError> {
        let name = match dialect {
            Dialect::V2 => "sse-swap",
            Dialect::V4 => "sse-kit-swap",
        };
        let attributes = Attributes::new().known(name, list(&self.names)?);
        Ok(match self.swap {
            Some(swap) => attributes.known("hx-swap", swap.as_str(dialect)?),
            None => attributes,
        })
    }
}

/// The name that stands for events without one.
pub(crate) fn unnamed() -> EventName {
    EventName::new("message").expect("it is short, not reserved, and has only letters")
}

/// The names as one attribute has them, each once.
pub(crate) fn list(names: &[EventName]) -> Result<String, MarkupError> {
    let mut words: Vec<&str> = Vec::new();
    for name in names.iter().map(EventName::as_str) {
        // What JavaScript trims, and Rust does not, is a byte order mark.
        let is_trimmed = |c: char| c.is_whitespace() || c == '\u{feff}';
        if name.contains(',') || name.starts_with(is_trimmed) || name.ends_with(is_trimmed) {
            return Err(Reason::NotInList { name: name.to_owned() }.into());
        }
        if !words.contains(&name) {
            words.push(name);
        }
    }
    if words.is_empty() { Err(Reason::NoName.into()) } else { Ok(words.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_list_cannot_have_are_refused() {
        let attributes =
            |name: &str| NamedSwap::new([EventName::new(name).unwrap()]).attributes(Dialect::V2);
        for name in ["a,b", " a", "a ", "a\u{feff}", "\u{a0}a"] {
            let expected = Reason::NotInList { name: name.to_owned() };
            assert_eq!(attributes(name), Err(expected.into()));
        }
        assert_eq!(attributes("a b").unwrap().get("sse-swap"), Some("a b"));
        assert_eq!(NamedSwap::new([]).attributes(Dialect::V4), Err(Reason::NoName.into()));
    }
}
