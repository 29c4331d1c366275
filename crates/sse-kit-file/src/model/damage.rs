//! Each byte of a store, cut off or flipped: never a wrong event, and never a silent loss.

use std::collections::BTreeMap;

use sse_kit_event::EventId;

use super::{ModelDisk, Store, contents, open, write};
use crate::segment::HEAD;

/// Three batches: the texts, the end of each batch in the file, and the last id.
struct Written {
    disk: ModelDisk,
    name: String,
    texts: BTreeMap<u64, String>,
    ends: Vec<usize>,
    last: EventId,
}

fn written() -> Written {
    let disk = ModelDisk::default();
    let mut store = open(&disk).expect("it is new");
    let (mut texts, mut ends) = (BTreeMap::new(), vec![HEAD]);
    for batch in 0..3 {
        let first = store.tail.next();
        let some: Vec<_> = (0..2).map(|n| format!("{batch}.{n}")).collect();
        write(&mut store, &some).expect("it is written");
        texts.extend((first..).zip(some));
        let name = &disk.ending_in(".log")[0];
        let mut end = 0;
        disk.change(name, |content| {
            end = content.iter().rposition(|byte| *byte != 0).expect("it has content") + 1;
        });
        ends.push(end);
    }
    let last = EventId::new(store.epoch, store.tail.next() - 1);
    let name = disk.ending_in(".log").remove(0);
    Written { disk, name, texts, ends, last }
}

impl Written {
    /// Opens a copy in which something was changed.
    fn open_changed(&self, change: impl FnOnce(&mut Vec<u8>)) -> (ModelDisk, Store) {
        let disk = self.disk.copy();
        disk.change(&self.name, change);
        let store = open(&disk).expect("it opens");
        for (offset, text) in contents(&store) {
            assert_eq!(self.texts.get(&offset), Some(&text), "{offset} is wrong");
        }
        (disk, store)
    }

    /// Returns whether a page that has seen the event at this offset resumes.
    fn resumes(&self, store: &Store, offset: u64) -> bool {
        let seen = EventId::new(self.last.epoch(), offset);
        store.lineage.translate(seen, store.epoch).is_some()
    }
}

#[test]
fn the_last_batch_cut_off_or_flipped_anywhere_is_not_there() {
    let all = written();
    let [.., begin, end] = all.ends[..] else { panic!("three batches") };
    for at in begin..end {
        for flips in [false, true] {
            let (_, store) = all.open_changed(|content| {
                if flips {
                    content[at] ^= 0x10;
                } else {
                    content.truncate(at);
                }
            });
            assert_eq!(contents(&store).len(), 4, "{at} {flips}");
            assert!(!store.is_damaged);
            assert!(all.resumes(&store, 4), "a page that has seen what is there");
            assert!(!all.resumes(&store, 5), "a page that has seen what was lost");
            assert_eq!(store.tail.next(), 5);
        }
    }
}

#[test]
fn a_batch_in_the_middle_flipped_anywhere_is_noticed() {
    let all = written();
    for at in all.ends[0]..all.ends[2] {
        let (disk, mut store) = all.open_changed(|content| content[at] ^= 1);
        assert!(store.is_damaged, "{at}");
        assert_eq!(disk.ending_in(".aside").len(), 1);
        assert!(contents(&store).is_empty());
        // No offset is given twice, and a page that has seen everything goes on.
        assert_eq!((store.tail.next(), store.catalog.first()), (7, 7));
        assert!(all.resumes(&store, 6));
        write(&mut store, &["new".to_owned()]).expect("it is written");
        assert!(matches!(
            store.catalog.read(5, None, 10),
            Err(crate::catalog::CatalogError::NotKept)
        ));
    }
}

#[test]
fn a_head_flipped_anywhere_is_noticed_and_nothing_is_continued() {
    let all = written();
    for at in 0..HEAD {
        let disk = all.disk.copy();
        disk.change(&all.name, |content| content[at] ^= 1);
        match open(&disk) {
            Ok(store) => {
                assert!(store.is_damaged && store.lineage.as_slice().is_empty(), "{at}");
                assert!(contents(&store).is_empty());
            }
            Err(error) => {
                assert!(matches!(error, crate::FileOpenError::OtherVersion { .. }), "{error}");
                assert_eq!(disk.ending_in(".log"), all.disk.ending_in(".log"), "it is untouched");
            }
        }
    }
}

/// Bytes that others append to a file are not the store's, even if they look like a batch.
#[test]
fn junk_at_the_end_is_ignored() {
    let all = written();
    let junk: [&[u8]; 3] = [b"junk", &[0xff; 5000], &[0; 5000]];
    for junk in junk {
        let (_, store) = all.open_changed(|content| {
            content.truncate(all.ends[3]);
            content.extend_from_slice(junk);
        });
        assert_eq!(contents(&store), all.texts);
        assert!(all.resumes(&store, 6) && !store.is_damaged);
    }
    let batch = all.ends[1]..all.ends[2];
    let (_, store) = all.open_changed(|content| {
        let copy = content[batch].to_vec();
        content.truncate(all.ends[3]);
        content.extend(copy);
    });
    assert_eq!(contents(&store), all.texts, "an older batch is not a newer one");
}

/// A full file is not scanned when the store is opened, so its damage is found when it is read.
#[test]
fn a_full_file_that_is_damaged_is_noticed_when_it_is_read() {
    let disk = ModelDisk::default();
    let mut store = open(&disk).expect("it is new");
    while disk.ending_in(".log").len() < 3 {
        let text = format!("{} {}", store.tail.next(), "x".repeat(20_000));
        write(&mut store, &[text]).expect("it is written");
    }
    let names = disk.ending_in(".log");
    disk.change(&names[1], |content| content[HEAD + 100] ^= 1);
    let store = open(&disk).expect("it opens");
    assert!(!store.is_damaged);
    let damaged = crate::segment::first_of(&names[1]).expect("a name of ours");
    let read = store.catalog.read(damaged - 1, None, 10);
    assert!(
        matches!(read, Err(crate::catalog::CatalogError::Damaged { first }) if first == damaged)
    );
    store.catalog.put_aside(damaged);
    assert_eq!(disk.ending_in(".aside").len(), 2);
    let first = crate::segment::first_of(&names[2]).expect("a name of ours");
    assert_eq!(store.catalog.first(), first);
    assert_eq!(contents(&store).len() as u64, store.tail.next() - first);
    drop(store);
    let store = open(&disk).expect("it opens");
    assert_eq!(store.catalog.first(), first);
}
