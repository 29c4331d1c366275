//! Ending the streams in portions.

use std::fmt;
use std::sync::Arc;

use crate::connection::Connection;
use crate::ending::Goodbye;
use crate::node::Node;

/// The connections that are still to be ended: see
/// [`Hub::drain`](crate::Hub::drain).
///
/// Dropping it ends nothing: [`Hub::shut_down`](crate::Hub::shut_down) ends those
/// that are left.
#[must_use = "nothing ends before `end` is called"]
pub struct Drain {
    node: Arc<Node>,
    waiting: Vec<Arc<Connection>>,
}

impl Drain {
    pub(crate) fn new(node: &Arc<Node>) -> Self {
        let mut state = node.state.lock();
        // Under the same lock, or somebody could join who is on no list.
        state.draining = true;
        Self { node: Arc::clone(node), waiting: state.connections.values().cloned().collect() }
    }

    /// How many connections have not been told yet; those that went by themselves are among them.
    pub fn remaining(&self) -> usize {
        self.waiting.len()
    }

    /// Ends up to `at_most` connections. Each still gets all that was published before, and then the
    /// goodbye. One that takes it only later may also get what was published in between.
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
