//! An HTTP server for those who own the socket: a small helper over hyper and hyper-util that knows
//! what event streams need.
//!
//! ```no_run
//! use std::convert::Infallible;
//! use std::process::ExitCode;
//! use std::time::Duration;
//!
//! use http::Response;
//! use sse_kit_serve::{Server, Signals};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
//! let signals = Signals::install()?;
//! let server = Server::bind("127.0.0.1:8080".parse()?).await?;
//! let service = |_request, _client| async { Ok::<_, Infallible>(Response::new("hi".to_owned())) };
//! let ended = server
//!     .serve_until_signal(signals, service, |_signal| {}, Duration::from_secs(1))
//!     .await;
//! # Ok(
//! ended.exit_code()
//! # ) }
//! ```
//!
//! - A client has 5 s to send the head of a request, and a connection that takes no bytes for the
//!   write timeout is ended: a server cannot see otherwise that a reader is stuck, as hyper does not
//!   poll a body that it cannot write.
//! - When it is told to stop, the server waits until the streams have ended, at most for the drain time.
//!   End them before that, or it waits in vain: `Broadcaster::shut_down` does.
//! - It listens for signals as Unix has them, and so is for Unix only.
//! - Running out of file descriptors pauses accepting, and does not end the server.

mod outage;
mod server;
mod signals;
mod socket;
mod until_signal;

pub use server::{Outcome, ServeStats, Server};
pub use signals::{Signal, Signals};
pub use until_signal::Ended;
