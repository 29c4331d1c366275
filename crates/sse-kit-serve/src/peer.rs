//! The client of a connection, and its share of the limits.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use sse_kit_http::{Permit, Quota, QuotaError};

/// The client of a connection.
///
/// A connection counts as one stream, because it can open one at any time. Each further
/// simultaneous stream, as in HTTP/2, counts as one more.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    limits: Option<Quota>,
    /// The permit of the connection, while no stream uses it.
    spare: Mutex<Option<Permit>>,
    is_proxy: bool,
}

impl Peer {
    /// Admits a connection and counts it.
    ///
    /// # Errors
    ///
    /// [`QuotaError`] if a limit is reached.
    pub(crate) fn admit(address: SocketAddr, limits: Option<Quota>) -> Result<Self, QuotaError> {
        let permit = limits.as_ref().map(|limits| limits.admit(address.ip())).transpose()?;
        Ok(Self { address, limits, spare: Mutex::new(permit), is_proxy: false })
    }

    /// Creates the peer of a trusted proxy. The connection does not count; its requests count per
    /// client.
    pub(crate) fn proxy(address: SocketAddr, limits: Option<Quota>) -> Self {
        Self { address, limits, spare: Mutex::default(), is_proxy: true }
    }

    /// Creates the peer of a connection that was refused.
    pub(crate) fn refused(address: SocketAddr) -> Self {
        Self { address, limits: None, spare: Mutex::default(), is_proxy: false }
    }

    /// Counts a request from its head to the end of its answer.
    ///
    /// # Errors
    ///
    /// [`QuotaError`] if a limit is reached.
    pub(crate) fn begin(self: &Arc<Self>, client: SocketAddr) -> Result<Exchange, QuotaError> {
        let permit = match (&self.limits, self.spare.lock().take()) {
            (_, Some(spare)) => Some(spare),
            (Some(limits), None) => Some(limits.admit(client.ip())?),
            (None, None) => None,
        };
        Ok(Exchange { permit, client, peer: Arc::clone(self) })
    }
}

/// A request in progress, which counts as one stream.
#[derive(Debug)]
pub(crate) struct Exchange {
    permit: Option<Permit>,
    client: SocketAddr,
    peer: Arc<Peer>,
}

impl Exchange {
    /// Returns the address of the client.
    pub(crate) fn client(&self) -> SocketAddr {
        self.client
    }
}

impl Drop for Exchange {
    /// Returns one of the permits to the connection.
    fn drop(&mut self) {
        if self.peer.is_proxy {
            return;
        }
        let permit = self.permit.take();
        let mut spare = self.peer.spare.lock();
        if spare.is_none() {
            *spare = permit;
        }
    }
}
