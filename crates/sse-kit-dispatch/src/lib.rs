//! Event routing for sse-kit: an app says what happened, and the dispatcher calls the handlers for it.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use serde_json::json;
//! use sse_kit_dispatch::{Dispatcher, DomainEvent, EventData};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Progress {
//!     percent: u8,
//! }
//!
//! impl EventData for Progress {
//!     const TYPE: &'static str = "job:progress";
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dispatcher = Dispatcher::new();
//! // The handlers of one type of event …
//! dispatcher.on_event(|progress: Progress| json!(progress.percent));
//! // … and of all that a pattern matches. A callback may wait.
//! dispatcher.on("**", |event| async move { println!("{event:?}") })?;
//!
//! let dispatched = dispatcher.dispatch(Progress { percent: 40 }).await?;
//! assert_eq!(dispatched.results[0].value, 40);
//! assert_eq!(dispatched.results[1].pattern.as_str(), "**");
//!
//! // Events that come from outside have a type that is only known when they come.
//! let event = DomainEvent::new("job:done", &json!({ "id": 17 }))?;
//! assert_eq!(dispatcher.dispatch(event).await?.results.len(), 1);
//! # Ok(()) }
//! ```
//!
//! # The way of an event
//!
//! 1. **Filters** ([`Dispatcher::filter`]) may refuse the event, which ends the dispatch.
//! 2. **Transformers** ([`Dispatcher::transform`]) may change the event, its type included.
//! 3. **[Middleware](middleware)** stands around the rest: the first that was added is outermost.
//! 4. **Handlers** ([`Dispatcher::on`]) whose [`Pattern`] matches the full type are called one after
//!    another: those of the highest priority first, whatever their patterns, and those of the same
//!    priority in order of registration.
//!
//! [`Dispatched`] has the results of handlers, and their errors beside them: a handler that fails or
//! panics is logged, and keeps no other from being called. A failure before the handlers is a
//! [`DispatchError`].
//!
//! All of them may wait or not, may fail with any error, and may be registered at any time. A dispatch
//! sees what was registered when it began.
//!
//! # What it costs
//!
//! Patterns without wildcards, and those that end in `:*` and have no other wildcard, are found by
//! looking them up, however many there are. All others are matched in one pass, by globset. That set
//! is compiled by the first dispatch after a new pattern came.

mod callback;
mod dispatch;
mod dispatched;
mod dispatcher;
mod event;
mod event_data;
mod event_type;
mod globs;
mod handler;
mod handlers;
pub mod middleware;
mod namespace;
mod pattern;
mod registry;

pub use callback::{Awaited, BoxError, Callback, CallbackError, CallbackReturn, IntoOutput, Ready};
pub use dispatch::DispatchError;
pub use dispatched::{Dispatched, Ending};
pub use dispatcher::{Dispatcher, WeakDispatcher};
pub use event::{DataError, DomainEvent, DomainEventError};
pub use event_data::{EventData, IntoDomainEvent};
pub use event_type::EventType;
pub use futures_core::future::BoxFuture;
pub use handler::{Handler, HandlerError, HandlerResult};
pub use handlers::{Called, HandlerId, Handlers, Registered};
pub use jiff::Timestamp;
pub use namespace::Namespace;
pub use pattern::Pattern;
