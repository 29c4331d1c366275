//! Counters of a server.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// The counters of a server, readable at any time; serialized, it is a snapshot.
#[derive(Debug, Default, Serialize)]
pub struct ServeStats {
    accepted: AtomicU64,
    refused: AtomicU64,
    write_timeouts: AtomicU64,
    handshake_failures: AtomicU64,
    fast_path: AtomicU64,
}

impl ServeStats {
    /// Returns the number of accepted connections, including those refused afterwards.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Returns the number of connections refused because of the [limits](crate::Server::limits).
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Returns the number of connections ended because the client took no bytes for the write
    /// timeout.
    pub fn write_timeouts(&self) -> u64 {
        self.write_timeouts.load(Ordering::Relaxed)
    }

    /// Returns the number of connections that ended before their protocol was known: failed TLS
    /// handshakes, or no byte within the header timeout.
    pub fn handshake_failures(&self) -> u64 {
        self.handshake_failures.load(Ordering::Relaxed)
    }

    /// Returns the number of streams on the fast path: see the feature `fast-path`.
    pub fn fast_path(&self) -> u64 {
        self.fast_path.load(Ordering::Relaxed)
    }

    #[cfg(feature = "fast-path")]
    pub(crate) fn answer_on_fast_path(&self) {
        self.fast_path.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn accept(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn write_timed_out(&self) {
        self.write_timeouts.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn handshake_failed(&self) {
        self.handshake_failures.fetch_add(1, Ordering::Relaxed);
    }
}
