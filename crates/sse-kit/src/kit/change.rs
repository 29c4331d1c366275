//! The return value of a change of the state.

use sse_kit_dispatch::IntoDomainEvent;
use sse_kit_event::{Audience, Event};

use super::pipeline::Outgoing;

/// The value and the events of a change of the state.
///
/// A change that only emits returns the event itself; see [`IntoChange`]. This one is for those that
/// return something too, or that choose an audience.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # use sse_kit::{Change, EventData, Hub, OnFailure, SseKit};
/// # #[derive(Serialize, Deserialize)]
/// # struct Added { id: u64 }
/// # impl EventData for Added { const TYPE: &'static str = "job:added"; }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let kit = SseKit::with_state(Hub::new(), Vec::<u64>::new());
/// kit.on(|_: Added| ());
/// let id = kit
///     .change(|jobs| {
///         let id = jobs.len() as u64;
///         jobs.push(id);
///         Change::new(id).emit(Added { id })
///     })
///     .await?;
/// assert_eq!(id, 0);
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "a change has no effect unless `SseKit::change` is given it"]
pub struct Change<V = ()> {
    pub(super) value: V,
    pub(super) outgoing: Vec<Outgoing>,
}

impl<V> Change<V> {
    /// Makes a change that returns `value`, and emits nothing yet.
    pub fn new(value: V) -> Self {
        Self { value, outgoing: Vec::new() }
    }

    /// Adds an event, or several: whatever is a change without a value.
    pub fn emit<K>(mut self, events: impl IntoChange<K, Value = ()>) -> Self {
        self.outgoing.extend(events.into_change().outgoing);
        self
    }

    /// Adds an event for this topic, these topics or everyone.
    pub fn emit_to(mut self, audience: impl Into<Audience>, event: impl IntoDomainEvent) -> Self {
        self.outgoing.push(Outgoing::new(event).to(audience));
        self
    }

    /// Adds an event that is published as it is, such as one with a name.
    pub fn publish(mut self, audience: impl Into<Audience>, event: Event) -> Self {
        self.outgoing.push(Outgoing::plain(audience, event));
        self
    }
}

/// A value that a change of the state may return: an event, several events, none, or a [`Change`].
///
/// | returned | emitted, in order | value |
/// |---|---|---|
/// | [`EventData`](crate::EventData) or [`DomainEvent`](crate::DomainEvent) | the event | `()` |
/// | `()` | nothing | `()` |
/// | `Option`, `Vec`, array or tuple of up to four of these | all of them | `()` |
/// | [`Change`] | its events | its value |
/// | `Result` of any of these | its events, or nothing for an `Err` | `Result` of the value |
///
/// The compiler infers `Kind`.
#[diagnostic::on_unimplemented(
    message = "a change of the state cannot return `{Self}`",
    note = "return an event, several events, `()`, a `Change` with a value, or a `Result` of one of \
            these"
)]
pub trait IntoChange<Kind> {
    /// The value that [`SseKit::change`](crate::SseKit::change) returns.
    type Value;

    /// Returns the value with its events.
    fn into_change(self) -> Change<Self::Value>;
}

/// The kinds of [`IntoChange`], which keep its implementations apart.
mod kind {
    #[derive(Debug)]
    pub struct Itself;

    #[derive(Debug)]
    pub struct One;

    #[derive(Debug)]
    pub struct Many<K>(K);

    #[derive(Debug)]
    pub struct Fallible<K>(K);
}

use kind::{Fallible, Itself, Many, One};

impl<V> IntoChange<Itself> for Change<V> {
    type Value = V;

    fn into_change(self) -> Self {
        self
    }
}

impl IntoChange<Itself> for () {
    type Value = ();

    fn into_change(self) -> Change {
        Change::new(())
    }
}

impl<E: IntoDomainEvent> IntoChange<One> for E {
    type Value = ();

    fn into_change(self) -> Change {
        Change { value: (), outgoing: vec![Outgoing::new(self)] }
    }
}

impl<C: IntoChange<K, Value = ()>, K> IntoChange<Many<K>> for Option<C> {
    type Value = ();

    fn into_change(self) -> Change {
        self.into_iter().fold(Change::new(()), Change::emit)
    }
}

impl<C: IntoChange<K, Value = ()>, K> IntoChange<Many<K>> for Vec<C> {
    type Value = ();

    fn into_change(self) -> Change {
        self.into_iter().fold(Change::new(()), Change::emit)
    }
}

impl<C: IntoChange<K, Value = ()>, K, const N: usize> IntoChange<Many<K>> for [C; N] {
    type Value = ();

    fn into_change(self) -> Change {
        self.into_iter().fold(Change::new(()), Change::emit)
    }
}

impl<A, B, J, K> IntoChange<(J, K)> for (A, B)
where
    A: IntoChange<J, Value = ()>,
    B: IntoChange<K, Value = ()>,
{
    type Value = ();

    fn into_change(self) -> Change {
        self.0.into_change().emit(self.1)
    }
}

impl<A, B, C, J, K, L> IntoChange<(J, K, L)> for (A, B, C)
where
    A: IntoChange<J, Value = ()>,
    B: IntoChange<K, Value = ()>,
    C: IntoChange<L, Value = ()>,
{
    type Value = ();

    fn into_change(self) -> Change {
        self.0.into_change().emit(self.1).emit(self.2)
    }
}

impl<A, B, C, D, J, K, L, M> IntoChange<(J, K, L, M)> for (A, B, C, D)
where
    A: IntoChange<J, Value = ()>,
    B: IntoChange<K, Value = ()>,
    C: IntoChange<L, Value = ()>,
    D: IntoChange<M, Value = ()>,
{
    type Value = ();

    fn into_change(self) -> Change {
        self.0.into_change().emit(self.1).emit(self.2).emit(self.3)
    }
}

impl<C: IntoChange<K>, E, K> IntoChange<Fallible<K>> for Result<C, E> {
    type Value = Result<C::Value, E>;

    fn into_change(self) -> Change<Self::Value> {
        match self.map(C::into_change) {
            Ok(Change { value, outgoing }) => Change { value: Ok(value), outgoing },
            Err(error) => Change::new(Err(error)),
        }
    }
}
