//! An HTTP server for apps that own the socket: a small layer over hyper and hyper-util that
//! handles event streams well.
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
//! - A client has 5 s to send the head of a request, and 75 s between requests. A connection that
//!   takes no bytes for the write timeout is closed, and a stream of HTTP/2 that takes none is
//!   reset. A plain hyper server cannot detect such a reader, because hyper does not poll a body
//!   that it cannot write.
//! - [`Server::streams`] defines which requests are streams. Over HTTP/1.1 the server answers them, and short
//!   requests, without hyper: an open stream takes a fifth of the memory. [`Server::by_hyper`] turns this off.
//! - [`Server::trust`] names the proxies that may report a client's address.
//! - When it stops, the server waits until the streams have ended; a
//!   [`Shutdown`](sse_kit_shutdown::Shutdown) ends them first.
//! - The server bounds the bytes that the kernel keeps for a slow client and the time that it waits
//!   for a dead one. [`Server::limits`] bounds the connections, in total and per address.
//! - It serves HTTP/2 with prior knowledge and, with the feature `tls`, over TLS.
//! - A [`Listener`] is a TCP or a Unix socket.
//! - It answers requests only, and does not hand its sockets over: upgrades, such as to `WebSocket`, need another server.
//! - It is for Unix only, because `sse-kit-shutdown` listens for Unix signals.
//! - When file descriptors run out, the server pauses accepting and goes on.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(unix))]
compile_error!("sse-kit-serve needs Unix: it uses Unix sockets, socket options and signals");

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

pub use listen_address::ListenAddress;
pub use listener::{ListenError, Listener};
pub use request_body::{RequestBody, RequestBodyError};
pub use server::Server;
pub use stats::{ServeStats, ServeStatus};
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsError};
#[cfg(feature = "tls")]
#[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
pub use tokio_rustls::rustls;
