//! The element updater of sse-kit: from a typed event to one message that updates several places of
//! a page.
//!
//! ```
//! use serde::Deserialize;
//! use serde_json::json;
//! use sse_kit_htmx::{Dialect, Html, Update};
//! use sse_kit_update::{ElementUpdater, message};
//!
//! #[derive(Deserialize)]
//! struct Progress {
//!     job: u64,
//!     percent: u8,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let updater = ElementUpdater::new();
//! updater.on("job:progress", |p: Progress| {
//!     let bar = format!("job-{}-bar", p.job).parse()?;
//!     Ok(Update::fill(bar, &Html::text(p.percent))?)
//! });
//!
//! let updated = updater.update("job:progress", &json!({ "job": 17, "percent": 40 })).await?;
//! let event = message(&updated.updates, Dialect::V4)?.expect("there is something to change");
//! assert_eq!(
//!     event.data(),
//!     r##"<hx-partial hx-target="#job-17-bar" hx-swap="innerHTML">40</hx-partial>"##,
//! );
//! # Ok(()) }
//! ```
//!
//! - [`ElementUpdater`] holds handlers by event type. What a handler returns is [`IntoUpdates`]:
//!   nothing, one update, many, or a `Result` of these.
//! - One handler that fails or panics does not cost what the others made: see [`Updated`].
//! - [`message`] makes one event of all of it, which a slow page may skip for a newer one of the same
//!   targets.

mod failure;
mod handler;
mod into_updates;
mod message;
mod registry;
mod step;
mod updated;
mod updater;

pub use failure::{BoxError, DataError, Failure};
pub use handler::Handler;
pub use into_updates::IntoUpdates;
pub use message::message;
pub use updated::{HandlerError, UpdateError, Updated};
pub use updater::ElementUpdater;
