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
//! - A client has 5 s to send the head of a request, and 75 s between requests. A connection that takes
//!   no bytes for the write timeout is closed, and so ends a stream of HTTP/2 that takes none: a server
//!   cannot see otherwise that a reader is stuck, as hyper does not poll a body that it cannot write.
//! - [`Server::streams`] says once which requests are streams; with the feature `fast-path`,
//!   `Server::fast_path` answers them without hyper.
//! - [`Server::trust`] names the proxies that may tell a client's address.
//! - When it is told to stop, the server waits until the streams have ended; a
//!   [`Shutdown`](sse_kit_shutdown::Shutdown) ends them before that.
//! - What the kernel keeps for a client that does not read is bounded, as is how long it waits for one
//!   that is gone; and so are connections, in all and per address, where [`Server::limits`] says so.
//! - It serves HTTP/2 with prior knowledge, and by TLS with the feature `tls`.
//! - A [`Listener`] is of TCP or of a Unix socket.
//! - It is for Unix only, as the signals are that `sse-kit-shutdown` listens for.
//! - Running out of file descriptors pauses accepting, and does not end the server.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer;
mod connection;
mod http1;
mod http2;
mod line;
mod listen_address;
mod listener;
mod outage;
mod peer;
mod preface;
mod proxy_protocol;
mod refusal;
mod request_body;
mod respond;
mod server;
mod socket;
mod socket_options;
mod stats;
#[cfg(feature = "tls")]
mod tls;
mod unix_socket;

pub use listen_address::{ListenAddress, ListenAddressError};
pub use listener::{ListenError, Listener};
pub use request_body::{RequestBody, RequestBodyError};
pub use server::Server;
pub use stats::ServeStats;
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsError};
