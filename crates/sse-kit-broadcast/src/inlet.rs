//! The way back from a log.

use std::sync::{Arc, Weak};

use sse_kit_event::{Audience, EventId};

use crate::hub_state::InletError;
use crate::node::Node;
use crate::record::Record;

/// The connections that had joined at some moment: see [`Inlet::mark`].
#[derive(Clone, Copy, Debug)]
pub struct Mark(pub(crate) u64);

/// The way back from a log to the hub that it is attached to.
#[derive(Debug)]
pub struct Inlet(Weak<Node>);

impl Inlet {
    pub(crate) fn new(node: &Arc<Node>) -> Self {
        Self(Arc::downgrade(node))
    }

    /// Delivers a record that stands in the log at `id`, and returns how many connections it was
    /// handed to.
    ///
    /// # Errors
    ///
    /// [`InletError`] when nobody here gets it: the hub has shut down, or the id is none that
    /// may come next.
    pub fn deliver(&self, id: EventId, record: Record) -> Result<usize, InletError> {
        self.node()?.deliver(id, record, [])
    }

    /// Delivers a record that stands in the log at `id`, and its follow-ups at the ids that come next:
    /// all of them, or, when the hub has shut down, none. Returns how many connections the
    /// record was handed to.
    ///
    /// # Errors
    ///
    /// As [`Inlet::deliver`].
    pub fn deliver_with(
        &self,
        id: EventId,
        record: Record,
        follow_ups: impl IntoIterator<Item = Record>,
    ) -> Result<usize, InletError> {
        self.node()?.deliver(id, record, follow_ups)
    }

    /// Goes on in a new epoch, at `position`: what follows it comes through this inlet.
    ///
    /// All history is dropped, as its ids mean nothing any more. Every open stream is told once, by
    /// a gap that ends at `position`, after the events that wait for it; so is every client that
    /// comes back with an id of an earlier epoch.
    ///
    /// # Errors
    ///
    /// [`InletError`] when the hub has shut down, or the epoch is the one it is in.
    pub fn begin_epoch(&self, position: EventId) -> Result<(), InletError> {
        self.node()?.begin_epoch(position)
    }

    /// Records up to this offset, as far as they were not delivered, are gone for good: open streams
    /// are told of a gap, and so is a client that resumes from before it.
    ///
    /// # Errors
    ///
    /// [`InletError`] when the hub has shut down.
    pub fn mark_lost_through(&self, offset: u64) -> Result<(), InletError> {
        self.node()?.mark_lost_through(offset)
    }

    /// Names the connections that have joined so far, for [`Inlet::caught_up`].
    ///
    /// # Errors
    ///
    /// [`InletError`] when the hub is gone.
    pub fn mark(&self) -> Result<Mark, InletError> {
        Ok(self.node()?.mark())
    }

    /// Says that everything was delivered that was in the log when the mark was made.
    ///
    /// A shared log makes a mark before it looks how far the log is, and calls this once it has
    /// delivered up to there: at least every few seconds, also while events come without a pause. A
    /// subscription that had resumed by then from after the position of this node has either been
    /// caught up with since, or its event never was, and it gets a gap.
    pub fn caught_up(&self, mark: Mark) {
        if let Ok(node) = self.node() {
            node.caught_up(mark);
        }
    }

    /// The newest id that a record for this audience may have on this node; no record for it is newer.
    ///
    /// # Errors
    ///
    /// [`InletError`] when the hub has shut down.
    pub fn newest(&self, audience: &Audience) -> Result<EventId, InletError> {
        self.node()?.newest(audience)
    }

    fn node(&self) -> Result<Arc<Node>, InletError> {
        self.0.upgrade().ok_or(InletError::Closed)
    }
}
