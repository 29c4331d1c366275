//! Segments: the files of a store, each with the batches after some offset.

use parking_lot::Mutex;
use sse_kit_broadcast::Lineage;
use sse_kit_event::{Epoch, EventId};

use crate::batch::{checksum, u32_at, u64_at};

/// The length of the head of a segment.
pub(crate) const HEAD: usize = 512;

/// The beginning of every segment of any version, and of this one.
const FORMAT: &[u8; 16] = b"sse-kit log 1\0\0\0";
const ANY_VERSION: &[u8] = b"sse-kit log ";

/// The distance between two places in the index, in bytes.
const BETWEEN_PLACES: u64 = 32 << 10;

/// The head of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The offset of its first record.
    pub(crate) first: u64,
    /// The first offset of the segment before; 0 if there is none.
    pub(crate) previous: u64,
    pub(crate) epoch: Epoch,
    pub(crate) lineage: Lineage,
    /// The random bytes at which each of its batches begins. No publisher knows them, so no event
    /// can contain what looks like a batch.
    pub(crate) mark: [u8; 8],
    /// The time of its creation, in milliseconds since 1970.
    pub(crate) created: u64,
    /// The start of the machine during which it was written, if its batches are not synced;
    /// otherwise 0. Another start may have cost the last of them.
    pub(crate) boot: u64,
}

/// The reason why bytes are not the head of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoHead {
    Damaged,
    /// The segment is of another version of the format.
    OtherVersion,
}

impl Head {
    /// Encodes the head.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD);
        bytes.extend_from_slice(FORMAT);
        bytes.extend([0; 4]); // the checksum of what follows
        for number in [self.first, self.previous, self.epoch.number()] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.mark);
        bytes.extend(self.created.to_le_bytes());
        bytes.extend(self.boot.to_le_bytes());
        let earlier = self.lineage.as_slice();
        bytes.extend((earlier.len() as u64).to_le_bytes());
        for id in earlier {
            bytes.extend(id.epoch().number().to_le_bytes());
            bytes.extend(id.offset().to_le_bytes());
        }
        bytes.resize(HEAD, 0);
        let crc = checksum(&bytes[20..]);
        bytes[16..20].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, NoHead> {
        let bytes = bytes.get(..HEAD).ok_or(NoHead::Damaged)?;
        if !bytes.starts_with(FORMAT) && bytes.starts_with(ANY_VERSION) {
            return Err(NoHead::OtherVersion);
        }
        let earlier = u64_at(bytes, 68);
        let is_right = bytes.starts_with(FORMAT)
            && u32_at(bytes, 16) == checksum(&bytes[20..])
            && earlier <= Lineage::MAX_LEN as u64;
        if !is_right {
            return Err(NoHead::Damaged);
        }
        let earlier = usize::try_from(earlier).unwrap_or(Lineage::MAX_LEN);
        let mut lineage = Lineage::default();
        for pair in bytes[76..].chunks_exact(16).take(earlier) {
            let epoch = Epoch::new(u64_at(pair, 0));
            lineage = lineage.continued(EventId::new(epoch, u64_at(pair, 8)));
        }
        Ok(Self {
            first: u64_at(bytes, 20),
            previous: u64_at(bytes, 28),
            epoch: Epoch::new(u64_at(bytes, 36)),
            mark: bytes[44..52].first_chunk().copied().ok_or(NoHead::Damaged)?,
            created: u64_at(bytes, 52),
            boot: u64_at(bytes, 60),
            lineage,
        })
    }

    pub(crate) fn name(&self) -> String {
        format!("{:020}.log", self.first)
    }
}

/// Returns the first offset of the segment with this name, if it is one of a segment.
pub(crate) fn first_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log")?;
    let is_ours = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_ours { digits.parse().ok() } else { None }
}

/// A segment that can be read.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) head: Head,
    pub(crate) name: String,
    /// The places of some batches: offset of the first record, and position in the file.
    index: Mutex<Vec<(u64, u64)>>,
}

impl Segment {
    pub(crate) fn new(head: Head) -> Self {
        Self { name: head.name(), head, index: Mutex::default() }
    }

    /// Notes the place of a batch, if there is none close before it.
    pub(crate) fn note(&self, first: u64, at: u64) {
        let mut index = self.index.lock();
        let last = index.last().map_or(HEAD as u64, |(_, at)| *at);
        if at >= last + BETWEEN_PLACES {
            index.push((first, at));
        }
    }

    /// Returns the last known place at or before a record: offset, and position in the file.
    pub(crate) fn place_before(&self, offset: u64) -> (u64, u64) {
        let index = self.index.lock();
        let before = index.partition_point(|(first, _)| *first <= offset);
        let place = before.checked_sub(1).and_then(|before| index.get(before));
        place.copied().unwrap_or((self.head.first, HEAD as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_comes_back_and_every_flipped_byte_is_found() {
        let lineage = (1..=Lineage::MAX_LEN as u64 + 1)
            .fold(Lineage::default(), |all, n| all.continued(EventId::new(Epoch::new(n), n)));
        let head = Head {
            first: 7,
            previous: 3,
            epoch: Epoch::new(u64::MAX),
            lineage,
            mark: *b"abcdefgh",
            created: 9,
            boot: 5,
        };
        let bytes = head.encode();
        assert_eq!((bytes.len(), Head::decode(&bytes)), (HEAD, Ok(head.clone())));
        for at in 0..HEAD {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            assert!(Head::decode(&bytes).is_err(), "{at}");
            assert_eq!(Head::decode(&bytes[..at]), Err(NoHead::Damaged));
        }
        let mut newer = bytes;
        newer[12] = b'2';
        assert_eq!(Head::decode(&newer), Err(NoHead::OtherVersion));
        assert_eq!(first_of(&head.name()), Some(7));
        for name in ["7.log", "00000000000000000007.tmp", "+0000000000000000007.log", "notes.log"] {
            assert_eq!(first_of(name), None, "{name}");
        }
    }
}
