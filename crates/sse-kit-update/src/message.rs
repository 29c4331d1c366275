//! The message that carries updates to the pages.

use sse_kit_event::{Event, EventKey};
use sse_kit_htmx::{MarkupError, MessageFormat, Swap, Updates};

/// Makes the event that brings updates to a page: one unnamed message, in a format that the pages'
/// htmx can read. Returns `None` when there is nothing to change.
///
/// When each update replaces or deletes an element, or all that is in it, by the element's id, the
/// event has a [key](EventKey) made of these ids. A page that lags behind, and whose subscription
/// conflates (`SlowConsumer::Conflate`), then gets only the newest of several events that change the
/// same elements.
///
/// An event has no key, and is never left out, when one of its updates depends on what the page shows
/// already: when it inserts next to existing content, is
/// [cumulative](sse_kit_htmx::Update::cumulative), or finds its target by a selector, such as
/// `#queue > li:first-child`.
///
/// An app that wants another key, or none, makes the event itself from [`Updates::render`].
///
/// ```
/// use sse_kit_htmx::{Dialect, Html, Update, Updates};
///
/// let updates = Updates::from(Update::fill("total".parse()?, &Html::text(3))?);
/// let event = sse_kit_update::message(&updates, Dialect::V4)?.expect("there is an update");
/// assert!(event.key().is_some());
/// assert!(event.data().contains(">3<"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`MarkupError`] when a message of this format cannot carry one of the updates.
pub fn message(
    updates: &Updates,
    format: impl Into<MessageFormat>,
) -> Result<Option<Event>, MarkupError> {
    if updates.is_empty() {
        return Ok(None);
    }
    let event = Event::new(updates.render(format)?.into_string());
    Ok(Some(match key(updates) {
        Some(key) => event.with_key(key),
        None => event,
    }))
}

/// Makes a key that two messages have in common only when they change the same elements.
fn key(updates: &Updates) -> Option<EventKey> {
    let mut places = String::new();
    for update in updates {
        if update.is_cumulative() {
            return None;
        }
        // Told apart, as a page that is sent only the last of `fill` and `replace` would not be the
        // same as one that is sent both.
        let way = match update.swap(MessageFormat::V4).ok()? {
            Swap::OuterHtml | Swap::OuterMorph | Swap::OuterSync => "outer",
            Swap::InnerHtml | Swap::InnerMorph | Swap::TextContent => "inner",
            Swap::Delete => "delete",
            Swap::None => continue,
            _ => return None,
        };
        // What another selector finds depends on what the page shows by then.
        let id = update.target().id()?;
        places.push_str(way);
        places.push(' ');
        places.push_str(id.as_str());
        places.push('\n');
    }
    // Longer than a key may be is no key: such a message replaces none, and none replaces it.
    EventKey::new(&places).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sse_kit_htmx::{Dialect, ElementId, Html, Selector, Update};

    fn key_of(updates: impl IntoIterator<Item = Update>) -> Option<EventKey> {
        key(&updates.into_iter().collect())
    }

    #[test]
    fn messages_that_change_the_same_places_have_the_same_key() {
        let id = |id: &str| id.parse::<ElementId>().unwrap();
        let fill = |to: &str, text: &str| Update::fill(id(to), &Html::text(text)).unwrap();
        let replace = |to: &str| Update::replace(id(to), &Html::trusted("<p></p>")).unwrap();
        let one = key_of([fill("a", "1"), replace("b")]);
        assert!(one.is_some());
        assert_eq!(one, key_of([fill("a", "2"), replace("b")]));
        assert_ne!(one, key_of([fill("a", "1")]), "the other would never be changed");
        assert_ne!(one, key_of([replace("a"), replace("b")]));
        assert_ne!(one, key_of([Update::delete(id("a")), replace("b")]));
    }

    #[test]
    fn what_adds_to_what_is_there_has_no_key() {
        let id: ElementId = "list".parse().unwrap();
        let row = Html::trusted("<li></li>");
        for add in [Update::append, Update::prepend, Update::before, Update::after] {
            assert_eq!(key_of([add(id.clone(), &row).unwrap()]), None);
        }
        let preserving = Html::trusted("<li id=\"job-1\" hx-preserve></li>");
        assert_eq!(key_of([Update::fill(id, &preserving).unwrap().cumulative()]), None);
    }

    #[test]
    fn what_finds_its_target_by_position_has_no_key() {
        let fill = |selector: &str| {
            let selector: Selector = selector.parse().unwrap();
            Update::new(selector, Swap::InnerHtml, &Html::text("x")).unwrap()
        };
        let delete = |selector: &str| {
            let selector: Selector = selector.parse().unwrap();
            Update::new(selector, Swap::Delete, &Html::default()).unwrap()
        };
        for selector in ["#queue > li:first-child", ".pending", "li:nth-child(2)", "#a, #b", "#a"] {
            assert_eq!(key_of([delete(selector)]), None, "{selector}");
            assert_eq!(key_of([fill(selector)]), None, "{selector}");
        }
        let id: ElementId = "a".parse().unwrap();
        assert_eq!(key_of([Update::delete(id.clone()), delete(".pending")]), None);
        assert!(key_of([Update::delete(id)]).is_some(), "the id says which");
    }

    #[test]
    fn a_key_that_would_be_too_long_is_left_off() {
        let many = (0..100).map(|n| Update::delete(format!("job-{n}").parse().unwrap()));
        let updates: Updates = many.collect();
        let event = message(&updates, Dialect::V2).unwrap().unwrap();
        assert_eq!(event.key(), None);
    }

    #[test]
    fn nothing_to_change_is_no_message() {
        assert_eq!(message(&Updates::new(), MessageFormat::Both).unwrap(), None);
    }
}
