//! Graceful shutdown for servers with event streams: on a signal every client is told, has time to read
//! it, and what is left after that is cut off.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use sse_kit_broadcast::Hub;
//! use sse_kit_shutdown::{Shutdown, Signals};
//!
//! # async fn serve(stop: impl Future<Output = ()>) {}
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<ExitCode> {
//! let signals = Signals::install()?;
//! let hub = Hub::new();
//! let shutdown = Shutdown::builder().hub(hub.clone()).build();
//! // With axum: `axum::serve(listener, app).with_graceful_shutdown(shutdown.stopping())`.
//! let serving = serve(shutdown.stopping());
//! let outcome = shutdown.run(signals, serving).await;
//! Ok(outcome.exit_code())
//! # }
//! ```
//!
//! Servers that wait for their connections wait for ever where these are streams ([hyper#2787]); so
//! the streams are ended first, and then the server has nothing to wait for.
//!
//! - [`Shutdown::run`] says what happens in which order, and [`ShutdownBuilder`] how long it may take.
//! - [`Shutdown`] tells a readiness probe and streams of the app's own; [`Shutdown::track`] and
//!   [`Shutdown::work`] make it wait for more than streams.
//! - [`Signals`] listens for SIGTERM and SIGINT, and gives them back. It is for Unix only.
//! - [`Outcome`] counts what was cut off, and knows the exit code.
//!
//! [hyper#2787]: https://github.com/hyperium/hyper/issues/2787

mod builder;
mod disposition;
mod goodbye_policy;
mod outcome;
mod phase;
mod progress;
mod run;
mod settings_error;
mod shutdown;
mod signals;
mod tracked;

pub use builder::{ProgressLine, ShutdownBuilder};
pub use goodbye_policy::{GoodbyePolicy, ReconnectSpread};
pub use outcome::{Ended, Outcome};
pub use phase::Phase;
pub use progress::Progress;
pub use settings_error::SettingsError;
pub use shutdown::{Shutdown, ShuttingDownError};
pub use signals::{Signal, Signals};
pub use tracked::{Tracked, Work};
