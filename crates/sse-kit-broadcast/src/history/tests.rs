//! The entries that history keeps and drops, and their sums.

use std::collections::HashSet;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use sse_kit_event::{Audience, Epoch, Event, EventId, Topic, TopicPattern};
use sse_kit_test_support::{rng, scaled};

use super::*;
use crate::record::Record;

#[test]
fn the_places_of_trimmed_events_are_bounded() {
    const BYTES: usize = 1 << 20;
    let retention = Retention { events_per_topic: 50, ..limited(BYTES) };
    let (mut history, mut topics) = (History::new(retention), TopicTable::new(0));
    for offset in 1..=60_000 {
        // A few are busy and drop by their number, the others by the size of all.
        let name = if offset % 2 == 0 { offset % 10 } else { offset % 777 };
        let topic: Topic = format!("t:{name}").parse().unwrap();
        let record = Record::new(&topic, Event::new("x").encode());
        let entry = Arc::new(Entry::new(EventId::new(Epoch::new(1), offset), record));
        let key = topics.find_or_insert(&topic);
        history.push(&mut topics, key, &entry);
        let needed = history.entries + topics.known();
        assert!(history.order.len() <= 3 * needed + 1000, "{offset}: {}", history.order.len());
    }
    assert!(history.entries > 1000 && history.bytes <= BYTES);
}

fn push(history: &mut History, topics: &mut TopicTable, offset: u64, name: &str) {
    let topic: Topic = name.parse().unwrap();
    let record = Record::new(&topic, Event::new("x").encode());
    let entry = Arc::new(Entry::new(EventId::new(Epoch::new(1), offset), record));
    let key = topics.find_or_insert(&topic);
    history.push(topics, key, &entry);
}

#[test]
fn topics_expire_once_each_as_long_as_they_have_entries_that_do() {
    let day = Duration::from_secs(86_400);
    let mut history = History::new(Retention {
        age: Some(day),
        age_by_topic: vec![("kept".parse::<Topic>().unwrap().into(), None)],
        ..limited(10_000)
    });
    let mut topics = TopicTable::new(0);
    for offset in 1..1_000 {
        push(&mut history, &mut topics, offset, "kept");
    }
    assert_eq!(history.expiries.len(), 0, "they never expire");
    for offset in 1_000..2_000 {
        push(&mut history, &mut topics, offset, "one");
    }
    assert_eq!(history.expiries.len(), 1);
    for offset in 2_000..3_000 {
        push(&mut history, &mut topics, offset, &format!("t{offset}"));
    }
    assert!((2..=history.entries).contains(&history.expiries.len()));
    let later = Instant::now() + day * 2;
    while history.trim(&mut topics, later) {}
    assert_eq!((history.size(), history.expiries.len()), ((0, 0), 0));
}

/// Streams may compress all of history between two events, and publishers wait for what that drops.
#[test]
fn an_event_drops_so_many_others_and_history_shrinks_all_the_same() {
    let mut retention = limited(1 << 20);
    retention.events_per_topic = 100_000;
    let (mut history, mut topics) = (History::new(retention), TopicTable::new(0));
    let mut offsets = 1..;
    let mut publish = |history: &mut History, size| {
        let before = history.trims();
        let entry = record(history, &mut topics, offsets.next().unwrap(), &["a"], size);
        (entry, history.trims() - before)
    };
    while publish(&mut history, 10).1 == 0 {}
    let all: Vec<_> = history.after(0).filter_map(Place::entry).collect();
    for entry in &all {
        entry.compressed(|_| vec![0; 1_000].into());
    }
    assert!(history.size().1 > 3 << 20);
    assert_eq!(publish(&mut history, 10).1, MAX_DROPPED as u64);
    // A large one adds more than so many small ones take, and its compressed form as much again.
    let mut before = history.size().1;
    while before > 2 << 20 {
        let (entry, _) = publish(&mut history, 200_000);
        entry.compressed(Bytes::clone);
        let after = history.size().1;
        assert!(after < before, "{before} to {after}");
        before = after;
    }
}

fn limited(bytes: usize) -> Retention {
    Retention {
        events_per_topic: 20,
        events_by_topic: Vec::new(),
        age: None,
        age_by_topic: Vec::new(),
        bytes,
    }
}

