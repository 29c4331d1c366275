//! The log's handle for delivering records to a hub.

use std::sync::{Arc, Weak};

use sse_kit_event::{Audience, Epoch, EventId};

use crate::hub_state::InletError;
use crate::node::Node;
use crate::record::Record;

/// The set of connections that had joined at some moment: see [`Inlet::mark`].
#[derive(Clone, Copy, Debug)]
pub struct Mark(pub(crate) u64);

/// The log's handle for delivering records to the hub that it is attached to.
#[derive(Debug)]
pub struct Inlet(Weak<Node>);

impl Inlet {
    pub(crate) fn new(node: &Arc<Node>) -> Self {
        Self(Arc::downgrade(node))
    }

    /// Delivers the record at `id` and returns the number of connections that receive it.
    ///
    /// # Errors
    ///
    /// [`InletError`] if the hub has shut down, or if `id` is not a valid next id; the record is
    /// not delivered.
    pub fn deliver(&self, id: EventId, record: Record) -> Result<usize, InletError> {
        self.node()?.deliver(id, record, [])
    }

    /// Delivers the record at `id` and its follow-ups at the next ids: all of them or, if the hub
    /// has shut down, none. Returns the number of connections that receive the record itself.
    ///
    /// # Errors
    ///
    /// The same as [`Inlet::deliver`].
    pub fn deliver_with(
        &self,
        id: EventId,
        record: Record,
        follow_ups: impl IntoIterator<Item = Record>,
    ) -> Result<usize, InletError> {
        self.node()?.deliver(id, record, follow_ups)
    }

    /// Begins a new epoch at `position`; later records follow it.
    ///
    /// The hub drops all history, because its ids are no longer valid. It sends every open stream
    /// one gap that ends at `position`, after the events in its queue, and does the same for every
    /// client that resumes with an id of an earlier epoch.
    ///
    /// # Errors
    ///
    /// [`InletError`] if the hub has shut down, or if it is already in this epoch.
    pub fn begin_epoch(&self, position: EventId) -> Result<(), InletError> {
        self.node()?.begin_epoch(position)
    }

    /// Begins a new epoch that continues the current one up to and including the offset
    /// `shared_through`. Returns the position that later records follow: this node's position, or
    /// the shared offset if the node is beyond it.
    ///
    /// Only the records beyond the shared offset are lost, and the hub drops them from its history.
    /// It sends a gap to each open stream that is beyond that offset or is being backfilled, and to
    /// each client that resumes from beyond it. All others continue without a gap.
    ///
    /// # Errors
    ///
    /// The same as [`Inlet::begin_epoch`].
    pub fn begin_epoch_after(
        &self,
        epoch: Epoch,
        shared_through: u64,
    ) -> Result<EventId, InletError> {
        self.node()?.begin_epoch_after(epoch, shared_through)
    }

    /// Declares all undelivered records up to this offset lost. The hub sends a gap to open
    /// streams, and to clients that resume from before it.
    ///
    /// # Errors
    ///
    /// [`InletError`] if the hub has shut down.
    pub fn mark_lost_through(&self, offset: u64) -> Result<(), InletError> {
        self.node()?.mark_lost_through(offset)
    }

    /// Returns a mark for the connections that have joined so far, for [`Inlet::caught_up`].
    ///
    /// # Errors
    ///
    /// [`InletError`] if the hub is gone.
    pub fn mark(&self) -> Result<Mark, InletError> {
        Ok(self.node()?.mark())
    }

    /// Declares that everything in the log at the time of the mark has been delivered.
    ///
    /// A shared log makes a mark, looks up the end of the log, delivers up to there, and then calls
    /// this: at least every few seconds, even while events arrive without a pause. A subscription
    /// that had resumed ahead of this node by the time of the mark was either reached since, or its
    /// event never existed and the hub sends it a gap.
    pub fn caught_up(&self, mark: Mark) {
        if let Ok(node) = self.node() {
            node.caught_up(mark);
        }
    }

    /// Returns an upper bound for the newest id of a record for this audience on this node.
    ///
    /// # Errors
    ///
    /// [`InletError`] if the hub has shut down.
    pub fn newest(&self, audience: &Audience) -> Result<EventId, InletError> {
        self.node()?.newest(audience)
    }

    fn node(&self) -> Result<Arc<Node>, InletError> {
        self.0.upgrade().ok_or(InletError::Closed)
    }
}
