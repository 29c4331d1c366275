//! The end of a store, where batches are written.

use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::batch::BatchBuilder;
use crate::catalog::Catalog;
use crate::config::{FileConfig, SyncMode};
use crate::disk::{Disk, DiskFile};
use crate::segment::{self, Head, Segment};

/// The name of a segment before it is complete.
pub(crate) const UNFINISHED: &str = "unfinished.tmp";

/// The number of zeros written ahead. A sync is faster while the size of a file stays the same.
const AHEAD: u64 = 1 << 20;

/// The end of a store.
#[derive(Debug)]
pub(crate) struct Tail {
    disk: Arc<dyn Disk>,
    catalog: Arc<Catalog>,
    config: FileConfig,
    segment: Arc<Segment>,
    /// The file of the segment; `None` after a failure, for then nothing more is written to it.
    file: Option<Box<dyn DiskFile>>,
    /// The position of the next batch.
    at: u64,
    /// The position through which the file has been written, with zeros after the batches.
    allocated: u64,
    /// The offset of the next record.
    next: u64,
}

/// The reason why a batch was not written.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// It is certainly not in the store.
    NotWritten(io::Error),
    /// It may be found when the store is opened again.
    Unknown(io::Error),
}

impl Tail {
    /// Begins a segment, which is durable when this returns.
    pub(crate) fn begin(
        disk: Arc<dyn Disk>,
        catalog: Arc<Catalog>,
        config: FileConfig,
        head: Head,
    ) -> io::Result<Self> {
        let file = create(&*disk, &head)?;
        let (at, next) = (segment::HEAD as u64, head.first);
        let segment = Arc::new(Segment::new(head));
        catalog.push(Arc::clone(&segment), at);
        Ok(Self { disk, catalog, config, segment, file: Some(file), at, allocated: at, next })
    }

    /// Returns the offset of the next record.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Writes a batch, and waits until it is durable if the settings ask for that.
    pub(crate) fn append(&mut self, batch: &mut BatchBuilder) -> Result<(), WriteError> {
        let now = now();
        if self.file.is_none() || self.is_full(batch.len() as u64, now) {
            self.rotate(now).map_err(WriteError::NotWritten)?;
        }
        let Some(file) = &mut self.file else {
            return Err(WriteError::NotWritten(io::Error::other("there is no file")));
        };
        let bytes = batch.finish(self.segment.head.mark, now);
        let end = self.at + bytes.len() as u64;
        match file.write_at(self.at, bytes) {
            Ok(()) => {}
            // The file has a part of the batch, which the next one overwrites.
            Err(error) if is_out_of_space(&error) => return Err(WriteError::NotWritten(error)),
            Err(error) => return Err(self.give_up(error)),
        }
        if let Err(error) = self.sync(end) {
            return Err(self.give_up(error));
        }
        self.segment.note(batch.first, self.at);
        (self.at, self.next) = (end, batch.next());
        self.catalog.grow(self.allocated.max(end), self.next - 1);
        Ok(())
    }

    /// Applies the limits of age, while nothing is written.
    pub(crate) fn tend(&mut self) {
        let now = now();
        if self.is_full(0, now)
            && let Err(error) = self.rotate(now)
        {
            tracing::warn!(%error, "a new file of the store was not created");
        }
        self.catalog.trim(&self.config, now);
    }

    /// Makes the file durable up to the end of a batch, and writes zeros behind it.
    fn sync(&mut self, end: u64) -> io::Result<()> {
        let Some(file) = self.file.as_mut().filter(|_| self.config.sync == SyncMode::Always) else {
            return Ok(());
        };
        if end > self.allocated {
            let ahead = (end + AHEAD).min(self.config.segment_bytes()).max(end);
            let zeros = vec![0; usize::try_from(ahead - end).unwrap_or(0)];
            // On a full disk, the batch itself may have fitted.
            self.allocated = if file.write_at(end, &zeros).is_ok() { ahead } else { end };
        }
        file.sync()
    }

    /// Leaves a file whose content is unknown: after a failed sync, a second one may report success
    /// for bytes that are not on the disk. The next batch begins a new file.
    fn give_up(&mut self, error: io::Error) -> WriteError {
        self.file = None;
        WriteError::Unknown(error)
    }

    /// Returns `true` if the segment holds records and is to be followed by another.
    fn is_full(&self, more: u64, now: u64) -> bool {
        let Head { first, created, .. } = self.segment.head;
        let has_records = self.next > first;
        has_records
            && (self.at + more > self.config.segment_bytes()
                || self.next - first >= self.config.segment_events()
                || now.saturating_sub(created) >= self.config.segment_millis())
    }

    /// Begins the next segment.
    fn rotate(&mut self, now: u64) -> io::Result<()> {
        if let Some(file) = &mut self.file
            && self.config.sync == SyncMode::Process
        {
            file.sync()?;
        }
        let head = &self.segment.head;
        let is_empty = self.next == head.first;
        let previous = if is_empty { head.previous } else { head.first };
        let mark = mark().map_err(io::Error::other)?;
        let head = Head { first: self.next, previous, mark, created: now, ..head.clone() };
        let file = create(&*self.disk, &head)?;
        if !is_empty && self.file.is_some() {
            self.catalog.grow(self.at, self.next - 1);
            // Gives the zeros back; the next segment says where this one ends.
            if let Err(error) = self.disk.set_len(&self.segment.name, self.at) {
                tracing::warn!(%error, "a full file of the store was not cut to its size");
            }
        }
        (self.at, self.allocated) = (segment::HEAD as u64, segment::HEAD as u64);
        (self.file, self.segment) = (Some(file), Arc::new(Segment::new(head)));
        self.catalog.push(Arc::clone(&self.segment), self.at);
        self.catalog.trim(&self.config, now);
        Ok(())
    }
}

/// Creates a segment under its final name only when its head is durable.
fn create(disk: &dyn Disk, head: &Head) -> io::Result<Box<dyn DiskFile>> {
    let mut file = disk.create(UNFINISHED)?;
    file.write_at(0, &head.encode())?;
    file.sync()?;
    disk.rename(UNFINISHED, &head.name())?;
    disk.sync_names()?;
    Ok(file)
}

/// Returns a random mark for the batches of a segment.
pub(crate) fn mark() -> Result<[u8; 8], getrandom::Error> {
    Ok(getrandom::u64()?.to_le_bytes())
}

/// Returns the time in milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Returns `true` if there is no room for more.
pub(crate) fn is_out_of_space(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
