//! Elements that make a request of their own when an event comes.

use sse_kit_event::EventName;

use crate::attributes::Attributes;
use crate::dialect::Dialect;
use crate::element_id::ElementId;
use crate::error::{MarkupError, Reason};

/// `hx-trigger` of an element that makes a request of its own when an event of a stream comes.
///
/// With htmx 2 the element stands within the one that holds the connection; with htmx 4 it finds
/// that by its id.
///
/// ```
/// use sse_kit_htmx::{Dialect, EventTrigger};
///
/// let trigger = EventTrigger::new("job:done".parse()?, "stream".parse()?);
///
/// assert_eq!(trigger.attributes(Dialect::V2)?.to_string(), " hx-trigger=\"sse:job:done\"");
/// assert_eq!(
///     trigger.attributes(Dialect::V4)?.to_string(),
///     " hx-trigger=\"job:done from:#stream\"",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct EventTrigger {
    name: EventName,
    connection: ElementId,
}

/// Words that htmx 4 takes for something else than the name of a DOM event.
const WORDS: &[&str] = &["every", "intersect", "load", "revealed"];

impl EventTrigger {
    /// Waits for an event of this name, from the connection of the element with this id.
    pub fn new(name: EventName, connection: ElementId) -> Self {
        Self { name, connection }
    }

    /// Returns the attribute for pages with this htmx.
    ///
    /// # Errors
    ///
    /// [`MarkupError`] when the name means something else in `hx-trigger`.
    pub fn attributes(&self, dialect: Dialect) -> Result<Attributes, MarkupError> {
        let name = self.name.as_str();
        let is_read = |c: char| c.is_whitespace() || "\"'`,[](){}<>".contains(c);
        if name.contains(is_read) || (dialect == Dialect::V4 && WORDS.contains(&name)) {
            return Err(Reason::NotInTrigger { name: name.to_owned(), dialect }.into());
        }
        Ok(Attributes::new().known(
            "hx-trigger",
            match dialect {
                Dialect::V2 => format!("sse:{name}"),
                Dialect::V4 => format!("{name} from:{}", self.connection.selector()),
            },
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mean_something_else_are_refused() {
        let attributes = |name: &str, dialect| {
            EventTrigger::new(name.parse().unwrap(), "c".parse().unwrap()).attributes(dialect)
        };
        for dialect in Dialect::ALL {
            for name in ["a b", "a,b", "a[x]", "a'b", "a\u{a0}b"] {
                assert!(attributes(name, dialect).is_err(), "{name}");
            }
        }
        assert!(attributes("load", Dialect::V4).is_err());
        assert!(attributes("load", Dialect::V2).is_ok());
    }
}
