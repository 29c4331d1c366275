//! Publishes that are tried again under an idempotency key.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sse_kit_broadcast::{Hub, PublishError, Verdict};
use sse_kit_event::{Audience, Event, Topic};
use sse_kit_test_support::TestResult;

fn topic(text: &str) -> Topic {
    text.parse().expect("a topic")
}

fn once(data: &str, key: &str) -> Event {
    Event::new(data).with_idempotency_key(key.parse().expect("a key"))
}

#[tokio::test(start_paused = true)]
async fn a_publish_that_is_tried_again_repeats_nothing() -> TestResult {
    let judged = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&judged);
    let hub = Hub::builder()
        .on_broadcast(move |draft| {
            count.fetch_add(1, Ordering::Relaxed);
            if draft.topic() == Some(&topic("orders")) {
                draft.follow_up(topic("audit"), Event::new("an order"));
                draft.follow_up(Audience::Everyone, Event::new("sold"));
            }
            Verdict::Keep
        })
        .build()?;
    let first = hub.publish(&topic("orders"), once("1", "key")).await?;
    for _ in 0..3 {
        let again = hub.publish(&topic("orders"), once("1", "key")).await?;
        assert_eq!((again.id, again.repeated, again.receivers), (first.id, true, 0));
    }
    assert!(!first.repeated);
    assert_eq!(hub.stats().published, 3, "the order and what follows it");
    assert_eq!(hub.history(&topic("audit"), 9).len(), 1);
    assert_eq!(hub.broadcast_history(9).len(), 1);
    assert_eq!(judged.load(Ordering::Relaxed), 12, "hooks cannot know that it is a repetition");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_follows_a_vetoed_publish_is_not_repeated_either() -> TestResult {
    let hub = Hub::builder()
        .on_broadcast(|draft| {
            if draft.topic() == Some(&topic("audit")) {
                return Verdict::Keep;
            }
            draft.follow_up(topic("audit"), Event::new("vetoed one"));
            Verdict::Veto
        })
        .build()?;
    for _ in 0..3 {
        let vetoed = hub.publish(&topic("orders"), once("1", "key")).await;
        assert!(matches!(vetoed, Err(PublishError::Vetoed)), "{vetoed:?}");
    }
    assert_eq!(hub.history(&topic("audit"), 9).len(), 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_publish_that_was_vetoed_and_passes_later_is_not_lost() -> TestResult {
    let asked = AtomicUsize::new(0);
    let hub = Hub::builder()
        .on_broadcast(move |draft| {
            if draft.topic() == Some(&topic("audit")) || asked.fetch_add(1, Ordering::Relaxed) > 0 {
                return Verdict::Keep;
            }
            draft.follow_up(topic("audit"), Event::new("vetoed one"));
            Verdict::Veto
        })
        .build()?;
    let vetoed = hub.publish(&topic("orders"), once("1", "key")).await;
    assert!(matches!(vetoed, Err(PublishError::Vetoed)), "{vetoed:?}");
    assert!(!hub.publish(&topic("orders"), once("1", "key")).await?.repeated);
    assert_eq!(hub.history(&topic("orders"), 9).len(), 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_key_is_known_for_its_audience_alone() -> TestResult {
    let hub = Hub::new();
    let (orders, invoices) = (topic("orders"), topic("invoices"));
    let both = Audience::several([orders.clone(), invoices.clone()])?;
    let mut ids = Vec::new();
    for audience in [orders.into(), invoices.into(), both, Audience::Everyone] {
        let receipt = hub.publish(&audience, once("1", "1")).await?;
        assert!(!receipt.repeated && !ids.contains(&receipt.id), "{receipt:?}");
        assert!(hub.publish(&audience, once("1", "1")).await?.repeated);
        ids.push(receipt.id);
    }
    assert_eq!(hub.stats().published, 4);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_used_for_something_else_is_refused() -> TestResult {
    let hub = Hub::new();
    let event = || once("1", "key").with_key("bar".parse().expect("a key"));
    hub.publish(&topic("t"), event()).await?;
    let other = [
        once("1", "key"),
        event().with_name("renamed".parse()?),
        once("2", "key").with_key("bar".parse()?),
        event().with_comment("said otherwise"),
        event().with_retry(std::time::Duration::from_secs(1)),
    ];
    for event in other {
        let refused = hub.publish(&topic("t"), event).await;
        let Err(PublishError::KeyReused { key }) = refused else { panic!("{refused:?}") };
        assert_eq!(key.as_str(), "key");
    }
    assert!(hub.publish(&topic("t"), event()).await?.repeated, "the first one stays as it is");
    assert_eq!(hub.stats().published, 1);
    Ok(())
}
