//! The hub: its bounds, connections, history, receivers, topics and presence.

#[path = "hub/overview.rs"]
mod overview;
mod receiving;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use receiving::{Received, data, received, settle};
use sse_kit_broadcast::{
    CloseReason, ConnectionId, ConnectionState, Hub, HubBuildError, PresenceChange, SendError,
    SlowConsumer,
};
use sse_kit_event::{Event, LastEventId, Topic, Topics};

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// The metadata of a connection.
#[derive(Debug, PartialEq)]
struct User(u64);

fn topic(text: &str) -> Topic {
    text.parse().expect("a topic")
}

#[tokio::test(start_paused = true)]
async fn queue_and_history_are_bounded_by_configuration_with_the_defaults_100_and_50() -> TestResult
{
    let news = topic("news");
    for (hub, queue, history) in
        [(Hub::new(), 100, 50), (Hub::builder().queue(7).history(3).build()?, 7, 3)]
    {
        // It never resumes from history, so the end of its queue is the end of its stream.
        let mut slow = hub.subscribe(&news).slow_consumer(SlowConsumer::Disconnect).open()?;
        for n in 0..200 {
            hub.publish(&news, Event::new(n.to_string())).await?;
        }
        settle().await;
        assert_eq!(received(&mut slow).await.len(), queue + 1, "and the end");
        assert_eq!(hub.history(&news, usize::MAX).len(), history);
    }
    for builder in [Hub::builder().queue(0), Hub::builder().shards(0)] {
        assert!(matches!(builder.build(), Err(HubBuildError::Zero { .. })));
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_an_id_metadata_and_a_time_and_leaves_once() -> TestResult {
    let left = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&left);
    let hub = Hub::builder()
        .on_disconnect(move |_, _| {
            counter.fetch_add(1, Ordering::Relaxed);
        })
        .build()?;
    let before = SystemTime::now();
    let id: ConnectionId = "tab-1".parse()?;
    let given = hub.subscribe(topic("t")).id(id.clone()).metadata(User(7)).open()?;
    let generated = hub.subscribe(topic("t")).open()?;

    let connection = hub.connection(&id).ok_or("it is there")?;
    assert_eq!(connection.metadata(), Some(&User(7)));
    assert_eq!(connection.metadata::<u64>(), None, "of another type");
    assert!(connection.connected_at() >= before);
    assert_eq!(generated.connection().id().as_str().len(), 32);
    assert_eq!(hub.connection_count(), 2);

    assert!(hub.disconnect(&id));
    assert!(!hub.disconnect(&id), "the second time there is nobody");
    drop((given, generated));
    settle().await;
    assert_eq!(hub.connection_count(), 0);
    assert_eq!(left.load(Ordering::Relaxed), 2, "once for each");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_with_the_same_id_takes_the_place_of_the_old() -> TestResult {
    let hub = Hub::new();
    let id: ConnectionId = "tab-1".parse()?;
    let mut old = hub.subscribe(topic("t")).id(id.clone()).open()?;
    let mut new = hub.subscribe(topic("t")).id(id.clone()).open()?;
    assert_eq!(hub.publish(&topic("t"), Event::new("x")).await?.receivers, 1);
    settle().await;
    assert_eq!(received(&mut old).await, [Received::End]);
    assert_eq!(old.ending(), Some(CloseReason::Replaced));
    assert_eq!(received(&mut new).await, [data("x")]);
    drop(old);
    assert!(hub.connection(&id).is_some(), "the new one stays");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_reaches_every_connection_and_returns_their_number_and_its_id() -> TestResult {
    let hub = Hub::new();
    let mut connections = [
        hub.subscribe(topic("a")).open()?,
        hub.subscribe(topic("b")).open()?,
        hub.subscribe(Topics::none()).open()?,
    ];
    let first = hub.broadcast(Event::new("to all")).await?;
    let second = hub.broadcast(Event::new("again")).await?;
    assert_eq!((first.receivers, second.receivers), (3, 3));
    assert_eq!((first.id.offset(), second.id.offset()), (1, 2));
    settle().await;
    for connection in &mut connections {
        assert_eq!(received(connection).await, [data("to all"), data("again")]);
    }
    assert_eq!(hub.broadcast_history(9).len(), 2);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn every_disconnect_fires_once_eviction_included() -> TestResult {
    let log = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&log);
    let hub = Hub::builder()
        .queue(1)
        .on_disconnect(move |connection, why| {
            notes.lock().unwrap().push((connection.id().to_string(), why));
        })
        .build()?;
    let open = |id: &str| {
        let id = id.parse().unwrap();
        hub.subscribe(topic("t")).id(id).slow_consumer(SlowConsumer::Disconnect).open()
    };
    let (slow, left, kicked) = (open("slow")?, open("left")?, open("kicked")?);
    drop(left);
    hub.disconnect(kicked.connection().id());
    for _ in 0..3 {
        hub.publish(&topic("t"), Event::new("x")).await?;
    }
    settle().await;
    assert_eq!(hub.connection_count(), 0, "an evicted connection is gone before it is dropped");
    drop((slow, kicked));
    settle().await;
    assert_eq!(
        *log.lock().unwrap(),
        [
            ("left".to_owned(), CloseReason::ClientGone),
            ("kicked".to_owned(), CloseReason::Disconnected),
            ("slow".to_owned(), CloseReason::TooSlow),
        ]
    );
    assert_eq!(hub.stats().evicted, 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn history_gives_the_newest_oldest_first() -> TestResult {
    let hub = Hub::builder().history(3).build()?;
    let news = topic("news");
    for n in 0..5 {
        hub.publish(&news, Event::new(n.to_string())).await?;
        hub.publish(&topic("other"), Event::new("x")).await?;
    }
    let offsets = |limit| -> Vec<u64> {
        hub.history(&news, limit).iter().map(|entry| entry.id().offset()).collect()
    };
    assert_eq!(offsets(usize::MAX), [5, 7, 9]);
    assert_eq!(offsets(2), [7, 9]);
    assert_eq!(offsets(0), [0; 0]);
    assert_eq!(hub.history(&topic("unknown"), 9).len(), 0);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn connections_can_be_counted_and_looked_at() -> TestResult {
    let hub = Hub::builder().queue(1).build()?;
    let mut subscription = hub.subscribe(topic("t")).open()?;
    let connection = Arc::clone(subscription.connection());
    let opened = connection.last_activity();
    assert_eq!(connection.state(), ConnectionState::Live);
    assert_eq!(hub.connections().len(), 1);

    tokio::time::advance(Duration::from_secs(5)).await;
    for _ in 0..3 {
        hub.publish(&topic("t"), Event::new("x")).await?;
    }
    settle().await;
    assert_eq!(connection.state(), ConnectionState::CatchingUp);
    assert_eq!(received(&mut subscription).await.len(), 3);
    assert_eq!(connection.state(), ConnectionState::Live);
    assert_eq!(connection.messages_sent(), 3);
    assert!(connection.last_activity() >= opened + Duration::from_secs(5));
    drop(subscription);
    assert_eq!(connection.state(), ConnectionState::Closed);
    assert_eq!(hub.connection_count(), 0);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_event_can_go_to_one_connection_or_to_all_but_some() -> TestResult {
    let hub = Hub::builder().queue(3).build()?;
    let room = topic("room");
    let mut alice = hub.subscribe(&room).id("alice".parse()?).open()?;
    let mut bob = hub.subscribe(&room).id("bob".parse()?).open()?;
    let (alice_id, bob_id): (ConnectionId, _) = ("alice".parse()?, "bob".parse()?);

    hub.send_to(&bob_id, &Event::new("for bob"))?;
    let others = hub.except([alice_id.clone(), alice_id, "nobody".parse()?]);
    assert_eq!(others.publish(&room, Event::new("from alice")).await?.receivers, 1);
    assert_eq!(others.broadcast(Event::new("to all but alice")).await?.receivers, 1);
    settle().await;
    assert_eq!(received(&mut alice).await, []);
    assert_eq!(
        received(&mut bob).await,
        [data("for bob"), data("from alice"), data("to all but alice")]
    );

    let nobody: ConnectionId = "nobody".parse()?;
    assert_eq!(hub.send_to(&nobody, &Event::new("x")), Err(SendError::NotConnected));
    for _ in 0..3 {
        hub.send_to(&bob_id, &Event::new("x"))?;
    }
    assert_eq!(hub.send_to(&bob_id, &Event::new("x")), Err(SendError::QueueFull));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn who_is_left_out_does_not_get_it_from_history_either() -> TestResult {
    let hub = Hub::new();
    let room = topic("room");
    let start = hub.cursor();
    let alice: ConnectionId = "alice".parse()?;
    hub.except([alice.clone()]).publish(&room, Event::new("from alice")).await?;
    let mut again = hub.subscribe(&room).id(alice).resume(LastEventId::from(start)).open()?;
    let mut other = hub.subscribe(&room).resume(LastEventId::from(start)).open()?;
    assert_eq!(received(&mut again).await, []);
    assert_eq!(received(&mut other).await, [data("from alice")]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn subscriptions_name_several_topics_and_patterns() -> TestResult {
    let hub = Hub::new();
    let mut tab = hub.subscribe(Topics::parse(["news", "jobs:*", "jobs:17", "**:done"])?).open()?;
    let mut receivers = Vec::new();
    for name in ["news", "jobs:17", "jobs:17:done", "other", "jobs:a:b", "x:done"] {
        receivers.push(hub.publish(&topic(name), Event::new(name)).await?.receivers);
    }
    assert_eq!(receivers, [1, 1, 1, 0, 0, 1], "once, however many patterns match");
    settle().await;
    assert_eq!(
        received(&mut tab).await,
        [data("news"), data("jobs:17"), data("jobs:17:done"), data("x:done")]
    );
    drop(tab);
    assert_eq!(hub.stats().patterns, 0);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_pattern_holds_for_topics_that_appear_later_and_replays_all_of_them() -> TestResult {
    let hub = Hub::new();
    let start = hub.cursor();
    let mut live = hub.subscribe(Topics::parse(["jobs:*"])?).open()?;
    for name in ["jobs:1", "jobs:2", "jobs:1"] {
        hub.publish(&topic(name), Event::new(name)).await?;
    }
    let mut late =
        hub.subscribe(Topics::parse(["jobs:*"])?).resume(LastEventId::from(start)).open()?;
    settle().await;
    let all = [data("jobs:1"), data("jobs:2"), data("jobs:1")];
    assert_eq!(received(&mut live).await, all);
    assert_eq!(received(&mut late).await, all);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn presence_names_who_is_there_and_tells_who_comes_and_goes() -> TestResult {
    let hub = Hub::new();
    let room = topic("rooms:1");
    let alice = hub.subscribe(&room).id("alice".parse()?).open()?;
    let _elsewhere = hub.subscribe(topic("rooms:2")).open()?;
    let mut watch = hub.watch_presence(&room);
    assert_eq!(watch.present.len(), 1);
    let by_pattern = hub.subscribe(Topics::parse(["rooms:*"])?).id("bob".parse()?).open()?;
    assert_eq!(hub.presence(&room).len(), 2);
    drop(alice);
    drop(by_pattern);
    let mut changes = Vec::new();
    for _ in 0..3 {
        let change = sse_kit_test_support::in_time("a change", watch.change()).await?;
        changes.push(match change {
            PresenceChange::Join(connection) => format!("+{}", connection.id()),
            PresenceChange::Leave(connection, why) => format!("-{} {why:?}", connection.id()),
            other => format!("{other:?}"),
        });
    }
    assert_eq!(changes, ["+bob", "-alice ClientGone", "-bob ClientGone"]);
    assert_eq!(hub.presence(&room).len(), 0);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_zero_is_a_limit() -> TestResult {
    let hub = Hub::builder().history(0).build()?;
    hub.publish(&topic("t"), Event::new("x")).await?;
    assert_eq!(hub.history(&topic("t"), usize::MAX).len(), 0);
    assert_eq!((hub.stats().history, hub.stats().topics), (0, 0));
    Ok(())
}
