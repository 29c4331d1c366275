//! The earlier epochs that an epoch continues.

use std::sync::Arc;

use sse_kit_event::{Epoch, EventId};

/// The earlier epochs that the current epoch of a log continues, and through which offset each is
/// shared.
///
/// An id of an earlier epoch, up to the shared offset, names the same position in the current
/// epoch: a client that resumes from there misses nothing. Beyond that offset the events of the
/// earlier epoch were lost, and their offsets may be assigned again.
///
/// ```
/// use sse_kit_broadcast::Lineage;
/// use sse_kit_event::{Epoch, EventId};
///
/// let [first, second] = [1, 2].map(Epoch::new);
/// let lineage = Lineage::default().continued(EventId::new(first, 10));
/// let here = |offset| lineage.translate(EventId::new(first, offset), second);
/// assert_eq!(here(10), Some(EventId::new(second, 10)));
/// assert_eq!(here(11), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage(Arc<[EventId]>);

impl Lineage {
    /// The maximum number of earlier epochs. A client that has slept through more is like one of an
    /// unknown epoch: it gets a gap.
    pub const MAX_LEN: usize = 16;

    /// Returns the lineage of a new epoch that continues the epoch of `shared`, up to and including
    /// that id. Ids of still earlier epochs are shared no further than that.
    #[must_use]
    pub fn continued(&self, shared: EventId) -> Self {
        let others = self.0.iter().filter(|id| id.epoch() != shared.epoch());
        let mut all: Vec<_> = others
            .map(|id| EventId::new(id.epoch(), id.offset().min(shared.offset())))
            .chain([shared])
            .collect();
        all.drain(..all.len().saturating_sub(Self::MAX_LEN));
        Self(all.into())
    }

    /// Returns the position in the epoch `current`, which has this lineage, that an id names; `None`
    /// if the id is of an unknown epoch, or not shared.
    pub fn translate(&self, id: EventId, current: Epoch) -> Option<EventId> {
        let is_shared = id.epoch() == current
            || self.0.iter().any(|last| last.epoch() == id.epoch() && last.offset() >= id.offset());
        is_shared.then(|| EventId::new(current, id.offset()))
    }

    /// Returns the last shared id of each earlier epoch, the oldest epoch first.
    pub fn as_slice(&self) -> &[EventId] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(epoch: u64, offset: u64) -> EventId {
        EventId::new(Epoch::new(epoch), offset)
    }

    #[test]
    fn an_epoch_shares_no_more_than_each_epoch_on_the_way_to_it() {
        let lineage = Lineage::default().continued(id(1, 10)).continued(id(2, 7));
        assert_eq!(lineage.as_slice(), [id(1, 7), id(2, 7)]);
        let lineage = lineage.continued(id(3, 30));
        assert_eq!(lineage.as_slice(), [id(1, 7), id(2, 7), id(3, 30)]);
        let here = |id| lineage.translate(id, Epoch::new(4));
        assert_eq!(here(id(1, 7)), Some(id(4, 7)));
        assert_eq!(here(id(3, 8)), Some(id(4, 8)));
        assert_eq!(here(id(4, 1000)), Some(id(4, 1000)), "whether that exists is known elsewhere");
        for lost in [id(1, 8), id(2, 8), id(3, 31), id(5, 1)] {
            assert_eq!(here(lost), None);
        }
    }

    #[test]
    fn an_epoch_is_known_once_and_the_oldest_is_forgotten() {
        let twice = Lineage::default().continued(id(1, 5)).continued(id(2, 9)).continued(id(1, 20));
        assert_eq!(twice.as_slice(), [id(2, 9), id(1, 20)]);
        let epochs = 1..=Lineage::MAX_LEN as u64 + 3;
        let many = epochs.fold(Lineage::default(), |all, n| all.continued(id(n, n)));
        assert_eq!(many.as_slice().len(), Lineage::MAX_LEN);
        assert_eq!(many.as_slice()[0], id(4, 4));
    }
}
