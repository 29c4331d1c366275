//! Events as types of the app.

use serde::Serialize;
use sse_kit_event::Topic;

use crate::event::{DomainEvent, DomainEventError};
use crate::event_type::EventType;

/// A Rust type that is the data of one type of event.
///
/// It says its event type once. Handlers, emitters and subscriptions then name the Rust type, so
/// that a typo or a wrong payload does not compile.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use sse_kit_dispatch::{Dispatcher, EventData};
///
/// #[derive(Serialize, Deserialize)]
/// struct Counted {
///     count: u64,
/// }
///
/// impl EventData for Counted {
///     const TYPE: &'static str = "count:changed";
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let dispatcher = Dispatcher::new();
/// dispatcher.on_event(|event: Counted| println!("{}", event.count));
///
/// let dispatched = dispatcher.dispatch(Counted { count: 3 }).await?;
/// assert_eq!(dispatched.results.len(), 1);
/// assert_eq!(Counted::topic().as_str(), "count:changed");
/// # Ok(()) }
/// ```
///
/// Wrong data do not compile:
///
/// ```compile_fail,E0277
/// let dispatcher = sse_kit_dispatch::Dispatcher::new();
/// dispatcher.on_event(|count: u64| println!("{count}"));
/// ```
///
/// The literal is checked when the program is compiled, too: see [`EventType::of`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say its event type",
    note = "implement `EventData` for it, or register the handler for a pattern"
)]
pub trait EventData {
    /// The event type, such as `job:progress`.
    const TYPE: &'static str;

    /// Returns the topic with the name of the event type.
    fn topic() -> Topic
    where
        Self: Sized,
    {
        EventType::of::<Self>().into()
    }
}

/// A value that can be dispatched: a [`DomainEvent`], or [`EventData`] that serde can write.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no event",
    note = "implement `EventData` and `serde::Serialize` for it, or make a `DomainEvent`"
)]
pub trait IntoDomainEvent {
    /// Makes the event.
    ///
    /// # Errors
    ///
    /// [`DomainEventError`] when the data cannot be written as JSON.
    fn into_domain_event(self) -> Result<DomainEvent, DomainEventError>;
}

impl IntoDomainEvent for DomainEvent {
    fn into_domain_event(self) -> Result<DomainEvent, DomainEventError> {
        Ok(self)
    }
}

impl<E: EventData + Serialize> IntoDomainEvent for E {
    fn into_domain_event(self) -> Result<DomainEvent, DomainEventError> {
        DomainEvent::of(&self)
    }
}
