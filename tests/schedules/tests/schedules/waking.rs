//! A subscriber that waits is woken by whatever comes for it.

use std::time::Duration;

use shuttle::thread;
use sse_kit_event::Event;
use sse_kit_schedules::Delivery;

use crate::explore::{BACK, Reader, SETTINGS, explore, join, publish_on_thread, topic};

#[test]
fn events_messages_and_the_end_wake_a_subscriber() {
    explore(100, &SETTINGS, |setting| {
        let hub = setting.hub();
        let mut reader = Reader::new(hub.subscribe(topic("a")).queue(8).open().expect("open"));
        let id = reader.subscription.connection().id().clone();
        let publisher = publish_on_thread(&hub, 3, vec![topic("a").into()]);
        let sender = {
            let (hub, id) = (hub.clone(), id.clone());
            thread::spawn(move || {
                for _ in 0..2 {
                    hub.send_to(&id, &Event::new("to you alone")).expect("there is room");
                }
            })
        };
        let reader = thread::spawn(move || {
            let (mut events, mut messages) = (0, 0);
            while (events, messages) != (3, 2) {
                match reader.next() {
                    Some(Delivery::Entry(_)) => events += 1,
                    Some(Delivery::Direct(_)) => messages += 1,
                    other => panic!("{other:?}"),
                }
            }
            // Whoever ends it does so while it waits, or before.
            assert!(matches!(reader.next(), Some(Delivery::Goodbye(BACK))));
            assert!(reader.next().is_none());
        });
        join([publisher, sender]);
        while hub.stats().delivered < 5 {
            thread::yield_now();
        }
        assert!(hub.dismiss(&id, BACK));
        reader.join().expect("it held");
    });
}

#[test]
fn a_subscriber_that_goes_from_task_to_task_misses_no_wake_up() {
    explore(100, &SETTINGS, |setting| {
        let hub = setting.hub();
        let mut reader = Reader::new(hub.subscribe(topic("a")).open().expect("it is open"));
        let publisher = publish_on_thread(&hub, 4, vec![topic("a").into()]);
        let mut missing = 4;
        // Each gives up at some moment and leaves its waker behind.
        for _ in 0..2 {
            let task = thread::spawn(move || {
                while missing > 0
                    && let Some(delivery) = reader.try_next()
                {
                    assert!(matches!(delivery, Delivery::Entry(_)), "{delivery:?}");
                    missing -= 1;
                }
                (reader, missing)
            });
            (reader, missing) = task.join().expect("it held");
        }
        reader.read(missing);
        publisher.join().expect("it held");
    });
}

#[test]
fn a_heartbeat_says_no_position_of_which_something_is_still_to_come() {
    explore(100, &SETTINGS, |setting| {
        let hub = setting.hub_with(|builder| builder.heartbeat(Duration::from_secs(1)));
        let topics = ["a", "b"].map(topic);
        let readers = topics.clone().map(|topic| {
            let mut reader = Reader::new(hub.subscribe(topic).open().expect("it is open"));
            thread::spawn(move || {
                let mut events = 0;
                while events < 2 {
                    match reader.next() {
                        Some(Delivery::Entry(_)) => events += 1,
                        Some(Delivery::Heartbeat { position: Some(position) }) => {
                            assert!(position.offset() > reader.at.offset(), "{position} is old");
                            reader.at = position;
                        }
                        Some(Delivery::Heartbeat { position: None }) => {}
                        other => panic!("{other:?}"),
                    }
                }
            })
        });
        let publisher = publish_on_thread(&hub, 2, topics.map(Into::into).into());
        join(readers.into_iter().chain([publisher]));
    });
}
