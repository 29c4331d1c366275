//! Drain: ends the streams in batches.

use std::fmt;
use std::sync::Arc;

use crate::connection::Connection;
use crate::ending::Goodbye;
use crate::node::Node;

/// The connections that a drain still has to end: see [`Hub::drain`](crate::Hub::drain).
///
/// Dropping it ends no connection; [`Hub::shut_down`](crate::Hub::shut_down) ends the remaining
/// ones.
#[must_use = "nothing ends before `end` is called"]
pub struct Drain {
    node: Arc<Node>,
    waiting: Vec<Arc<Connection>>,
}

impl Drain {
    pub(crate) fn new(node: &Arc<Node>) -> Self {
        let mut state = node.state.lock();
        // Set under the same lock: otherwise a connection could join that is on no list.
        state.draining = true;
        Self { node: Arc::clone(node), waiting: state.connections.values().cloned().collect() }
    }

    /// Returns the number of connections that the drain has not ended yet, including those that
    /// closed by themselves meanwhile.
    pub fn remaining(&self) -> usize {
        self.waiting.len()
    }

    /// Ends up to `at_most` connections. Each receives everything published before this call, then
    /// the goodbye. It may also receive events published before it takes the goodbye.
    pub fn end(&mut self, at_most: usize, goodbye: Goodbye) {
        let rest = self.waiting.len().saturating_sub(at_most);
        self.node.end_after_now(self.waiting.split_off(rest), goodbye);
    }
}

impl fmt::Debug for Drain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain").field("remaining", &self.remaining()).finish_non_exhaustive()
    }
}
