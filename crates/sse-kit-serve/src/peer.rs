//! The client at the other end of a connection, and its share of the limits.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use sse_kit_http::{Permit, Quota, QuotaError};

/// The client at the other end of a connection.
///
/// A connection counts as one stream, as it may open one at any time. Every further stream that is open
/// on it at the same time, as HTTP/2 allows, counts as one more.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    limits: Option<Quota>,
    /// The connection's own permit, while no stream has it.
    spare: Mutex<Option<Permit>>,
    is_proxy: bool,
}

impl Peer {
    /// Counts the connection.
    ///
    /// # Errors
    ///
    /// [`QuotaError`] says which limit is reached.
    pub(crate) fn admit(address: SocketAddr, limits: Option<Quota>) -> Result<Self, QuotaError> {
        let permit = limits.as_ref().map(|limits| limits.admit(address.ip())).transpose()?;
        Ok(Self { address, limits, spare: Mutex::new(permit), is_proxy: false })
    }

    /// A trusted proxy. It does not count; its clients do.
    pub(crate) fn proxy(address: SocketAddr, limits: Option<Quota>) -> Self {
        Self { address, limits, spare: Mutex::default(), is_proxy: true }
    }

    /// A client that is only told that there is no room for it.
    pub(crate) fn refused(address: SocketAddr) -> Self {
        Self { address, limits: None, spare: Mutex::default(), is_proxy: false }
    }

    /// Counts a request, from its head to the end of its answer.
    ///
    /// # Errors
    ///
    /// [`QuotaError`] says which limit is reached.
    pub(crate) fn begin(self: &Arc<Self>, client: SocketAddr) -> Result<Exchange, QuotaError> {
        let permit = match (&self.limits, self.spare.lock().take()) {
            (_, Some(spare)) => Some(spare),
            (Some(limits), None) => Some(limits.admit(client.ip())?),
            (None, None) => None,
        };
        Ok(Exchange { permit, client, peer: Arc::clone(self) })
    }
}

/// A request under way, which counts as one stream.
#[derive(Debug)]
pub(crate) struct Exchange {
    permit: Option<Permit>,
    client: SocketAddr,
    peer: Arc<Peer>,
}

impl Exchange {
    /// The client that asks.
    pub(crate) fn client(&self) -> SocketAddr {
        self.client
    }
}

impl Drop for Exchange {
    /// One of the permits stays with the connection.
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
