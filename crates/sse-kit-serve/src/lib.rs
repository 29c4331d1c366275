//! An HTTP server for those who own the socket: a small helper over hyper and hyper-util that knows
//! what event streams need.
//!
//! ```no_run
//! use std::convert::Infallible;
//! use std::process::ExitCode;
//!
//! use http::Response;
//! use sse_kit_serve::Server;
//! use sse_kit_shutdown::{Shutdown, Signals};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
//! let signals = Signals::install()?;
//! let server = Server::bind("127.0.0.1:8080".parse()?).await?;
//! let service = |_request, _client| async { Ok::<_, Infallible>(Response::new("hi".to_owned())) };
//! let shutdown = Shutdown::builder().build();
//! let outcome = server.serve_until_shutdown(&shutdown, signals, service).await;
//! # Ok(
//! outcome.exit_code()
//! # ) }
//! ```
//!
//! - A client has 5 s to send the head of a request, and a connection that takes no bytes for the
//!   write timeout is ended: a server cannot see otherwise that a reader is stuck, as hyper does not
//!   poll a body that it cannot write.
//! - When it is told to stop, the server waits until the streams have ended; a
//!   [`Shutdown`](sse_kit_shutdown::Shutdown) ends them before that.
//! - It is for Unix only, as the signals are that `sse-kit-shutdown` listens for.
//! - Running out of file descriptors pauses accepting, and does not end the server.

mod server;
mod socket;

pub use server::{ServeStats, Server};
