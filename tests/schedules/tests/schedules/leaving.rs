//! Connections that leave: they are handed nothing more, and nobody who stays is passed over.

use std::sync::Arc;

use shuttle::thread;
use sse_kit_schedules::{CloseReason, Delivery};

use crate::explore::{BACK, Reader, SETTINGS, explore, join, publish, publish_on_thread, topic};

#[test]
fn a_connection_that_has_left_is_handed_nothing_more() {
    explore(100, &SETTINGS, |setting| {
        let hub = setting.hub();
        let open = || Reader::new(hub.subscribe(topic("a")).open().expect("it is open"));
        let (mut leaver, mut stayer) = (open(), open());
        let publisher = publish_on_thread(&hub, 4, vec![topic("a").into()]);
        let cursor = hub.clone();
        let leaver = thread::spawn(move || {
            leaver.read(1);
            leaver.subscription.finish(BACK);
            let left_at = cursor.cursor().offset();
            while let Some(delivery) = leaver.next() {
                match delivery {
                    Delivery::Entry(entry) => assert!(entry.id().offset() <= left_at),
                    Delivery::Goodbye(BACK) => {}
                    other => panic!("{other:?}"),
                }
            }
        });
        stayer.read(4);
        join([publisher, leaver]);
        assert_eq!(hub.connection_count(), 1);
    });
}

#[test]
fn nothing_keeps_a_connection_that_has_left() {
    explore(100, &SETTINGS, |setting| {
        let hub = setting.hub();
        let open = || Reader::new(hub.subscribe(topic("a")).open().expect("it is open"));
        let (leaver, mut stayer) = (open(), open());
        let publisher = publish_on_thread(&hub, 2, vec![topic("a").into()]);
        let connection = Arc::downgrade(leaver.subscription.connection());
        let leaver = thread::spawn(move || drop(leaver));
        stayer.read(2);
        join([publisher, leaver]);
        while connection.upgrade().is_some() {
            thread::yield_now();
        }
    });
}

#[test]
fn a_connection_with_the_same_id_takes_the_place_of_an_older_one() {
    explore(100, &SETTINGS, |setting| {
        let hub = setting.hub();
        let mut older = Reader::new(hub.subscribe(topic("a")).open().expect("it is open"));
        let id = older.subscription.connection().id().clone();
        let publisher = publish_on_thread(&hub, 4, vec![topic("a").into()]);
        let newer = {
            let hub = hub.clone();
            thread::spawn(move || {
                let subscribe = hub.subscribe(topic("a")).id(id);
                let mut newer = Reader::new(subscribe.open().expect("it is open"));
                newer.read(usize::try_from(4 - newer.at.offset()).expect("few"));
                newer
            })
        };
        while let Some(delivery) = older.next() {
            assert!(matches!(delivery, Delivery::Entry(_)), "{delivery:?}");
        }
        assert_eq!(older.subscription.ending(), Some(CloseReason::Replaced));
        publisher.join().expect("it held");
        let newer = newer.join().expect("it held");
        drop(older);
        assert_eq!(hub.connection_count(), 1);
        drop(newer);
        assert_eq!(hub.connection_count(), 0);
    });
}

/// More than a fan-out task visits before it lets others run.
const CROWD: usize = 260;

#[test]
fn nobody_is_passed_over_while_others_leave_and_join() {
    explore(20, &SETTINGS[..1], |setting| {
        let hub = setting.hub();
        let open = |_| Reader::new(hub.subscribe(topic("a")).open().expect("it is open"));
        let mut stayers: Vec<_> = (0..CROWD).map(open).collect();
        let leavers: Vec<_> = [0, 1, 100, 254, 200].map(|at| stayers.swap_remove(at)).into();
        let comings = {
            let hub = hub.clone();
            thread::spawn(move || {
                for leaver in leavers {
                    drop(leaver);
                    thread::yield_now();
                }
                Reader::new(hub.subscribe(topic("a")).open().expect("it is open"))
            })
        };
        publish(&hub, &topic("a").into());
        publish(&hub, &topic("a").into());
        for stayer in &mut stayers {
            stayer.read(2);
        }
        let mut joined = comings.join().expect("it held");
        joined.read(usize::try_from(2 - joined.at.offset()).expect("few"));
    });
}
