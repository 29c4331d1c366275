//! Policies for slow subscribers, and what each does.

use bytes::Bytes;

use crate::offer::Offer;
use crate::queue::Queue;

/// The policy for a subscriber whose queue is full. Other subscribers are never affected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlowConsumer {
    /// The subscriber catches up from history after it has taken the queued events. It loses only
    /// what history has dropped by then, and receives one gap for that.
    #[default]
    Heal,
    /// Of the events with the same [key](sse_kit_event::EventKey) and audience, only the newest
    /// stays in the queue, whether the queue is full or not. Pages from history are thinned in the
    /// same way, one page at a time. A full queue is handled as in `Heal`.
    Conflate,
    /// The oldest queued event is dropped, and the subscriber receives a gap.
    DropOldest,
    /// The connection ends after the queued events. A client resumes when it reconnects.
    Disconnect,
}

impl SlowConsumer {
    /// Makes room for the frame of an event in a full queue. Returns the number of events that were
    /// dropped, or the outcome of the offer if the event is not queued. `before` is the newest
    /// offset offered before.
    pub(crate) fn make_room(
        self,
        queue: &mut Queue,
        frame: &Bytes,
        before: u64,
    ) -> Result<usize, Offer> {
        match self {
            Self::Heal | Self::Conflate => {
                queue.heal_from(before);
                Err(Offer::Lagged)
            }
            Self::DropOldest => {
                let mut dropped = 0;
                // Direct messages are never dropped; when only these are left, the event is added.
                while queue.is_full_for(frame) && queue.drop_oldest() {
                    dropped += 1;
                }
                Ok(dropped)
            }
            Self::Disconnect => {
                queue.end_too_slow(before);
                Err(Offer::TooSlow)
            }
        }
    }

    /// Returns `true` if an event replaces older ones with the same key and audience.
    pub(crate) fn conflates(self) -> bool {
        match self {
            Self::Conflate => true,
            Self::Heal | Self::DropOldest | Self::Disconnect => false,
        }
    }

    /// Returns `true` if events are removed from the middle of the queue.
    pub(crate) fn removes_from_the_middle(self) -> bool {
        match self {
            Self::Conflate | Self::DropOldest => true,
            Self::Heal | Self::Disconnect => false,
        }
    }
}
