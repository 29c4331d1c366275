//! Events for several topics: one id, once for each subscriber.

mod receiving;

use std::collections::HashSet;

use receiving::{data, received, settle};
use sse_kit_broadcast::{ConnectionSet, Hub, PublishError, SlowConsumer, Subscription};
use sse_kit_event::{Audience, Event, LastEventId, Topic, Topics};
use sse_kit_test_support::{TestResult, rng, scaled};

fn topic(text: &str) -> Topic {
    text.parse().expect("a topic")
}

fn audience(texts: &[&str]) -> Audience {
    Audience::several(texts.iter().map(|text| topic(text))).expect("a few")
}

fn topics(texts: &[&str]) -> Topics {
    Topics::parse(texts).expect("topics")
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_of_several_of_the_topics_gets_the_event_once() -> TestResult {
    let hub = Hub::new();
    let start = hub.cursor();
    let mut both = hub.subscribe(topics(&["a", "b"])).open()?;
    let mut one = hub.subscribe(topic("b")).open()?;
    let mut pattern = hub.subscribe(topics(&["a*", "*"])).open()?;
    let mut other = hub.subscribe(topic("d")).open()?;
    let receipt = hub.publish(audience(&["a", "b", "c"]), Event::new("x")).await?;
    assert_eq!(receipt.receivers, 3);
    hub.publish(audience(&["c", "d"]), Event::new("y")).await?;
    settle().await;
    assert_eq!(received(&mut both).await, [data("x")]);
    assert_eq!(received(&mut one).await, [data("x")]);
    assert_eq!(received(&mut pattern).await, ["x", "y"].map(data));
    assert_eq!(received(&mut other).await, [data("y")]);

    // It is in the history of each, and one who comes back gets it once as well.
    for name in ["a", "b", "c"] {
        assert_eq!(hub.history(&topic(name), 1).len(), 1);
    }
    for wanted in [topics(&["a", "b"]), topics(&["*"]), topics(&["a*", "c"])] {
        let resume = hub.subscribe(wanted).resume(LastEventId::Known(start));
        let mut resumed = resume.open()?;
        assert_eq!(received(&mut resumed).await[0], data("x"));
    }
    let resume = hub.subscribe(topics(&["a", "b"])).resume(LastEventId::Known(start));
    assert_eq!(received(&mut resume.open()?).await, [data("x")]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn receivers_are_counted_once_whatever_they_subscribe_to() -> TestResult {
    let mut rng = rng();
    let words = ["a", "b", "c", "a:x", "a:y", "b:x", "*", "a:*", "*:x", "**", "b:**", "**:y"];
    let names = &words[..6];
    for _ in 0..scaled(20) {
        let hub = Hub::builder().heartbeat(None).shards(rng.usize(1..4)).build()?;
        let mut open: Vec<Subscription> = Vec::new();
        for _ in 0..rng.usize(0..30) {
            let count = rng.usize(1..5);
            let wanted =
                topics(&(0..count).map(|_| *rng.choice(&words).expect("some")).collect::<Vec<_>>());
            open.push(hub.subscribe(wanted).open()?);
            if rng.u8(..4) == 0 {
                open.swap_remove(rng.usize(..open.len()));
            }
        }
        for _ in 0..10 {
            let count = rng.usize(1..5);
            let some: Vec<_> = (0..count).map(|_| *rng.choice(names).expect("some")).collect();
            let audience = audience(&some);
            let except = open.iter().filter(|_| rng.u8(..8) == 0);
            let except: Vec<_> = except.map(|one| one.connection().id().clone()).collect();
            let gets = |one: &&Subscription| {
                one.connection().topics().include(&audience)
                    && !except.contains(one.connection().id())
            };
            let expected = open.iter().filter(gets).count();
            let publish = hub.except(except.clone());
            let receipt = publish.publish(&audience, Event::new("x")).await?;
            assert_eq!(receipt.receivers, expected, "{audience} of {open:#?}");
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn events_are_conflated_within_one_audience() -> TestResult {
    let hub = Hub::new();
    let conflated = hub.subscribe(topics(&["a", "b"])).slow_consumer(SlowConsumer::Conflate);
    let mut conflated = conflated.open()?;
    let event = |text: &str| Event::new(text).with_key("bar".parse().expect("a key"));
    for (to, text) in [(audience(&["a", "b"]), "1"), (audience(&["a"]), "2")] {
        hub.publish(&to, event(text)).await?;
        hub.publish(&to, event(&format!("{text} again"))).await?;
    }
    settle().await;
    assert_eq!(received(&mut conflated).await, ["1 again", "2 again"].map(data));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_event_leaves_out_a_bounded_number_of_connections() -> TestResult {
    let hub = Hub::new();
    let ids = |count: usize| (0..count).map(|n| n.to_string().parse().expect("an id"));
    let many = hub.except(ids(ConnectionSet::MAX_LEN));
    assert!(many.publish(&topic("a"), Event::new("x")).await.is_ok());
    let endless = hub.except(std::iter::repeat("a".parse()?));
    let refused = endless.publish(&topic("a"), Event::new("x")).await;
    assert!(matches!(refused, Err(PublishError::TooManyExcluded)), "{refused:?}");
    assert_eq!(hub.stats().published, 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_event_for_several_topics_is_kept_until_each_has_trimmed_it() -> TestResult {
    let hub = Hub::builder().history(2).build()?;
    let start = hub.cursor();
    hub.publish(audience(&["a", "b"]), Event::new("both")).await?;
    for n in 0..2 {
        hub.publish(&topic("a"), Event::new(n.to_string())).await?;
    }
    let texts = |name: &str| {
        let entries = hub.history(&topic(name), 9);
        entries.iter().map(|entry| entry.id().offset()).collect::<Vec<_>>()
    };
    assert_eq!((texts("a"), texts("b")), (vec![2, 3], vec![1]));
    let offsets: HashSet<_> = texts("a").into_iter().chain(texts("b")).collect();
    assert_eq!((hub.stats().history, offsets.len()), (3, 3));
    // Who resumes by `a` is told that it is gone there, and who resumes by `b` has it.
    let resume = |name| hub.subscribe(topic(name)).resume(LastEventId::Known(start));
    assert_eq!(received(&mut resume("b").open()?).await, [data("both")]);
    assert_eq!(received(&mut resume("a").open()?).await.len(), 3, "a gap, and two events");
    Ok(())
}

/// The second topic of an event drops one of its own for it, so that the size of all is within its limit.
#[tokio::test]
async fn an_event_for_several_topics_drops_no_more_than_it_must() -> TestResult {
    let publish_all = async |hub: &Hub| -> TestResult {
        let large = "x".repeat(100);
        hub.publish(&topic("quiet"), Event::new("x")).await?;
        hub.publish(&topic("b"), Event::new(large)).await?;
        hub.publish(audience(&["a", "b"]), Event::new("x")).await?;
        Ok(())
    };
    let unlimited = Hub::builder().history(1).build()?;
    publish_all(&unlimited).await?;
    // The epochs of the two, which are in the ids of the three events, may differ by 15 digits.
    let limit = unlimited.stats().history_bytes + 3 * 15;
    let hub = Hub::builder().history(1).history_bytes(limit).build()?;
    publish_all(&hub).await?;
    assert_eq!(hub.history(&topic("quiet"), 1).len(), 1);
    assert!(hub.stats().history_bytes <= limit);
    Ok(())
}
