//! A shared log speaks while events are on their way: some are lost, it begins again,
//! or a position was never reached.

use std::sync::Arc;

use shuttle::thread;
use sse_kit_event::control::GapReason;
use sse_kit_event::{Epoch, EventId, LastEventId};
use sse_kit_schedules::{Delivery, Inlet};

use crate::driven_log::{DrivenLog, id, record};
use crate::explore::{Reader, SETTINGS, explore, join, topic};

fn deliver(inlet: &Inlet, id: EventId) {
    inlet.deliver(id, record(topic("a"), "x")).expect("it follows");
}

#[test]
fn a_new_epoch_comes_after_what_was_queued_and_nothing_of_it_is_lost() {
    explore(100, &SETTINGS, |setting| {
        let log = DrivenLog::at(id(1, 0));
        let hub = setting.hub_of(log.clone());
        let mut reader = Reader::new(hub.subscribe(topic("a")).open().expect("it is open"));
        let log = thread::spawn(move || {
            log.with(|inlet| {
                (1..=3).for_each(|offset| deliver(inlet, id(1, offset)));
                inlet.begin_epoch(id(2, 0)).expect("it is new");
                (1..=2).for_each(|offset| deliver(inlet, id(2, offset)));
            });
        });
        let from = loop {
            match reader.next() {
                Some(Delivery::Entry(entry)) => assert_eq!(entry.id().epoch(), Epoch::new(1)),
                Some(Delivery::Gap(gap)) if gap.reason == GapReason::UnknownEpoch => {
                    assert_eq!(gap.to, id(2, 0));
                    break gap.from.expect("it was somewhere");
                }
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(from, reader.at, "what lacks begins where it stands");
        reader.at = id(2, 0);
        reader.read(2);
        assert_eq!(reader.at, id(2, 2));
        log.join().expect("it held");
    });
}

#[test]
fn who_comes_from_a_node_that_is_further_is_told_of_no_gap() {
    explore(100, &SETTINGS, |setting| {
        let log = DrivenLog::at(id(1, 0));
        let hub = setting.hub_of(log.clone());
        // How many records there are, of which this node has had some.
        let length = Arc::new(shuttle::sync::Mutex::new(0));
        let appender = {
            let length = Arc::clone(&length);
            thread::spawn(move || (0..4).for_each(|_| *length.lock().expect("no panic") += 1))
        };
        let log = {
            let length = Arc::clone(&length);
            thread::spawn(move || {
                let mut at = 0;
                while at < 4 {
                    log.with(|inlet| {
                        let mark = inlet.mark().expect("it is open");
                        let length = *length.lock().expect("no panic");
                        (at + 1..=length).for_each(|offset| deliver(inlet, id(1, offset)));
                        at = length;
                        inlet.caught_up(mark);
                    });
                    thread::yield_now();
                }
            })
        };
        // The client has seen all of them.
        let at = *length.lock().expect("no panic");
        let subscribe = hub.subscribe(topic("a")).resume(LastEventId::from(id(1, at)));
        let mut reader = Reader::new(subscribe.open().expect("it is open"));
        reader.read(usize::try_from(4 - at).expect("few"));
        join([appender, log]);
    });
}

#[test]
fn who_claims_to_have_seen_what_never_was_is_told_of_a_gap_and_goes_on() {
    explore(100, &SETTINGS, |setting| {
        let log = DrivenLog::at(id(1, 0));
        let hub = setting.hub_of(log.clone());
        let log = thread::spawn(move || {
            log.with(|inlet| {
                inlet.mark_lost_through(1).expect("it is open");
                let mark = inlet.mark().expect("it is open");
                deliver(inlet, id(1, 2));
                inlet.caught_up(mark);
                deliver(inlet, id(1, 3));
                deliver(inlet, id(1, 4));
                inlet.caught_up(inlet.mark().expect("it is open"));
            });
        });
        // One that was there, and one that was not when the mark was made.
        let readers = [2, 3].map(|at| {
            let subscribe = hub.subscribe(topic("a")).resume(LastEventId::from(id(1, at)));
            let mut reader = Reader::new(subscribe.open().expect("it is open"));
            thread::spawn(move || {
                while reader.at != id(1, 4) {
                    match reader.next() {
                        Some(Delivery::Entry(_)) => {}
                        Some(Delivery::Gap(gap)) if gap.reason == GapReason::Future => {
                            assert!(gap.to.offset() < reader.at.offset());
                            reader.at = gap.to;
                        }
                        other => panic!("{other:?}"),
                    }
                }
            })
        });
        join(readers.into_iter().chain([log]));
    });
}

#[test]
fn what_is_lost_is_told_and_what_is_not_comes() {
    explore(100, &SETTINGS, |setting| {
        let log = DrivenLog::at(id(1, 0));
        let hub = setting.hub_of(log.clone());
        let mut reader = Reader::new(hub.subscribe(topic("a")).open().expect("it is open"));
        let log = thread::spawn(move || {
            log.with(|inlet| {
                (1..=2).for_each(|offset| deliver(inlet, id(1, offset)));
                inlet.mark_lost_through(5).expect("it is open");
                (6..=7).for_each(|offset| deliver(inlet, id(1, offset)));
            });
        });
        let (mut given, mut told) = (Vec::new(), 0);
        while reader.at != id(1, 7) {
            match reader.next() {
                Some(Delivery::Entry(entry)) => given.push(entry.id().offset()),
                Some(Delivery::Gap(gap)) => {
                    assert_eq!(gap.from, Some(reader.at), "after {given:?}");
                    assert_eq!(gap.to, id(1, 5));
                    told += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(told, 1);
        assert!(given.ends_with(&[6, 7]), "{given:?}");
        log.join().expect("it held");
    });
}
