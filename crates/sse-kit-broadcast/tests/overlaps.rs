//! Subscriptions that overlap, and events for several topics: each is counted once, and replayed once.

mod receiving;

use receiving::{data, received, settle};
use sse_kit_broadcast::{Hub, Start};
use sse_kit_event::{Audience, Event, Topic, Topics};
use sse_kit_test_support::{rng, scaled};

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// Names and patterns that overlap in many ways.
const INTERESTS: &[&str] = &["a", "a:1", "a:2", "b:1", "a:*", "*:1", "a*", "**:2", "b:**", "**"];
const TOPICS: &[&str] = &["a", "a:1", "a:2", "a:1:2", "b", "b:1", "b:2", "c"];

fn some<'a>(random: &mut fastrand::Rng, of: &[&'a str], most: usize) -> Vec<&'a str> {
    (0..random.usize(1..=most)).map(|_| of[random.usize(..of.len())]).collect()
}

fn audience(random: &mut fastrand::Rng) -> Audience {
    let topics = some(random, TOPICS, 5);
    let topics = topics.into_iter().map(|topic| topic.parse::<Topic>().expect("a topic"));
    match random.u8(..10) {
        0 => Audience::Everyone,
        _ => Audience::several(topics).expect("a few"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_is_counted_and_replayed_once_for_each_who_wants_it() -> TestResult {
    let mut random = rng();
    for _ in 0..scaled(10) {
        let hub = Hub::builder().shards(random.usize(1..=2)).history(100).queue(1000).build()?;
        let mut wants = Vec::new();
        for _ in 0..20 {
            wants.push(Topics::parse(some(&mut random, INTERESTS, 4))?);
        }
        let open = wants.iter().map(|topics| hub.subscribe(topics.clone()).open());
        let mut open = open.collect::<Result<Vec<_>, _>>()?;
        let mut published = Vec::new();
        for n in 0..100 {
            let audience = audience(&mut random);
            let receipt = hub.publish(&audience, Event::new(n.to_string())).await?;
            let receivers = wants.iter().filter(|topics| topics.include(&audience)).count();
            assert_eq!(receipt.receivers, receivers, "{audience} to {wants:?}");
            published.push((audience, n.to_string()));
        }
        settle().await;
        for (topics, subscription) in wants.iter().zip(&mut open) {
            let wanted = published.iter().filter(|(audience, _)| topics.include(audience));
            let expected: Vec<_> = wanted.map(|(_, text)| data(text)).collect();
            assert_eq!(received(subscription).await, expected, "of {topics:?}");
            // A page at a time, and the newest by a search.
            let subscribe = hub.subscribe(topics.clone()).queue(random.usize(1..10));
            assert_eq!(all_of(subscribe.start(Start::All).open()?).await, expected);
            let last = random.usize(1..30);
            let newest = hub.subscribe(topics.clone()).start(Start::Last(last)).open()?;
            let from = expected.len().saturating_sub(last);
            assert_eq!(all_of(newest).await, expected[from..]);
        }
    }
    Ok(())
}

async fn all_of(mut subscription: sse_kit_broadcast::Subscription) -> Vec<receiving::Received> {
    let mut all = received(&mut subscription).await;
    // A long search gives way to others in between.
    for _ in 0..10 {
        all.extend(received(&mut subscription).await);
    }
    all
}
