//! Connections beyond the limits.

use std::net::SocketAddr;
use std::sync::Arc;

use sse_kit_http::QuotaError;
use tokio::task::JoinSet;

use crate::connection::{Accepted, Connections, Lifetime};
use crate::peer::Peer;
use crate::socket::Stream;

/// The maximum number of refused connections that get an answer at a time; others are closed
/// without one.
const MAX_AT_ONCE: usize = 64;

impl Connections {
    /// Refuses a connection, with an answer if there is room for it.
    pub(crate) fn refuse(
        self: &Arc<Self>,
        stream: Stream,
        client: SocketAddr,
        error: QuotaError,
        refused: &mut JoinSet<()>,
    ) {
        self.stats.refuse();
        tracing::debug!(%client, %error, "a connection is refused");
        if refused.len() < MAX_AT_ONCE {
            let peer = Arc::new(Peer::refused(client));
            self.spawn(refused, stream, Accepted { peer, lifetime: Lifetime::Refused }, ());
        }
    }
}
