//! Opens a store: finds what it holds, and begins a new epoch.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use sse_kit_broadcast::Lineage;
use sse_kit_event::{Epoch, EventId};

use crate::catalog::{Catalog, put_aside};
use crate::config::{FileConfig, SyncMode};
use crate::disk::Disk;
use crate::error::FileOpenError;
use crate::scan::{self, End, Scanner};
use crate::segment::{HEAD, Head, NoHead, Segment, first_of};
use crate::tail::{self, Tail, UNFINISHED};

/// A store that is open.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) tail: Tail,
    pub(crate) epoch: Epoch,
    pub(crate) lineage: Lineage,
    /// `true` if a part of the store was damaged and put aside.
    pub(crate) is_damaged: bool,
}

/// The segments that were found.
#[derive(Debug, Default)]
struct Found {
    segments: VecDeque<(Arc<Segment>, u64)>,
    /// The last record, in the epoch that it was written in.
    last: Option<EventId>,
    lineage: Lineage,
    is_damaged: bool,
    /// `true` if acknowledged records may be missing at the end, and nobody knows which.
    is_uncertain: bool,
}

/// Opens the store. The caller holds its lock.
///
/// Each opening begins a new epoch that continues the one before up to the last record found. So a
/// page that has seen more than the store holds gets a gap, whatever the reason: a write that was
/// torn, a disk that lost data that it had confirmed, or a backup that was put back.
pub(crate) fn open(disk: Arc<dyn Disk>, config: &FileConfig) -> Result<Store, FileOpenError> {
    let failed = |source| FileOpenError::Io { path: config.directory.clone(), source };
    let random = |error: getrandom::Error| FileOpenError::Random(error.into());
    let found = find(&*disk, config)?;
    let epoch = Epoch::new(getrandom::u64().map_err(random)?);
    let last = found.last.filter(|_| !found.is_uncertain);
    let lineage = last.map(|last| found.lineage.continued(last)).unwrap_or_default();
    let boot = if config.sync == SyncMode::Process { disk.boot() } else { 0 };
    let through = found.last.map_or(0, EventId::offset);
    let newest = found.segments.back().map(|(newest, _)| &newest.head);
    // One that is empty will be replaced.
    let previous =
        newest.map_or(0, |head| if head.first > through { head.previous } else { head.first });
    let head = Head {
        first: through + 1,
        previous,
        epoch,
        lineage: lineage.clone(),
        mark: tail::mark().map_err(random)?,
        created: tail::now(),
        boot,
    };
    let catalog = Arc::new(Catalog::new(Arc::clone(&disk), found.segments, through));
    let tail = Tail::begin(disk, Arc::clone(&catalog), config.clone(), head).map_err(failed)?;
    catalog.trim(config, tail::now());
    Ok(Store { catalog, tail, epoch, lineage, is_damaged: found.is_damaged })
}

fn find(disk: &dyn Disk, config: &FileConfig) -> Result<Found, FileOpenError> {
    let failed = |source| FileOpenError::Io { path: config.directory.clone(), source };
    let names = disk.list().map_err(failed)?;
    if names.iter().any(|name| name == UNFINISHED) {
        disk.remove(UNFINISHED).map_err(failed)?;
    }
    let mut names: Vec<_> = names.into_iter().filter(|name| first_of(name).is_some()).collect();
    names.sort_unstable();
    let mut heads = Vec::new();
    for name in &names {
        let bytes = disk.read_at(name, 0, HEAD).map_err(failed)?;
        heads.push(match Head::decode(&bytes) {
            Ok(head) if head.name() == *name => Some(head),
            Ok(_) | Err(NoHead::Damaged) => None,
            Err(NoHead::OtherVersion) => {
                return Err(FileOpenError::OtherVersion { name: name.clone() });
            }
        });
    }
    let mut found = Found::default();
    let mut wanted = None;
    while let (Some(name), Some(head)) = (names.pop(), heads.pop()) {
        let is_next = |head: &Head| wanted.is_none_or(|first| first == head.first);
        let Some(head) = head.filter(is_next) else {
            // Nothing is known of the records in it, so no record before it can be continued.
            found.is_damaged = true;
            put_aside(disk, &name);
            break;
        };
        wanted = Some(head.previous);
        let len = disk.len(&name).map_err(failed)?;
        found.segments.push_front((Arc::new(Segment::new(head)), len));
    }
    for name in names {
        put_aside(disk, &name);
    }
    found.end(disk).map_err(failed)?;
    Ok(found)
}

impl Found {
    /// Finds the last record.
    fn end(&mut self, disk: &dyn Disk) -> io::Result<()> {
        let Some((newest, _)) = self.segments.back() else { return Ok(()) };
        let newest = Arc::clone(newest);
        let mut scanner = Scanner::new(disk, &newest, newest.head.first);
        let mut last_batch = scanner.position();
        let mut at = last_batch;
        while scanner.read()?.is_some() {
            (last_batch, at) = (at, scanner.position());
        }
        let last = scanner.next_offset() - 1;
        let end = scan::end(disk, &newest, &scanner)?;
        let boot = newest.head.boot;
        self.is_uncertain = boot != 0 && boot != disk.boot();
        // A process that was killed may have written one batch more than it has synced. If its sync
        // had failed, the bytes may be in the cache of the operating system alone, which no longer
        // counts them as unwritten: only bytes written again get to the disk.
        let len = usize::try_from(at - last_batch).unwrap_or(usize::MAX);
        let batch = disk.read_at(&newest.name, last_batch, len)?;
        disk.rewrite(&newest.name, last_batch, &batch)?;
        (self.lineage, self.last) =
            (newest.head.lineage.clone(), Some(EventId::new(newest.head.epoch, last)));
        match end {
            End::Clean => {
                disk.set_len(&newest.name, at)?;
                self.segments.pop_back();
                self.segments.push_back((newest, at));
            }
            End::Torn => tracing::warn!(
                after = last,
                name = newest.name,
                "the last write to the store was torn, and is not part of the log"
            ),
            End::Damaged { through } => {
                self.last = Some(EventId::new(newest.head.epoch, through));
                self.is_damaged = true;
                for (segment, _) in self.segments.drain(..) {
                    put_aside(disk, &segment.name);
                }
            }
        }
        Ok(())
    }
}
