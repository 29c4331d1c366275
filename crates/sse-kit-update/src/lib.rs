//! The element updater of sse-kit: from a typed event to one message that updates several places of
//! a page.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use sse_kit_dispatch::{DomainEvent, EventData};
//! use sse_kit_htmx::{Dialect, Html, Update};
//! use sse_kit_update::{BoxError, ElementUpdater, message};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Progress {
//!     job: u64,
//!     percent: u8,
//! }
//!
//! impl EventData for Progress {
//!     const TYPE: &'static str = "job:progress";
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let updater = ElementUpdater::new();
//! updater.on_event(|p: Progress| -> Result<_, BoxError> {
//!     let bar = format!("job-{}-bar", p.job).parse()?;
//!     Ok(Update::fill(bar, &Html::text(p.percent))?)
//! });
//!
//! let progress = DomainEvent::of(&Progress { job: 17, percent: 40 })?;
//! let updated = updater.update(progress).await?;
//! let event = message(&updated.updates, Dialect::V4)?.expect("there is something to change");
//! assert_eq!(
//!     event.data(),
//!     r##"<hx-partial hx-target="#job-17-bar" hx-swap="innerHTML">40</hx-partial>"##,
//! );
//! # Ok(()) }
//! ```
//!
//! - [`ElementUpdater`] holds handlers by pattern, in the same registry as
//!   [`Dispatcher`](sse_kit_dispatch::Dispatcher). A handler returns [`PageUpdates`]: nothing, one update,
//!   many, or a `Result` of these with any error.
//! - A handler that fails or panics is logged, and what the others made is not lost: see [`Updated`].
//! - [`message`] makes one event of all of it, which a slow page may skip for a newer one of the same
//!   targets.

mod message;
mod page_updates;
mod registry;
mod updated;
mod updater;

pub use message::message;
pub use page_updates::PageUpdates;
pub use sse_kit_dispatch::{
    BoxError, CallbackError, DataError, EventData, Handler, HandlerError, HandlerId, IntoOutput,
};
pub use updated::{UpdateError, Updated};
pub use updater::ElementUpdater;
