//! A disk that fails and loses power, and what a store does with it.

mod conformance;
mod damage;
mod failing;
mod power_loss;

use std::collections::BTreeMap;
use std::io;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use parking_lot::Mutex;
use sse_kit_broadcast::Record;
use sse_kit_event::{Event, Topic};

use crate::batch::BatchBuilder;
use crate::config::FileConfig;
use crate::disk::{Disk, DiskFile};
use crate::record::encode;
use crate::recovery::{self, Store};
use crate::tail::WriteError;

/// The unit that a disk writes whole or not at all.
const SECTOR: usize = 512;

/// A disk in memory, which knows what of it is durable.
#[derive(Clone, Debug, Default)]
pub(crate) struct ModelDisk(Arc<Mutex<State>>);

#[derive(Clone, Debug, Default)]
struct State {
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// The names after each change since they were made durable, in order.
    renamed: Vec<BTreeMap<String, usize>>,
    /// The number of times that the machine was started.
    boots: u64,
    /// The number of operations until the power is lost.
    power: Option<usize>,
    pub(crate) faults: Faults,
}

/// The operations that fail.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) writes: Option<io::ErrorKind>,
    pub(crate) syncs: bool,
    /// `true` if a sync does not return as long as this is set.
    pub(crate) hangs: bool,
}

#[derive(Clone, Debug, Default)]
struct File {
    content: Vec<u8>,
    durable: Vec<u8>,
    /// The parts of the content that a sync is to write.
    dirty: Vec<Range<usize>>,
    failed_syncs: usize,
    synced_again: bool,
}

impl File {
    fn write(&mut self, at: usize, bytes: &[u8]) {
        let end = at + bytes.len();
        self.content.resize(self.content.len().max(end), 0);
        self.content[at..end].copy_from_slice(bytes);
        self.dirty.push(at..end);
    }

    /// Makes durable what was written since the last sync. If that fails, the cache has it as before,
    /// but it is no longer dirty: no later sync writes it.
    fn sync(&mut self, fails: bool) -> io::Result<()> {
        let dirty = std::mem::take(&mut self.dirty);
        if fails {
            self.failed_syncs += 1;
            return Err(io::Error::other("the disk failed"));
        }
        self.durable.resize(self.content.len(), 0);
        for part in dirty {
            // It may have been cut off since.
            let part = part.start.min(self.content.len())..part.end.min(self.content.len());
            self.durable[part.clone()].copy_from_slice(&self.content[part]);
        }
        Ok(())
    }
}

impl ModelDisk {
    /// Loses power after this number of operations, if any: all later ones fail. Returns the number
    /// that was left before.
    pub(crate) fn lose_power_after(&self, operations: Option<usize>) -> Option<usize> {
        std::mem::replace(&mut self.0.lock().power, operations)
    }

    pub(crate) fn fail(&self, faults: Faults) {
        self.0.lock().faults = faults;
    }

    /// Returns the disk as the next process finds it: everything that was made durable is there. Of
    /// the rest each sector may be or not, and the first of the changed names.
    pub(crate) fn after_power_loss(&self, random: &mut fastrand::Rng) -> Self {
        let before = self.0.lock().clone();
        let mut names = vec![before.durable_names];
        names.extend(before.renamed);
        let names = names.swap_remove(random.usize(..names.len()));
        let mut after = State { boots: before.boots + 1, ..State::default() };
        for (name, file) in names {
            let File { content, durable, .. } = &before.files[file];
            let mut found = durable.clone();
            if random.bool() {
                found.resize(content.len(), 0);
            }
            for (at, sector) in found.chunks_mut(SECTOR).enumerate() {
                let is_kept = random.bool();
                let written = content.chunks(SECTOR).nth(at).unwrap_or_default();
                if is_kept && written.len() >= sector.len() {
                    sector.copy_from_slice(&written[..sector.len()]);
                }
            }
            after.names.insert(name, after.files.len());
            after.files.push(File { durable: found.clone(), content: found, ..File::default() });
        }
        after.durable_names = after.names.clone();
        Self(Arc::new(Mutex::new(after)))
    }

    /// Returns an independent copy.
    pub(crate) fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().clone())))
    }

    /// Changes the content of a file behind the back of the store.
    pub(crate) fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.0.lock();
        let file = state.names[name];
        change(&mut state.files[file].content);
    }

    /// Returns the files whose name ends like this.
    pub(crate) fn ending_in(&self, end: &str) -> Vec<String> {
        let state = self.0.lock();
        state.names.keys().filter(|name| name.ends_with(end)).cloned().collect()
    }

    /// Returns `true` if a file was synced again after a sync had failed.
    pub(crate) fn has_synced_again(&self) -> bool {
        self.0.lock().files.iter().any(|file| file.synced_again)
    }

    fn act<T>(&self, act: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.0.lock();
        if let Some(power) = &mut state.power {
            *power = power.checked_sub(1).ok_or_else(|| io::Error::other("the power is lost"))?;
        }
        act(&mut state)
    }
}

