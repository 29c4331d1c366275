//! Event routing for sse-kit: an app says what has happened, and the handlers that it is for are
//! called.
//!
//! ```
//! use sse_kit_dispatch::{Dispatcher, DomainEvent};
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dispatcher = Dispatcher::new();
//! dispatcher.on("job:*", |event| json!(event.full_type()))?;
//! dispatcher.on_async("**", |event| async move { println!("{event:?}") })?;
//!
//! let event = DomainEvent::new("job:progress", &json!({ "percent": 40 }))?;
//! let dispatched = dispatcher.dispatch(event).await?;
//! assert_eq!(dispatched.results[0].value, "job:progress");
//! assert_eq!(dispatched.results[1].pattern.as_str(), "**");
//! # Ok(()) }
//! ```
//!
//! # The way of an event
//!
//! 1. **Filters** ([`Dispatcher::filter`]) may say no, and that is the end of it.
//! 2. **Transformers** ([`Dispatcher::transform`]) may change it, its type included.
//! 3. **[Middleware](middleware)** stands around what follows: the first that was added is outermost.
//! 4. **Handlers** ([`Dispatcher::on`]) whose [`Pattern`] matches its full type are called one after
//!    another: those of the highest priority first, whatever their patterns, and those of the same
//!    priority in order of registration.
//!
//! [`Dispatched`] then has what handlers returned, and their errors beside it: a handler that fails
//! or panics keeps no other from being called. What fails before the handlers is a [`DispatchError`].
//!
//! All may be sync or async, and all may be registered at any time: a dispatch sees what there was
//! when it began.
//!
//! # What it costs
//!
//! Patterns without wildcards, and those that end in `:*` and have no other, are found by looking
//! them up, however many there are. All others are matched in one pass, by globset; that set is
//! compiled by the first dispatch after a new one came.

mod dispatch;
mod dispatched;
mod dispatcher;
mod event;
mod event_type;
mod failure;
mod globs;
mod handler;
mod handlers;
pub mod middleware;
mod namespace;
mod outcome;
mod pattern;
mod registry;
mod step;

pub use dispatch::DispatchError;
pub use dispatched::{Dispatched, Ending, HandlerError, HandlerResult};
pub use dispatcher::{Dispatcher, WeakDispatcher};
pub use event::{DataError, DomainEvent, DomainEventError};
pub use event_type::{EventType, EventTypeError};
pub use failure::{BoxError, Failure};
pub use handler::Handler;
pub use handlers::HandlerId;
pub use jiff::Timestamp;
pub use namespace::Namespace;
pub use outcome::IntoOutcome;
pub use pattern::{Pattern, PatternError};
pub use step::BoxFuture;
