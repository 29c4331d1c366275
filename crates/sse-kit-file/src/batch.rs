//! A batch: the records that were written together.

use crc32fast::Hasher;

/// The length of the head of a batch: the mark, the checksum of everything after it, the length of
/// the records, the offset of the first one, the time, and their number.
pub(crate) const HEAD: usize = 36;

/// The maximum length of the records of one batch, in bytes.
pub(crate) const MAX_LEN: usize = 17 << 20;

/// The head of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The offset of the first record.
    pub(crate) first: u64,
    pub(crate) count: u32,
    /// The time in milliseconds since 1970.
    pub(crate) time: u64,
    /// The length of the records, in bytes.
    pub(crate) len: usize,
}

/// A batch that is being put together.
#[derive(Debug)]
pub(crate) struct BatchBuilder {
    bytes: Vec<u8>,
    pub(crate) first: u64,
    pub(crate) count: u32,
}

impl BatchBuilder {
    pub(crate) fn new(first: u64) -> Self {
        Self { bytes: vec![0; HEAD], first, count: 0 }
    }

    /// Returns the offset of the next record.
    pub(crate) fn next(&self) -> u64 {
        self.first + u64::from(self.count)
    }

    /// Returns the length in bytes, with the head.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds one record, which `write` appends.
    pub(crate) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.count += 1;
    }

    /// Completes the batch for the segment with this mark.
    pub(crate) fn finish(&mut self, mark: [u8; 8], time: u64) -> &[u8] {
        let len = u32::try_from(self.bytes.len() - HEAD).unwrap_or(u32::MAX);
        let head = &mut self.bytes[..HEAD];
        head[..8].copy_from_slice(&mark);
        head[12..16].copy_from_slice(&len.to_le_bytes());
        head[16..24].copy_from_slice(&self.first.to_le_bytes());
        head[24..32].copy_from_slice(&time.to_le_bytes());
        head[32..36].copy_from_slice(&self.count.to_le_bytes());
        let crc = checksum(&self.bytes[12..]);
        self.bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        &self.bytes
    }
}

/// Parses the head of a batch with this mark. Its checksum is not verified yet.
pub(crate) fn head(bytes: &[u8], mark: [u8; 8]) -> Option<Head> {
    let bytes = bytes.get(..HEAD)?;
    let len = usize::try_from(u32_at(bytes, 12)).ok()?;
    let head =
        Head { first: u64_at(bytes, 16), time: u64_at(bytes, 24), count: u32_at(bytes, 32), len };
    let is_possible = head.count > 0
        && head.first > 0
        && head.first.checked_add(u64::from(head.count)).is_some()
        && len <= MAX_LEN;
    (bytes[..8] == mark && is_possible).then_some(head)
}

/// Returns `true` if these are the bytes of a whole batch, whose head was parsed.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    bytes.len() >= HEAD && u32_at(bytes, 8) == checksum(&bytes[12..])
}

pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(bytes);
    hasher.finalize()
}

/// Reads a number within bytes that are long enough.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}
