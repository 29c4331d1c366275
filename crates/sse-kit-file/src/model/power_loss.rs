//! Loss of power at any moment: nothing that was acknowledged is lost.

use std::collections::BTreeMap;

use sse_kit_event::EventId;
use sse_kit_test_support::{rng, scaled};

use super::{ModelDisk, config, contents, open, open_with, write};
use crate::config::SyncMode;

/// Several processes one after another, each of which ends by a loss of power: while it writes, while
/// it begins a file, or while it opens the store.
fn lose_power_again_and_again(random: &mut fastrand::Rng) {
    let mut disk = ModelDisk::default();
    let mut acknowledged = BTreeMap::new();
    let mut seen: Option<EventId> = None;
    for _ in 0..6 {
        disk.lose_power_after(Some(random.usize(..150)));
        if let Ok(mut store) = open(&disk) {
            let left = disk.lose_power_after(None);
            check(&store, &acknowledged, seen);
            disk.lose_power_after(left);
            loop {
                let first = store.tail.next();
                let len = if random.u8(..8) == 0 { 40_000 } else { random.usize(1..3000) };
                let texts: Vec<_> = (first..first + random.u64(1..4))
                    .map(|offset| format!("{offset} {}", "x".repeat(len)))
                    .collect();
                if write(&mut store, &texts).is_err() {
                    break;
                }
                acknowledged.extend((first..).zip(texts));
                seen = Some(EventId::new(store.epoch, store.tail.next() - 1));
            }
        }
        disk = disk.after_power_loss(random);
    }
    let store = open(&disk).expect("nothing fails now");
    check(&store, &acknowledged, seen);
}

fn check(store: &super::Store, acknowledged: &BTreeMap<u64, String>, seen: Option<EventId>) {
    assert!(!store.is_damaged, "a torn write is no damage");
    let found = contents(store);
    let kept = acknowledged.range(store.catalog.first()..);
    for (offset, text) in kept {
        assert_eq!(found.get(offset), Some(text), "{offset} was acknowledged");
    }
    for (offset, text) in &found {
        assert!(text.starts_with(&format!("{offset} ")), "{offset} is {text}");
    }
    // A page that has seen the last one that was acknowledged resumes.
    if let Some(seen) = seen {
        assert!(store.lineage.translate(seen, store.epoch).is_some(), "{seen} is not shared");
    }
}

#[test]
fn no_loss_of_power_loses_what_was_acknowledged() {
    let mut random = rng();
    for _ in 0..scaled(60) {
        lose_power_again_and_again(&mut random);
    }
}

/// Without a sync, events that were acknowledged may be gone, and nobody knows which. So every page
/// gets a gap, but not after the end of the process alone.
#[test]
fn a_loss_of_power_without_a_sync_is_told_to_everybody() {
    let mut random = rng();
    let config = config().sync(SyncMode::Process);
    for _ in 0..scaled(20) {
        let disk = ModelDisk::default();
        let mut texts = BTreeMap::new();
        let mut last = None;
        for _ in 0..2 {
            let mut store = open_with(&disk, &config).expect("it opens");
            assert_eq!(contents(&store), texts);
            assert!(last.is_none_or(|last| store.lineage.translate(last, store.epoch).is_some()));
            for _ in 0..random.usize(1..40) {
                let text = format!("{} {}", store.tail.next(), "x".repeat(random.usize(1..9000)));
                texts.insert(store.tail.next(), text.clone());
                write(&mut store, &[text]).expect("it is written");
            }
            last = Some(EventId::new(store.epoch, store.tail.next() - 1));
        }
        let store = open_with(&disk.after_power_loss(&mut random), &config).expect("it opens");
        assert!(store.lineage.as_slice().is_empty(), "every page is told");
        for (offset, text) in readable(&store) {
            assert_eq!(texts.get(&offset), Some(&text), "{offset} is wrong");
        }
    }
}

/// Reads the store, of which a part may turn out to be damaged.
fn readable(store: &super::Store) -> BTreeMap<u64, String> {
    let mut first = store.catalog.first();
    while let Err(crate::catalog::CatalogError::Damaged { first: damaged }) =
        store.catalog.read(first - 1, None, 1_000_000).map(drop)
    {
        store.catalog.put_aside(damaged);
        first = store.catalog.first();
    }
    contents(store)
}
