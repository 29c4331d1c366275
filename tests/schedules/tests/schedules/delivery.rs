//! Each subscriber gets each event of its topics, once and in order, however far it lags.

use shuttle::thread;
use sse_kit_event::{Audience, LastEventId, Topics};
use sse_kit_schedules::SlowConsumer;

use crate::explore::{Reader, SETTINGS, Setting, explore, join, publish_on_thread, topic};

/// To `a` go two of these, to a pattern of all topics three, to `b` two.
fn audiences() -> Vec<Audience> {
    let both = Audience::several([topic("a"), topic("b")]).expect("two topics");
    vec![topic("a").into(), both, topic("b").into()]
}

#[test]
fn who_is_there_gets_everything() {
    explore(100, &SETTINGS, |setting: Setting| {
        let hub = setting.hub();
        let readers = [(vec!["a"], 4), (vec!["a", "*"], 6)].map(|(topics, events)| {
            let topics = Topics::parse(topics).expect("topics");
            let subscription = hub.subscribe(topics).open().expect("it is open");
            thread::spawn(move || Reader::new(subscription).read(events))
        });
        let publishers = [(); 2].map(|()| publish_on_thread(&hub, 1, audiences()));
        join(publishers.into_iter().chain(readers));
    });
}

#[test]
fn who_resumes_in_the_middle_of_it_gets_everything() {
    explore(100, &SETTINGS, |setting| {
        let hub = setting.hub();
        let begin = LastEventId::from(hub.cursor());
        let publisher = publish_on_thread(&hub, 2, audiences());
        let readers = [SlowConsumer::Heal, SlowConsumer::Conflate].map(|policy| {
            let (hub, begin) = (hub.clone(), begin.clone());
            thread::spawn(move || {
                let mut events = 4;
                let mut at = begin;
                // Half of it over one connection, and the rest over the next.
                while events > 0 {
                    let subscribe = hub.subscribe(topic("b")).resume(at).slow_consumer(policy);
                    let mut reader = Reader::new(subscribe.open().expect("it is open"));
                    reader.read(2);
                    events -= 2;
                    at = LastEventId::from(reader.at);
                }
            })
        });
        join(readers.into_iter().chain([publisher]));
    });
}

#[test]
fn who_begins_now_gets_all_that_comes_after_its_cursor() {
    explore(100, &SETTINGS, |setting| {
        let hub = setting.hub();
        let publisher = publish_on_thread(&hub, 4, vec![topic("a").into()]);
        let reader = {
            let hub = hub.clone();
            thread::spawn(move || {
                let mut reader = Reader::new(hub.subscribe(topic("a")).open().expect("open"));
                let missing = 4 - reader.at.offset();
                reader.read(usize::try_from(missing).expect("small"));
            })
        };
        join([publisher, reader]);
    });
}
