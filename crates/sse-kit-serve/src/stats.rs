//! Counters of a server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// A handle to the status of a [`Server`](crate::Server): see
/// [`Server::monitor`](crate::Server::monitor). Cloning is cheap.
///
/// ```
/// use sse_kit_serve::Server;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Server::bind("127.0.0.1:0".parse()?).await?;
/// // Kept beside the server, which is used up when it serves.
/// let monitor = server.monitor();
/// assert_eq!(monitor.stats().accepted, 0);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct ServeStatus(Arc<Counters>);

/// The counters of a server since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ServeStats {
    /// The number of accepted connections, including those refused afterwards.
    pub accepted: u64,
    /// The number of connections refused because of the [limits](crate::Server::limits).
    pub refused: u64,
    /// The number of connections ended because the client took no bytes for the write timeout.
    pub write_timeouts: u64,
    /// The number of connections that ended before their protocol was known: failed TLS handshakes, or
    /// no byte within the header timeout.
    pub handshake_failures: u64,
    /// The number of streams answered on the fast path: those that [`Server::streams`](crate::Server::streams) defines,
    /// unless hyper answers them.
    pub fast_path: u64,
}

#[derive(Debug, Default)]
struct Counters {
    accepted: AtomicU64,
    refused: AtomicU64,
    write_timeouts: AtomicU64,
    handshake_failures: AtomicU64,
    fast_path: AtomicU64,
}

impl ServeStatus {
    /// Returns the counters.
    pub fn stats(&self) -> ServeStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ServeStats {
            accepted: get(&self.0.accepted),
            refused: get(&self.0.refused),
            write_timeouts: get(&self.0.write_timeouts),
            handshake_failures: get(&self.0.handshake_failures),
            fast_path: get(&self.0.fast_path),
        }
    }

    pub(crate) fn answer_on_fast_path(&self) {
        self.0.fast_path.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn accept(&self) {
        self.0.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refuse(&self) {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn write_timed_out(&self) {
        self.0.write_timeouts.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn handshake_failed(&self) {
        self.0.handshake_failures.fetch_add(1, Ordering::Relaxed);
    }
}
