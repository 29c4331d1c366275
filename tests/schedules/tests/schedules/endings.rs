//! Events that were published before an end come before the goodbye.

use shuttle::thread;

use crate::explore::{BACK, Reader, SETTINGS, explore, publish, topic};

#[test]
fn a_drain_gives_what_was_published_before_and_then_the_goodbye() {
    explore(100, &SETTINGS, |setting| {
        let hub = setting.hub();
        let open = || hub.subscribe(topic("a")).open().expect("it is open");
        let readers = [open(), open()]
            .map(|subscription| thread::spawn(move || Reader::new(subscription).read_to_goodbye()));
        let drainer = {
            let hub = hub.clone();
            thread::spawn(move || {
                publish(&hub, &topic("a").into());
                publish(&hub, &topic("a").into());
                let mut drain = hub.drain();
                drain.end(1, BACK);
                // Of this nobody knows whether those who end get it.
                publish(&hub, &topic("a").into());
                drain.end(1, BACK);
            })
        };
        let events = readers.map(|reader| reader.join().expect("it held"));
        drainer.join().expect("it held");
        // Only the first to be drained may have ended before the third event.
        assert!(events.iter().all(|events| *events >= 2), "{events:?}");
        assert!(events.contains(&3), "{events:?}");
    });
}

#[test]
fn a_drain_that_a_shutdown_overtakes_gives_everything_too() {
    explore(100, &SETTINGS, |setting| {
        let hub = setting.hub();
        let open = || hub.subscribe(topic("a")).open().expect("it is open");
        let readers = [open(), open()]
            .map(|subscription| thread::spawn(move || Reader::new(subscription).read_to_goodbye()));
        let mut drain = hub.drain();
        publish(&hub, &topic("a").into());
        let drainer = thread::spawn(move || drain.end(1, BACK));
        hub.shut_down(BACK);
        for reader in readers {
            assert_eq!(reader.join().expect("it held"), 1);
        }
        drainer.join().expect("it held");
    });
}

#[test]
fn a_shutdown_gives_all_that_was_published_and_then_the_goodbye() {
    explore(100, &SETTINGS, |setting| {
        let hub = setting.hub();
        let open = || hub.subscribe(topic("a")).open().expect("it is open");
        let readers = [open(), open()]
            .map(|subscription| thread::spawn(move || Reader::new(subscription).read_to_goodbye()));
        for _ in 0..3 {
            publish(&hub, &topic("a").into());
        }
        hub.shut_down(BACK);
        for reader in readers {
            assert_eq!(reader.join().expect("it held"), 3);
        }
    });
}

#[test]
fn a_hub_that_is_dropped_ends_its_streams() {
    explore(60, &SETTINGS, |setting| {
        let hub = setting.hub();
        let mut reader = Reader::new(hub.subscribe(topic("a")).open().expect("it is open"));
        let reader = thread::spawn(move || {
            reader.read(1);
            assert!(reader.next().is_none());
        });
        publish(&hub, &topic("a").into());
        drop(hub);
        reader.join().expect("it held");
    });
}
