//! The segments that can be read.

use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use parking_lot::Mutex;
use sse_kit_broadcast::Record;
use sse_kit_event::Topics;

use crate::config::FileConfig;
use crate::disk::Disk;
use crate::record::{RecordBytes, Records};
use crate::scan::Scanner;
use crate::segment::Segment;

/// The maximum number of segments. Each start of a process begins one.
const MAX_SEGMENTS: usize = 4096;

/// The maximum size of the records of one read, in bytes; one record is always read.
const MAX_READ: usize = 4 << 20;

/// The maximum size of the records that one read passes over, in bytes.
const MAX_VISIT: usize = 16 << 20;

/// The segments of a store, and the record through which they can be read.
#[derive(Debug)]
pub(crate) struct Catalog {
    disk: Arc<dyn Disk>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The segments with their sizes in bytes, oldest first.
    segments: VecDeque<(Arc<Segment>, u64)>,
    /// The offset of the last record that is on the disk.
    through: u64,
}

/// The reason why records could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogError {
    #[error("the records are no longer in the store")]
    NotKept,
    /// A segment does not have what it had.
    #[error("the segment that begins at {first} is damaged")]
    Damaged { first: u64 },
    #[error("a file of the store could not be read")]
    Io(#[source] io::Error),
}

impl Catalog {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        segments: VecDeque<(Arc<Segment>, u64)>,
        through: u64,
    ) -> Self {
        Self { disk, state: Mutex::new(State { segments, through }) }
    }

    /// Returns the offset of the oldest record.
    pub(crate) fn first(&self) -> u64 {
        let state = self.state.lock();
        state.segments.front().map_or(state.through + 1, |(oldest, _)| oldest.head.first)
    }

    pub(crate) fn through(&self) -> u64 {
        self.state.lock().through
    }

    /// Returns the number of segments and their size in bytes.
    pub(crate) fn size(&self) -> (usize, u64) {
        let state = self.state.lock();
        (state.segments.len(), state.bytes())
    }

    /// Returns the first offset of the oldest segment that may hold records from after this time,
    /// in milliseconds since 1970, among the newest segments up to a size in bytes.
    pub(crate) fn first_since(&self, time: u64, bytes: u64) -> u64 {
        let state = self.state.lock();
        let (mut first, mut size, mut ended) = (state.through + 1, 0, u64::MAX);
        for (segment, len) in state.segments.iter().rev() {
            size += len;
            if ended < time || size > bytes {
                break;
            }
            (first, ended) = (segment.head.first, segment.head.created);
        }
        first
    }

    /// Adds a segment; it replaces one that begins at the same record and is empty.
    pub(crate) fn push(&self, segment: Arc<Segment>, bytes: u64) {
        let mut state = self.state.lock();
        let newest = state.segments.back();
        if newest.is_some_and(|(newest, _)| newest.head.first == segment.head.first) {
            state.segments.pop_back();
        }
        state.segments.push_back((segment, bytes));
    }

    /// Sets the size of the newest segment, and the last record on the disk.
    pub(crate) fn grow(&self, bytes: u64, through: u64) {
        let mut state = self.state.lock();
        if let Some((_, size)) = state.segments.back_mut() {
            *size = bytes;
        }
        state.through = through;
    }

    /// Visits the records after an offset, with their offsets and times, oldest first.
    pub(crate) fn visit(
        &self,
        after: u64,
        mut visit: impl FnMut(u64, u64, RecordBytes<'_>) -> ControlFlow<()>,
    ) -> Result<(), CatalogError> {
        let mut next = after.saturating_add(1);
        let segments = self.state.lock().holding(next)?;
        for (segment, end) in segments {
            let mut scanner = Scanner::new(&*self.disk, &segment, next);
            while scanner.next_offset() <= end {
                let batch = match scanner.read() {
                    Ok(Some(batch)) => batch,
                    Ok(None) => {
                        return Err(CatalogError::Damaged { first: segment.head.first });
                    }
                    // It was trimmed meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        return Err(CatalogError::NotKept);
                    }
                    Err(error) => return Err(CatalogError::Io(error)),
                };
                let records = (batch.head.first..).zip(Records(batch.records));
                for (offset, bytes) in records.filter(|(offset, _)| *offset >= next) {
                    if offset <= end && visit(offset, batch.head.time, bytes).is_break() {
                        return Ok(());
                    }
                }
            }
            next = end + 1;
        }
        Ok(())
    }

    /// Reads at most `limit` records for these topics after an offset, oldest first; without topics,
    /// for all. Bytes that are not a record are skipped.
    ///
    /// Returns the records, and the offset of the last record that was read.
    pub(crate) fn read(
        &self,
        after: u64,
        topics: Option<&Topics>,
        limit: usize,
    ) -> Result<(Vec<(u64, Record)>, u64), CatalogError> {
        let (mut records, mut through, mut bytes, mut visited) = (Vec::new(), after, 0, 0);
        self.visit(after, |offset, _, found| {
            let is_wanted = topics.is_none_or(|topics| found.is_for(topics));
            let record = is_wanted.then(|| found.record());
            visited += found.len();
            if let Some(Ok(record)) = &record {
                bytes += record.event.len();
            }
            let is_full = bytes > MAX_READ || visited > MAX_VISIT;
            if (is_full && through > after) || (is_wanted && records.len() >= limit) {
                return ControlFlow::Break(());
            }
            through = offset;
            match record {
                Some(Ok(record)) => records.push((offset, record)),
                Some(Err(error)) => tracing::error!(offset, %error, "a record is skipped"),
                None => {}
            }
            ControlFlow::Continue(())
        })?;
        Ok((records, through))
    }

    /// Renames a damaged segment and those before it, which are no longer read. The newest segment
    /// is still being written, and stays.
    pub(crate) fn put_aside(&self, damaged: u64) {
        let mut state = self.state.lock();
        while state.segments.len() > 1
            && state.segments.front().is_some_and(|(oldest, _)| oldest.head.first <= damaged)
            && let Some((segment, _)) = state.segments.pop_front()
        {
            put_aside(&*self.disk, &segment.name);
        }
    }

    /// Deletes the oldest segments as long as the store exceeds a limit. Returns their number.
    pub(crate) fn trim(&self, config: &FileConfig, now: u64) -> usize {
        let mut trimmed = 0;
        loop {
            let surplus = self.state.lock().surplus(config, now);
            let Some(segment) = surplus else { break };
            if let Err(error) = self.disk.remove(&segment.name)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(%error, name = segment.name, "a file of the store was not deleted");
                break;
            }
            self.state.lock().segments.pop_front();
            trimmed += 1;
        }
        if trimmed > 0
            && let Err(error) = self.disk.sync_names()
        {
            tracing::warn!(%error, "deleted files of the store may come back after a loss of power");
        }
        trimmed
    }
}

