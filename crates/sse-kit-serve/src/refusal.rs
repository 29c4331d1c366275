//! Connections beyond the limits.

use std::net::SocketAddr;
use std::sync::Arc;

use sse_kit_http::QuotaError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::connection::{Accepted, Connections, Lifetime};
use crate::peer::Peer;
use crate::socket::Stream;

/// The maximum number of refused connections that get an answer at a time; others are closed
/// without one.
const MAX_AT_ONCE: usize = 64;

/// The answers to refused connections that are under way.
#[derive(Clone, Debug)]
pub(crate) struct Refusals(Arc<Semaphore>);

impl Default for Refusals {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_AT_ONCE)))
    }
}

impl Connections {
    /// Refuses a connection, with an answer if there is room for it.
    pub(crate) fn refuse(
        self: &Arc<Self>,
        stream: Stream,
        client: SocketAddr,
        error: QuotaError,
        refused: &mut JoinSet<()>,
    ) {
        if let Some(answer) = self.note_refusal(client, error) {
            let peer = Arc::new(Peer::refused(client));
            self.spawn(refused, stream, Accepted { peer, lifetime: Lifetime::Refused }, answer);
        }
    }

    /// Counts a refused connection. Returns the permit for its answer, or `None` if it must be closed
    /// without one.
    pub(crate) fn note_refusal(
        &self,
        client: SocketAddr,
        error: QuotaError,
    ) -> Option<OwnedSemaphorePermit> {
        self.status.refuse();
        tracing::debug!(%client, %error, "a connection is refused");
        Arc::clone(&self.refusals.0).try_acquire_owned().ok()
    }
}