impl State {
    fn find(&mut self, name: &str) -> io::Result<&mut File> {
        let file = self.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(&mut self.files[*file])
    }

    fn name(&mut self, change: impl FnOnce(&mut BTreeMap<String, usize>)) {
        change(&mut self.names);
        self.renamed.push(self.names.clone());
    }
}

impl Disk for ModelDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.act(|state| Ok(state.names.keys().cloned().collect()))
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        self.act(|state| Ok(state.find(name)?.content.len() as u64))
    }

    fn read_at(&self, name: &str, at: u64, len: usize) -> io::Result<Vec<u8>> {
        self.act(|state| {
            let content = &state.find(name)?.content;
            let from = usize::try_from(at).expect("it is small").min(content.len());
            Ok(content[from..][..len.min(content.len() - from)].to_vec())
        })
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.act(|state| {
            let file = state.files.len();
            state.files.push(File::default());
            state.name(|names| _ = names.insert(name.to_owned(), file));
            Ok(Box::new(Open { disk: self.clone(), file }) as _)
        })
    }

    fn set_len(&self, name: &str, len: u64) -> io::Result<()> {
        self.act(|state| {
            state.find(name)?.content.resize(usize::try_from(len).expect("it is small"), 0);
            Ok(())
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.act(|state| {
            let file = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
            state.name(|names| {
                names.remove(from);
                names.insert(to.to_owned(), file);
            });
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.act(|state| {
            state.find(name)?;
            state.name(|names| _ = names.remove(name));
            Ok(())
        })
    }

    fn rewrite(&self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.act(|state| {
            let file = state.find(name)?;
            file.write(usize::try_from(at).expect("it is small"), bytes);
            file.sync(false)
        })
    }

    fn boot(&self) -> u64 {
        self.0.lock().boots + 1
    }

    fn sync_names(&self) -> io::Result<()> {
        self.act(|state| {
            state.durable_names = state.names.clone();
            state.renamed.clear();
            Ok(())
        })
    }
}

#[derive(Debug)]
struct Open {
    disk: ModelDisk,
    file: usize,
}

impl DiskFile for Open {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let at = usize::try_from(at).expect("it is small");
        self.disk.act(|state| {
            // A write that fails may have written a part.
            let fault = state.faults.writes;
            let bytes = if fault.is_some() { &bytes[..bytes.len() / 2] } else { bytes };
            state.files[self.file].write(at, bytes);
            fault.map_or(Ok(()), |kind| Err(kind.into()))
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        while self.disk.0.lock().faults.hangs {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        self.disk.act(|state| {
            let fails = state.faults.syncs;
            let file = &mut state.files[self.file];
            // A file whose sync has failed is never synced again by the process that has it open.
            file.synced_again |= file.failed_syncs > 0;
            file.sync(fails)
        })
    }
}

/// Opens the store on a disk.
fn open(disk: &ModelDisk) -> Result<Store, crate::FileOpenError> {
    open_with(disk, &config())
}

fn open_with(disk: &ModelDisk, config: &FileConfig) -> Result<Store, crate::FileOpenError> {
    recovery::open(Arc::new(disk.clone()), config)
}

fn config() -> FileConfig {
    FileConfig::new("model").max_bytes(FileConfig::MIN_BYTES)
}

/// Writes one batch of records with these texts.
fn write(store: &mut Store, texts: &[String]) -> Result<(), WriteError> {
    let mut batch = BatchBuilder::new(store.tail.next());
    for text in texts {
        batch.add(|bytes| encode(&record(text), None, bytes));
    }
    store.tail.append(&mut batch)
}

fn record(text: &str) -> Record {
    let topic: Topic = "model".parse().expect("a topic");
    Record::new(topic, Event::new(text).encode())
}

/// Reads everything that is in the store: offsets and texts.
fn contents(store: &Store) -> BTreeMap<u64, String> {
    let mut found = BTreeMap::new();
    let after = store.catalog.first() - 1;
    let visited = store.catalog.visit(after, |offset, _, bytes| {
        let record = bytes.record().expect("a record");
        let text = String::from_utf8_lossy(record.event.as_bytes()).into_owned();
        let text = text.trim_start_matches("data: ").trim_end().to_owned();
        assert_eq!(found.insert(offset, text), None, "{offset} is there twice");
        ControlFlow::Continue(())
    });
    match visited {
        Ok(()) => {}
        Err(crate::catalog::CatalogError::NotKept) => assert!(found.is_empty()),
        Err(error) => panic!("{error}"),
    }
    found
}
