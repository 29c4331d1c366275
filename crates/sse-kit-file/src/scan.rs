//! Reads the batches of one segment, one after another.

use std::io;

use crate::batch::{self, HEAD, is_whole};
use crate::disk::Disk;
use crate::segment::Segment;

/// The number of bytes in one read.
const CHUNK: usize = 256 << 10;

/// A reader of the batches of one segment.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    disk: &'a dyn Disk,
    segment: &'a Segment,
    /// The offset of the next record.
    next: u64,
    /// The position of the next batch.
    at: u64,
    chunk: Vec<u8>,
    chunk_at: u64,
}

/// A whole batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) head: batch::Head,
    pub(crate) records: &'a [u8],
}

impl<'a> Scanner<'a> {
    /// Creates a reader that begins at the batch with this record, or a little before.
    pub(crate) fn new(disk: &'a dyn Disk, segment: &'a Segment, offset: u64) -> Self {
        let (next, at) = segment.place_before(offset);
        Self { disk, segment, next, at, chunk: Vec::new(), chunk_at: 0 }
    }

    /// Returns the offset of the record after the batches read so far.
    pub(crate) fn next_offset(&self) -> u64 {
        self.next
    }

    /// Returns the position after the batches read so far.
    pub(crate) fn position(&self) -> u64 {
        self.at
    }

    /// Reads the next batch. Returns `None` if no whole batch follows.
    pub(crate) fn read(&mut self) -> io::Result<Option<Batch<'_>>> {
        let (at, mark) = (self.at, self.segment.head.mark);
        let head = batch::head(self.bytes(at, HEAD)?, mark);
        let Some(head) = head.filter(|head| head.first == self.next) else { return Ok(None) };
        let len = HEAD + head.len;
        if !is_whole(self.bytes(at, len)?) {
            return Ok(None);
        }
        self.segment.note(head.first, at);
        self.next += u64::from(head.count);
        self.at += len as u64;
        Ok(Some(Batch { head, records: &self.bytes(at, len)?[HEAD..] }))
    }

    /// Returns these bytes of the file; fewer at its end.
    fn bytes(&mut self, at: u64, len: usize) -> io::Result<&[u8]> {
        let mut begin = usize::try_from(at.saturating_sub(self.chunk_at)).unwrap_or(usize::MAX);
        let is_there = at >= self.chunk_at && self.chunk.len().saturating_sub(begin) >= len;
        if !is_there {
            self.chunk = self.disk.read_at(&self.segment.name, at, len.max(CHUNK))?;
            self.chunk_at = at;
            begin = 0;
        }
        let rest = &self.chunk[begin.min(self.chunk.len())..];
        Ok(&rest[..len.min(rest.len())])
    }
}

/// The content after the last whole batch of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing but zeros.
    Clean,
    /// A part of a batch, which was never acknowledged.
    Torn,
    /// Whole batches, up to this record. A batch is written only when the one before it is on the
    /// disk, so a broken one before a whole one was damaged later.
    Damaged { through: u64 },
}

/// Examines what follows the batches that a reader has read.
pub(crate) fn end(disk: &dyn Disk, segment: &Segment, scanner: &Scanner<'_>) -> io::Result<End> {
    let at = scanner.position();
    let len = disk.len(&segment.name)?.saturating_sub(at);
    let bytes = disk.read_at(&segment.name, at, usize::try_from(len).unwrap_or(usize::MAX))?;
    let mut last = None;
    for begin in memchr::memmem::find_iter(&bytes, &segment.head.mark) {
        let bytes = &bytes[begin..];
        let Some(head) = batch::head(bytes, segment.head.mark) else { continue };
        let is_later = head.first >= scanner.next_offset();
        if is_later && bytes.get(..HEAD + head.len).is_some_and(is_whole) {
            last = last.max(Some(head.first + u64::from(head.count) - 1));
        }
    }
    Ok(match last {
        Some(through) => End::Damaged { through },
        None if bytes.iter().all(|byte| *byte == 0) => End::Clean,
        None => End::Torn,
    })
}