/// Records an event of these topics, as the state of a hub does.
fn record(
    history: &mut History,
    topics: &mut TopicTable,
    offset: u64,
    names: &[&str],
    size: usize,
) -> Arc<Entry> {
    let names = names.iter().map(|name| name.parse::<Topic>().unwrap());
    let audience = Audience::several(names).unwrap();
    let record = Record::new(audience, Event::new("x".repeat(size)).encode());
    let id = EventId::new(Epoch::new(1), offset);
    let entry = Arc::new(Entry::shared(id, record, history.ledger()));
    let mut added = 0;
    for topic in entry.audience.topics() {
        let key = topics.find_or_insert(topic);
        added += history.add(topics, key, &entry);
    }
    history.fit(topics, entry.at, added);
    entry
}

/// Counts from scratch what history adds up and subtracts.
fn counted(history: &History, topics: &TopicTable) -> (usize, usize) {
    let (mut entries, mut bytes, mut seen) = (0, 0, HashSet::new());
    let everyone = topics.everyone();
    let keys = topics.begin_with("").map(|(_, key)| key).chain([everyone]);
    let mut expiries = BTreeSet::new();
    for (key, state) in keys.filter_map(|key| Some((key, topics.get(key)?))) {
        if state.entries().is_empty() {
            assert_eq!(state.entries().capacity(), 0, "its memory is freed");
        } else {
            bytes += state.weight();
        }
        assert_eq!(state.expires_at.is_some(), state.oldest_expires().is_some());
        assert!(state.expires_at <= state.oldest_expires(), "a lower bound");
        expiries.extend(state.expires_at.map(|at| (at, key)));
        entries += state.entries().len();
        for entry in state.entries() {
            bytes += PLACE;
            if seen.insert(entry.id().offset()) {
                bytes += entry.weight() + entry.share().unwrap().bytes();
            }
        }
    }
    assert_eq!(history.expiries, expiries);
    (entries, bytes + expiries.len() * EXPIRY)
}

#[test]
fn it_adds_up_what_it_has() {
    let mut random = rng();
    for _ in 0..scaled(20) {
        walk(&mut random);
    }
}

fn walk(random: &mut Rng) {
    let seconds = Duration::from_secs;
    let mut retention = limited(random.usize(500..100_000));
    retention.events_per_topic = [0, 1, 5, 50][random.usize(..4)];
    retention.age = random.bool().then_some(seconds(20));
    retention.age_by_topic = vec![
        (TopicPattern::from_str("a:**").unwrap().into(), Some(seconds(5))),
        (TopicPattern::from_str("b:**").unwrap().into(), None),
    ];
    let (mut history, mut topics) = (History::new(retention), TopicTable::new(0));
    let names: Vec<_> = ["a", "b", "c"]
        .iter()
        .flat_map(|name| (0..9).map(move |n| format!("{name}:{n}")))
        .collect();
    let mut offset = 0;
    let mut seen = Vec::new();
    for _ in 0..600 {
        match random.u8(..40) {
            0 => {
                history.begin_epoch();
                topics.begin_epoch(0);
                offset = 0;
            }
            1 => {
                offset -= random.u64(..=offset.min(30));
                history.drop_after(&mut topics, offset);
            }
            2..5 => _ = history.trim(&mut topics, Instant::now() + seconds(random.u64(..30))),
            5..20 => {
                // Some have left history, and some belong to another epoch.
                let entry: Option<&Arc<Entry>> = random.choice(&seen);
                let len = random.usize(..300);
                entry.map(|entry| entry.compressed(|_| vec![0; len].into()));
            }
            _ => {
                offset += random.u64(1..3);
                let topics_of_it: Vec<_> = (0..random.usize(1..4))
                    .map(|_| names[random.usize(..names.len())].as_str())
                    .collect();
                let size = random.usize(..500);
                seen.push(record(&mut history, &mut topics, offset, &topics_of_it, size));
            }
        }
        assert_eq!(history.size(), counted(&history, &topics));
    }
}

#[test]
fn events_of_a_new_epoch_expire_too() {
    let retention = Retention { age: Some(Duration::from_secs(1)), ..limited(10_000) };
    let mut history = History::new(retention);
    let mut topics = TopicTable::new(0);
    push(&mut history, &mut topics, 1, "one");
    history.begin_epoch();
    topics.begin_epoch(0);
    push(&mut history, &mut topics, 1, "one");
    history.trim(&mut topics, Instant::now() + Duration::from_secs(2));
    assert_eq!(history.size(), (0, 0));
}
