//! Graceful shutdown for servers with event streams. On a signal, every client receives a goodbye
//! and has time to read it; then the remaining connections are cut off.
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
//! A server that waits for its connections would wait forever if these are streams ([hyper#2787]).
//! So the shutdown ends the streams first; then the server has nothing left to wait for.
//!
//! - [`Shutdown::run`] documents the sequence, and [`ShutdownBuilder`] its durations.
//! - [`Shutdown`] answers readiness probes and stops the app's own streams. [`Shutdown::track`] and
//!   [`Shutdown::work`] make it wait for more than the hub's streams.
//! - [`Signals`] listens for SIGTERM and SIGINT, and restores their previous behaviour. Unix only.
//! - [`Outcome`] counts the connections that were cut off and gives the exit code.
//!
//! [hyper#2787]: https://github.com/hyperium/hyper/issues/2787

#[cfg(not(unix))]
compile_error!("sse-kit-shutdown needs Unix: it handles SIGTERM and SIGINT");

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