impl State {
    fn bytes(&self) -> u64 {
        self.segments.iter().map(|(_, bytes)| bytes).sum()
    }

    /// Returns the segments from the one with this record on, each with its last record.
    fn holding(&self, next: u64) -> Result<Vec<(Arc<Segment>, u64)>, CatalogError> {
        let is_kept = self.segments.front().is_some_and(|(first, _)| first.head.first <= next);
        if !is_kept || next > self.through {
            return Err(CatalogError::NotKept);
        }
        let ends = self.segments.iter().skip(1).map(|(segment, _)| segment.head.first - 1);
        let all = self.segments.iter().zip(ends.chain([self.through]));
        let all = all.filter(|(_, end)| *end >= next);
        Ok(all.map(|((segment, _), end)| (Arc::clone(segment), end)).collect())
    }

    /// Returns the oldest segment if the store exceeds a limit, or would when the newest is full.
    fn surplus(&self, config: &FileConfig, now: u64) -> Option<Arc<Segment>> {
        let (oldest, _) = self.segments.front()?;
        let (second, _) = self.segments.get(1)?;
        let (newest, newest_bytes) = self.segments.back()?;
        let bytes = (self.bytes() - newest_bytes).saturating_add(config.segment_bytes());
        let events = newest.head.first - oldest.head.first;
        let events = events.saturating_add(config.segment_events());
        let is_old = |millis| second.head.created < now.saturating_sub(millis);
        let exceeds = bytes > config.max_bytes
            || self.segments.len() > MAX_SEGMENTS
            || config.max_events.is_some_and(|max| events > max)
            || config.max_millis().is_some_and(is_old);
        exceeds.then(|| Arc::clone(oldest))
    }
}

/// Renames a file that is not part of the store, so that nothing is destroyed.
pub(crate) fn put_aside(disk: &dyn Disk, name: &str) {
    let aside = format!("{name}.aside");
    tracing::error!(name, aside, "a file of the store is damaged and is no longer read");
    if let Err(error) = disk.rename(name, &aside) {
        tracing::error!(%error, name, "the damaged file was not renamed");
    }
}
