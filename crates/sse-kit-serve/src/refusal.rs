//! Clients that there is no room for.

use std::net::SocketAddr;
use std::sync::Arc;

use sse_kit_http::QuotaError;
use tokio::task::JoinSet;

use crate::connection::{Accepted, Connections, Lifetime};
use crate::peer::Peer;
use crate::socket::Stream;

/// How many are told at a time; more are closed without a word.
const MAX_AT_ONCE: usize = 64;

impl Connections {
    /// Tells a client that there is no room for it.
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
