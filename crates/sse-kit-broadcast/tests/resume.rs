//! Resuming from a cursor: what is replayed, and when a gap is reported.

mod receiving;

use std::time::Duration;

use receiving::{Received, data, received, settle};
use sse_kit_broadcast::{ConnectionId, Hub, SlowConsumer, Subscription};
use sse_kit_event::control::GapReason;
use sse_kit_event::{Epoch, Event, EventId, LastEventId, Topic, Topics};

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn topic(text: &str) -> Topic {
    text.parse().expect("a topic")
}

fn resume(hub: &Hub, topics: &[&str], from: LastEventId) -> Subscription {
    let topics = Topics::parse(topics).expect("topics");
    hub.subscribe(topics).resume(from).open().expect("it is open")
}

fn id(hub: &Hub, offset: u64) -> LastEventId {
    EventId::new(hub.cursor().epoch(), offset).into()
}

async fn publish(hub: &Hub, topics: &[&str]) {
    for text in topics {
        hub.publish(&topic(text), Event::new(*text)).await.expect("it is open");
    }
}

#[tokio::test(start_paused = true)]
async fn replay_merges_the_topics_in_the_order_of_the_log_and_goes_on_live() -> TestResult {
    let hub = Hub::new();
    publish(&hub, &["a", "b", "c", "a", "b", "c"]).await;
    let mut tab = resume(&hub, &["c", "a"], id(&hub, 1));
    assert_eq!(tab.cursor().offset(), 1);
    publish(&hub, &["a"]).await;
    settle().await;
    assert_eq!(received(&mut tab).await, ["c", "a", "c", "a"].map(data));
    assert_eq!(hub.stats().resumed, 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn without_a_cursor_it_begins_now() -> TestResult {
    let hub = Hub::new();
    publish(&hub, &["a"]).await;
    let mut tab = hub.subscribe(topic("a")).open()?;
    assert_eq!(tab.cursor(), hub.cursor());
    assert_eq!(received(&mut tab).await, []);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn replay_may_be_longer_than_the_queue() -> TestResult {
    let hub = Hub::builder().queue(3).history(100).build()?;
    let start = hub.cursor();
    publish(&hub, &["a"; 20]).await;
    publish(&hub, &["b"; 20]).await;
    let mut tab = resume(&hub, &["a", "b"], start.into());
    publish(&hub, &["a"]).await;
    settle().await;
    let mut expected = vec![data("a"); 20];
    expected.extend(vec![data("b"); 20]);
    expected.push(data("a"));
    assert_eq!(received(&mut tab).await, expected);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn replay_conflates_for_those_who_ask_for_it() -> TestResult {
    let hub = Hub::new();
    let start = hub.cursor();
    for n in 0..10 {
        let event = Event::new(n.to_string()).with_key("job".parse()?);
        hub.publish(&topic("a"), event).await?;
    }
    let policy = SlowConsumer::Conflate;
    let resume = hub.subscribe(topic("a")).resume(LastEventId::from(start)).slow_consumer(policy);
    assert_eq!(received(&mut resume.open()?).await, [data("9")]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_page_of_history_is_bounded_in_bytes_too() -> TestResult {
    let hub = Hub::builder().queue_bytes(2500).build()?;
    let start = hub.cursor();
    let large = "x".repeat(1000);
    for _ in 0..10 {
        hub.publish(&topic("a"), Event::new(large.clone())).await?;
    }
    let mut tab = resume(&hub, &["a"], start.into());
    // The first page is there already; what is trimmed now was not in it.
    for _ in 0..50 {
        hub.publish(&topic("a"), Event::new("small")).await?;
    }
    let gap = Received::Gap(Some(2), 10, GapReason::Trimmed);
    assert_eq!(received(&mut tab).await[..4], [data(&large), data(&large), gap, data("small")]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_cursor_from_before_the_page_was_rendered_loses_nothing() -> TestResult {
    let hub = Hub::new();
    let cursor = hub.cursor();
    publish(&hub, &["a"]).await; // while the state is read and the page travels
    let mut tab = resume(&hub, &["a"], LastEventId::parse(cursor.to_string().as_bytes()).unwrap());
    assert_eq!(received(&mut tab).await, [data("a")]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn trimmed_history_is_a_gap_and_then_what_is_left() -> TestResult {
    let hub = Hub::builder().history(2).build()?;
    publish(&hub, &["a", "a", "a", "a", "a"]).await;
    let gap = Received::Gap(Some(1), 3, GapReason::Trimmed);
    let mut tab = resume(&hub, &["a"], id(&hub, 1));
    assert_eq!(received(&mut tab).await, [gap, data("a"), data("a")]);
    let mut tab = resume(&hub, &["a"], id(&hub, 3));
    assert_eq!(received(&mut tab).await, [data("a"), data("a")], "nothing it needs is gone");
    assert_eq!(hub.stats().gaps, 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn who_is_left_out_stays_so_over_a_reconnect_if_its_id_does() -> TestResult {
    let hub = Hub::new();
    let id = ConnectionId::random()?;
    let begin = LastEventId::from(hub.cursor());
    let open = |id: Option<&ConnectionId>| {
        let subscribe = hub.subscribe(topic("t")).resume(begin.clone());
        match id {
            Some(id) => subscribe.id(id.clone()).open(),
            None => subscribe.open(),
        }
    };
    drop(open(Some(&id))?);
    hub.except([id.clone()]).publish(&topic("t"), Event::new("of my own")).await?;
    assert_eq!(received(&mut open(Some(&id))?).await, []);
    assert_eq!(received(&mut open(None)?).await, [data("of my own")]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_loud_topic_does_not_cost_a_quiet_one_its_history() -> TestResult {
    let hub = Hub::builder().history(2).build()?;
    let start = hub.cursor();
    publish(&hub, &["quiet"]).await;
    publish(&hub, &["loud"; 100]).await;
    assert_eq!(received(&mut resume(&hub, &["quiet"], start.into())).await, [data("quiet")]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_told_once_however_many_pages_follow() -> TestResult {
    let hub = Hub::builder().queue(1).history(3).build()?;
    let start = hub.cursor();
    publish(&hub, &["quiet"; 3]).await;
    publish(&hub, &["loud"; 10]).await;
    let mut tab = resume(&hub, &["quiet", "loud"], start.into());
    let gap = Received::Gap(Some(0), 10, GapReason::Trimmed);
    let rest = ["quiet", "quiet", "quiet", "loud", "loud", "loud"].map(data);
    assert_eq!(received(&mut tab).await, [&[gap][..], &rest].concat());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_history_gave_is_not_handed_out_again() -> TestResult {
    let hub = Hub::builder().queue(1).build()?;
    let mut tab = hub.subscribe(topic("a")).open()?;
    publish(&hub, &["a"; 2]).await;
    settle().await;
    publish(&hub, &["a"]).await; // on its way, while the tab reads it from history
    assert_eq!(received(&mut tab).await, vec![data("a"); 3]);
    settle().await;
    assert_eq!(received(&mut tab).await, []);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_unknown_epoch_a_future_offset_and_garbage_are_gaps_and_then_live() -> TestResult {
    let hub = Hub::new();
    publish(&hub, &["a", "a"]).await;
    let other_epoch = EventId::new(Epoch::new(!0), 1);
    let garbage = |text: &[u8]| LastEventId::parse(text).unwrap();
    for (from, gap) in [
        (other_epoch.into(), Received::Gap(Some(1), 2, GapReason::UnknownEpoch)),
        (id(&hub, 3), Received::Gap(Some(3), 2, GapReason::Future)),
        (garbage(b"garbage"), Received::Gap(None, 2, GapReason::Malformed)),
        (garbage(&[b'1'; 10_000]), Received::Gap(None, 2, GapReason::Malformed)),
    ] {
        let mut tab = resume(&hub, &["a"], from);
        assert_eq!(tab.cursor().offset(), 2);
        assert_eq!(received(&mut tab).await, [gap]);
    }
    let mut tab = resume(&hub, &["a"], garbage(b"\0"));
    publish(&hub, &["a"]).await;
    settle().await;
    assert_eq!(received(&mut tab).await.last(), Some(&data("a")));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn history_that_grew_too_old_is_a_gap_also_when_the_topic_was_forgotten() -> TestResult {
    let hub = Hub::builder().history_age(Duration::from_secs(60)).build()?;
    let start = hub.cursor();
    publish(&hub, &["a"]).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    publish(&hub, &["b"]).await;
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!((hub.stats().topics, hub.stats().history), (1, 1), "`a` is gone altogether");
    let gap = Received::Gap(Some(0), 1, GapReason::Trimmed);
    for topics in [&["a"], &["*"]] {
        let mut tab = resume(&hub, topics, start.into());
        assert_eq!(received(&mut tab).await[0], gap, "{topics:?}");
    }
    assert_eq!(received(&mut resume(&hub, &["b"], start.into())).await, [data("b")]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn history_is_bounded_in_bytes_over_all_topics_oldest_first() -> TestResult {
    let hub = Hub::builder().history_bytes(10_000).build()?;
    for n in 0..100 {
        hub.publish(&topic(&format!("t{n}")), Event::new("x".repeat(1000))).await?;
    }
    let stats = hub.stats();
    assert!(stats.history_bytes <= 10_000, "{stats:?}");
    assert!(stats.history >= 5, "{stats:?}");
    assert_eq!(stats.topics, stats.history, "topics without history are forgotten");
    assert_eq!(hub.history(&topic("t99"), 9).len(), 1);
    assert_eq!(hub.history(&topic("t0"), 9).len(), 0);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn who_was_ended_for_being_slow_resumes_without_loss() -> TestResult {
    let hub = Hub::builder().queue(2).build()?;
    let policy = SlowConsumer::Disconnect;
    let mut tab = hub.subscribe(topic("a")).slow_consumer(policy).open()?;
    publish(&hub, &["a"; 5]).await;
    settle().await;
    assert_eq!(received(&mut tab).await, [data("a"), data("a"), Received::End]);
    let mut again = resume(&hub, &["a"], id(&hub, 2));
    assert_eq!(received(&mut again).await, vec![data("a"); 3]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_fan_out_task_that_lags_behind_the_log_loses_nothing() -> TestResult {
    let hub = Hub::builder().log_buffer(2).queue(3).history(1000).build()?;
    let mut tab = hub.subscribe(topic("a")).open()?;
    publish(&hub, &["a"; 500]).await;
    settle().await;
    assert_eq!(received(&mut tab).await, vec![data("a"); 500]);
    assert!(hub.stats().fan_out_lags > 0, "or the test shows nothing");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_becomes_too_old_at_once_is_dropped_in_portions() -> TestResult {
    let age = Duration::from_millis(500);
    let hub = Hub::builder().history(10_000).history_age(age).build()?;
    for n in 0..1000 {
        hub.publish(&topic("a"), Event::new(n.to_string())).await?;
    }
    tokio::time::advance(age * 3 / 2).await;
    hub.publish(&topic("a"), Event::new("new")).await?;
    assert_eq!(hub.stats().history, 1001 - 256, "no publisher waits for all of it");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(hub.stats().history, 1, "the rest goes by itself");
    Ok(())
}
