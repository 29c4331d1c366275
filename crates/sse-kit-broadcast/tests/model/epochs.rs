//! The epochs of the log, and the places of their ids in the story.
//!
//! The model numbers all that was ever published, from 1 on, whatever its epoch: an offset may be
//! assigned twice, a number is not.

use sse_kit_event::{Epoch, EventId};

/// The most epochs of a story: a hub remembers the lineage of so many.
const MOST: usize = 12;

/// The first epoch. It is the same each time: how long an id is depends on it.
pub(crate) const FIRST: u64 = 0x5eed;

/// An epoch that has begun.
#[derive(Clone, Copy, Debug)]
struct Begun {
    epoch: Epoch,
    /// The offset after which it assigns offsets.
    offset: u64,
    /// The number of events published before it.
    number: u64,
    /// The offset up to which it shares all with the epoch before, if it continues that. It may be
    /// beyond `offset`: the log delivers in this epoch what it had not delivered before.
    shared: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Epochs(Vec<Begun>);

impl Epochs {
    pub(crate) fn new() -> Self {
        Self(vec![Begun { epoch: Epoch::new(FIRST), offset: 0, number: 0, shared: None }])
    }

    /// An epoch begins after so many events that were delivered.
    pub(crate) fn begin(&mut self, epoch: Epoch, number: u64, shared: Option<u64>) {
        let delivered = self.id(number).offset();
        let offset = shared.map_or(0, |shared| shared.min(delivered));
        self.0.push(Begun { epoch, offset, number, shared });
    }

    /// The epoch that comes next, unless there were enough.
    pub(crate) fn next(&self) -> Option<Epoch> {
        (self.0.len() < MOST).then(|| Epoch::new(FIRST + self.0.len() as u64))
    }

    fn newest(&self) -> Begun {
        *self.0.last().expect("one has begun")
    }

    /// Returns the number of epochs that have begun.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The position at which the epoch at this index began.
    pub(crate) fn began_at(&self, index: usize) -> Option<EventId> {
        self.0.get(index).map(|begun| EventId::new(begun.epoch, begun.offset))
    }

    /// Returns `true` if the epoch at this index shares something with the one before.
    pub(crate) fn continues(&self, index: usize) -> bool {
        self.0.get(index).is_some_and(|begun| begun.shared.is_some())
    }

    /// Returns the number of events published before the epoch at this index.
    pub(crate) fn before(&self, index: usize) -> u64 {
        self.0.get(index).map_or(0, |begun| begun.number)
    }

    pub(crate) fn index_of(&self, epoch: Epoch) -> Option<usize> {
        self.0.iter().position(|begun| begun.epoch == epoch)
    }

    /// The id of what is published as this number now.
    pub(crate) fn id(&self, number: u64) -> EventId {
        let Begun { epoch, offset, number: before, .. } = self.newest();
        EventId::new(epoch, offset + number - before)
    }

    /// The number of the event that an id names, or of the last one before a position.
    pub(crate) fn number(&self, id: EventId) -> Option<u64> {
        self.number_if(id, |begun| id.offset() > begun.offset)
    }

    /// As [`Epochs::number`]; for the position at which an epoch began, the number of the last event
    /// that it lacks.
    pub(crate) fn reached(&self, id: EventId) -> Option<u64> {
        self.number_if(id, |begun| id.offset() >= begun.offset)
    }

    fn number_if(&self, id: EventId, is_of: impl Fn(&Begun) -> bool) -> Option<u64> {
        let mut begun = self.0[..=self.index_of(id.epoch())?].iter().rev();
        let of = begun.find(|begun| is_of(begun) || begun.shared.is_none())?;
        Some(of.number + id.offset().checked_sub(of.offset)?)
    }

    /// The id in the newest epoch of what is at this id, if that is shared.
    pub(crate) fn translate(&self, id: EventId) -> Option<EventId> {
        let later = &self.0[self.index_of(id.epoch())? + 1..];
        let is_shared = |begun: &Begun| begun.shared.is_some_and(|shared| id.offset() <= shared);
        let shared = later.iter().all(is_shared);
        shared.then(|| EventId::new(self.newest().epoch, id.offset()))
    }
}
