//! The parts of an overview of a hub: its connections, its topics, and the events of connections.

use std::collections::BTreeSet;

use sse_kit_broadcast::{ConnectionEvent, ConnectionState, ConnectionWatch, Hub, RecvError};
use sse_kit_event::{Event, LastEventId, Topics};
use sse_kit_test_support::in_time;

use super::receiving::{received, settle};
use super::{TestResult, topic};

/// Waits for the next event, in few words.
async fn next(watch: &mut ConnectionWatch) -> Result<String, RecvError> {
    Ok(match in_time("an event of a connection", watch.recv()).await? {
        ConnectionEvent::Opened(connection) => format!("+{}", connection.id()),
        ConnectionEvent::Gap(connection, gap) => format!("{} {:?}", connection.id(), gap.reason),
        ConnectionEvent::Closed(connection, why) => format!("-{} {why:?}", connection.id()),
        other => format!("{other:?}"),
    })
}

#[tokio::test(start_paused = true)]
async fn a_watch_reports_who_comes_who_misses_events_and_who_goes() -> TestResult {
    let hub = Hub::builder().history(1).build()?;
    let news = topic("news");
    let before = hub.subscribe(&news).id("before".parse()?).open()?;
    let start = hub.cursor();
    let mut watch = hub.watch_connections();
    for n in 0..3 {
        hub.publish(&news, Event::new(n.to_string())).await?;
    }
    let late = hub.subscribe(&news).id("late".parse()?).resume(LastEventId::from(start));
    let mut late = late.open()?;
    received(&mut late).await;
    drop(before);
    assert!(hub.disconnect(late.connection().id()));
    for expected in ["+late", "late Trimmed", "-before ClientGone", "-late Disconnected"] {
        assert_eq!(next(&mut watch).await?, expected);
    }
    // Nobody watches for a while, and then somebody does again.
    drop(watch);
    drop(hub.subscribe(&news).open()?);
    let mut watch = hub.watch_connections();
    let _again = hub.subscribe(&news).id("again".parse()?).open()?;
    assert_eq!(next(&mut watch).await?, "+again");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_not_read_loses_the_oldest_and_says_how_many() -> TestResult {
    let hub = Hub::new();
    let mut watch = hub.watch_connections();
    for _ in 0..=ConnectionWatch::CAPACITY / 2 {
        drop(hub.subscribe(topic("news")).open()?);
    }
    assert!(matches!(watch.recv().await, Err(RecvError::Lagged { missed: 2 })));
    assert!(matches!(watch.recv().await, Ok(ConnectionEvent::Opened(_))));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_topic_is_watched_again_after_its_last_watch_has_ended() -> TestResult {
    let hub = Hub::new();
    let news = topic("news");
    drop(hub.watch_presence(&news));
    let mut watch = hub.watch_presence(&news);
    let _page = hub.subscribe(&news).open()?;
    assert!(in_time("a change", watch.change()).await.is_ok());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn every_connection_is_visited_and_publishers_may_publish_meanwhile() -> TestResult {
    let hub = Hub::builder().shards(3).build()?;
    let mut pages = Vec::new();
    for _ in 0..2_000 {
        pages.push(hub.subscribe(topic("news")).open()?);
    }
    let mut visited = BTreeSet::new();
    let mut visits = 0;
    hub.for_each_connection(|connection| {
        visits += 1;
        visited.insert(connection.id().to_string());
        // It is no part of a lock that the hub needs.
        assert_eq!(hub.connection_count(), 2_000);
    })
    .await;
    assert_eq!((visits, visited.len()), (2_000, 2_000));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_connection_tells_its_queue_and_how_far_behind_it_is() -> TestResult {
    let hub = Hub::builder().queue(2).build()?;
    let news = topic("news");
    let mut page = hub.subscribe(&news).open()?;
    let start = hub.cursor();
    let connection = std::sync::Arc::clone(page.connection());
    let stats = connection.stats();
    assert_eq!((stats.state, stats.queued, stats.sent), (ConnectionState::Live, 0, 0));
    assert_eq!((stats.delivered_through, stats.behind_at), (start, None));
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(hub.publish(&news, Event::new(n.to_string())).await?.id);
    }
    settle().await;
    let stats = connection.stats();
    assert_eq!((stats.state, stats.queued), (ConnectionState::CatchingUp, 2));
    assert!(stats.queued_bytes > 0);
    assert_eq!(stats.behind_at, Some(ids[1]));
    received(&mut page).await;
    let stats = connection.stats();
    assert_eq!((stats.queued, stats.sent, stats.behind_at), (0, 5, None));
    assert_eq!(stats.delivered_through, ids[4]);
    drop(page);
    assert_eq!(connection.stats().state, ConnectionState::Closed);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn topics_in_use_come_in_order_and_a_page_at_a_time() -> TestResult {
    let hub = Hub::builder().history(2).build()?;
    let _pages = [
        hub.subscribe(topic("b")).open()?,
        hub.subscribe(topic("c")).open()?,
        hub.subscribe(Topics::parse(["b*"])?).open()?,
    ];
    drop(hub.subscribe(topic("idle")).open()?);
    let mut newest = None;
    for n in 0..3 {
        newest = Some(hub.publish(&topic("a"), Event::new(n.to_string())).await?.id);
    }
    let first = hub.topics("", None, 2);
    let facts: Vec<_> = first
        .topics
        .iter()
        .map(|t| (t.topic.as_str(), t.subscribers, t.history, t.newest))
        .collect();
    assert_eq!(facts, [("a", 0, 2, newest), ("b", 1, 0, None)]);
    assert_eq!(first.next, Some(topic("b")));
    let rest = hub.topics("", first.next.as_ref(), 100);
    let names: Vec<_> = rest.topics.iter().map(|t| t.topic.as_str()).collect();
    assert_eq!((names, rest.next), (vec!["c"], None));
    // By pattern too, if one topic is asked for.
    assert_eq!(hub.topic(&topic("b")).map(|stats| stats.subscribers), Some(2));
    assert_eq!(hub.topic(&topic("idle")), None);
    assert_eq!(hub.topic(&topic("never")), None);
    Ok(())
}
