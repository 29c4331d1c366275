//! Reading back, which is the same for all nodes.

use std::time::Duration;

use redis::Value;
use sse_kit_broadcast::{ConnectionId, Delivery, Hub, SlowConsumer, Verdict};
use sse_kit_event::control::GapReason;
use sse_kit_event::{Epoch, Event, EventId, LastEventId, TraceContext};
use sse_kit_test_support::in_time;

use crate::server::Server;
use crate::{config, event, gap, has_read, next, node, node_with, publish, topic, until};

#[tokio::test(flavor = "multi_thread")]
async fn all_nodes_deliver_the_same_events_in_the_same_order() {
    let redis = Server::start(&[]).await;
    let nodes = [node(&redis.url()).await, node(&redis.url()).await, node(&redis.url()).await];
    let mut streams: Vec<_> =
        nodes.iter().map(|node| node.hub.subscribe(topic("a")).open().unwrap()).collect();
    let publishing = nodes.iter().enumerate().map(|(n, node)| async move {
        let mut ids = Vec::new();
        for i in 0..200 {
            ids.push(publish(node, "a", format!("{n}.{i}")).await.to_string());
        }
        ids
    });
    let acknowledged: Vec<Vec<String>> = futures_join(publishing).await;
    let mut seen = Vec::new();
    for stream in &mut streams {
        let mut events = Vec::new();
        for _ in 0..600 {
            events.push(event(stream).await);
        }
        seen.push(events);
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
    let ids: Vec<_> = seen[0].iter().map(|(id, _)| id.clone()).collect();
    for (n, acknowledged) in acknowledged.iter().enumerate() {
        let own: Vec<_> =
            seen[0].iter().filter(|(_, data)| data.starts_with(&format!("{n}."))).collect();
        assert_eq!(
            own.iter().map(|(id, _)| id).collect::<Vec<_>>(),
            acknowledged.iter().collect::<Vec<_>>()
        );
        assert_eq!(own[199].1, format!("{n}.199"), "in the order in which they were published");
    }
    let offsets: Vec<u64> = ids.iter().map(|id| id.parse::<EventId>().unwrap().offset()).collect();
    assert_eq!(offsets, (1..=600).collect::<Vec<_>>(), "dense");
}

async fn futures_join<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (future, done) in futures.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(cx)
            {
                *done = Some(output);
            }
        }
        if done.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_about_an_event_reaches_other_nodes() {
    let redis = Server::start(&[]).await;
    let (here, there) = (node(&redis.url()).await, node(&redis.url()).await);
    let me: ConnectionId = "me".parse().unwrap();
    let mut mine = there.hub.subscribe(topic("a")).id(me.clone()).open().unwrap();
    let mut other = there.hub.subscribe(topic("b")).open().unwrap();
    let draft = Event::new("x\ny").with_name("n".parse().unwrap()).with_key("k".parse().unwrap());
    let draft = draft.with_retry(Duration::from_millis(7)).with_comment("c");
    let trace: TraceContext =
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap();
    let publish = here.hub.except([me]).trace_context(trace);
    publish.publish(&topic("a"), draft).await.unwrap();
    here.hub.broadcast(Event::new("to all")).await.unwrap();
    assert_eq!(event(&mut mine).await.1, "to all");
    assert_eq!(event(&mut other).await.1, "to all");
    let entry = there.hub.history(&topic("a"), 1).remove(0);
    let expected = ": c\nevent: n\ndata: x\ndata: y\nretry: 7\nid: ";
    assert!(std::str::from_utf8(entry.frame()).unwrap().starts_with(expected));
    assert_eq!(entry.key().unwrap().as_str(), "k");
    assert_eq!(entry.trace_context(), Some(trace));
    let without = there.hub.broadcast_history(1).remove(0);
    assert_eq!(without.trace_context(), None);
}

/// Records that follow another one are of the same request.
#[tokio::test(flavor = "multi_thread")]
async fn follow_ups_have_the_trace_of_their_cause() {
    let redis = Server::start(&[]).await;
    let hooked = Hub::builder().history(10).on_broadcast(|draft| {
        if draft.event().data() == "first" {
            draft.follow_up(topic("b"), Event::new("second"));
            draft.follow_up(topic("b"), Event::new("third"));
        }
        Verdict::Keep
    });
    let here = node_with(config(&redis.url()), hooked).await;
    let there = node(&redis.url()).await;
    let mut stream = there.hub.subscribe(topic("b")).open().unwrap();
    let trace: TraceContext =
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00".parse().unwrap();
    let publish = here.hub.except([]).trace_context(trace);
    publish.publish(&topic("a"), Event::new("first")).await.unwrap();
    for data in ["second", "third"] {
        assert_eq!(event(&mut stream).await.1, data);
    }
    for entry in there.hub.history(&topic("b"), 2) {
        assert_eq!(entry.trace_context(), Some(trace));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_resumes_on_a_node_that_has_just_started() {
    let redis = Server::start(&[]).await;
    let first = node(&redis.url()).await;
    let mut ids = Vec::new();
    for i in 0..700 {
        ids.push(publish(&first, "a", i.to_string()).await);
    }
    drop(first);
    let second = node(&redis.url()).await;
    assert_eq!(second.hub.cursor(), ids[699], "it knows all before it serves anybody");
    assert_eq!(second.hub.stats().fan_out_lags, 0);
    let resume = LastEventId::Known(ids[99]);
    let mut stream = second.hub.subscribe(topic("a")).resume(resume).open().unwrap();
    for (i, id) in ids.iter().enumerate().skip(100) {
        assert_eq!(event(&mut stream).await, (id.to_string(), i.to_string()));
    }
    assert_eq!(publish(&second, "a", "new").await.offset(), 701);
    assert_eq!(event(&mut stream).await.1, "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_resumes_from_before_the_warm_up_is_told_of_a_gap() {
    let redis = Server::start(&[]).await;
    let first = node(&redis.url()).await;
    let mut ids = Vec::new();
    for i in 0..20 {
        ids.push(publish(&first, "a", i.to_string()).await);
    }
    let second = node_with(config(&redis.url()).warm_up(5), Hub::builder()).await;
    let resume = |id| Some(LastEventId::Known(id));
    let mut stream = second.hub.subscribe(topic("a")).resume(resume(ids[3])).open().unwrap();
    let told = gap(&mut stream).await;
    assert_eq!((told.reason, told.from, told.to), (GapReason::Trimmed, Some(ids[3]), ids[14]));
    assert_eq!(event(&mut stream).await.1, "15");
    let mut stream = second.hub.subscribe(topic("a")).resume(resume(ids[14])).open().unwrap();
    assert_eq!(event(&mut stream).await.1, "15", "and nothing is missing after it");
}

/// A client that has been away for longer than the node's history reaches back.
#[tokio::test(flavor = "multi_thread")]
async fn what_history_does_not_have_comes_from_the_log() {
    let redis = Server::start(&[]).await;
    // Two events of each topic, the newest five of which a node knows from its start.
    let short = || Hub::builder().history(2);
    let first = node_with(config(&redis.url()), short()).await;
    let begin = first.hub.cursor();
    for i in 0..600 {
        publish(&first, ["a", "b"][i % 2], i.to_string()).await;
    }
    let me: ConnectionId = "me".parse().unwrap();
    let others = first.hub.except([me.clone()]);
    others.publish(&topic("a"), Event::new("not me")).await.unwrap();
    has_read(&first, publish(&first, "a", "600").await).await;
    let second = node_with(config(&redis.url()).warm_up(5), short()).await;
    for node in [&first, &second] {
        let subscribe = node.hub.subscribe(topic("a")).id(me.clone());
        let joined = subscribe.resume(LastEventId::Known(begin)).join().unwrap();
        // What comes before the log is read waits in the queue.
        let late = publish(node, "a", "late").await;
        let mut stream = joined.backfill().await.unwrap();
        assert_eq!((stream.cursor(), stream.begins_with_gap()), (begin, false));
        for i in (0..=600).step_by(2) {
            assert_eq!(event(&mut stream).await.1, i.to_string());
        }
        while event(&mut stream).await.0 != late.to_string() {}
        assert_eq!(node.hub.stats().gaps, 0);
        assert_eq!(node.hub.stats().backfilled, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_the_log_does_not_help_is_told_of_a_gap() {
    let redis = Server::start(&[]).await;
    let node = node_with(config(&redis.url()), Hub::builder().history(1)).await;
    let begin = node.hub.cursor();
    let first = publish(&node, "a", "x".repeat(10_000)).await;
    for _ in 0..19 {
        publish(&node, "a", "x".repeat(100_000)).await;
    }
    has_read(&node, publish(&node, "a", "x".repeat(100_000)).await).await;
    let resume = async |id| {
        let subscribe = node.hub.subscribe(topic("a")).resume(LastEventId::Known(id));
        subscribe.backfill().await.unwrap()
    };
    // More bytes than a queue may hold.
    assert_eq!(gap(&mut resume(begin).await).await.reason, GapReason::Trimmed);
    let _: u64 = redis.command(&["XTRIM", "{sse-kit}:log", "MINID", "19"]).await;
    assert_eq!(gap(&mut resume(first).await).await.reason, GapReason::Trimmed, "it is not there");
    let mut stream = resume(EventId::new(begin.epoch(), 18)).await;
    assert_eq!(event(&mut stream).await.0, EventId::new(begin.epoch(), 19).to_string());
    // Whoever has an id of another log is not read to from this one.
    let other = EventId::new(Epoch::new(7), 3);
    assert_eq!(gap(&mut resume(other).await).await.reason, GapReason::UnknownEpoch);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_conflates_gets_of_what_is_old_only_the_newest() {
    let redis = Server::start(&[]).await;
    let node = node_with(config(&redis.url()), Hub::builder().history(1)).await;
    let begin = node.hub.cursor();
    for i in 0..30 {
        let key = ["k", "l"][usize::from(i >= 20)];
        let event = Event::new(i.to_string()).with_key(key.parse().unwrap());
        node.hub.publish(&topic("a"), event).await.unwrap();
    }
    // What comes while the log is read is live, and not thinned with what is old.
    has_read(&node, publish(&node, "a", "last").await).await;
    let subscribe = node.hub.subscribe(topic("a")).slow_consumer(SlowConsumer::Conflate);
    let subscribe = subscribe.resume(LastEventId::Known(begin));
    let mut stream = subscribe.backfill().await.unwrap();
    for data in ["19", "29", "last"] {
        assert_eq!(event(&mut stream).await.1, data);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_missed_or_doubled_between_the_log_and_what_is_new() {
    let redis = Server::start(&[]).await;
    // What is published while the log is read does not fit into history.
    let node = node_with(config(&redis.url()), Hub::builder().history(1)).await;
    let begin = node.hub.cursor();
    for i in 0..300 {
        publish(&node, "a", i.to_string()).await;
    }
    let publishing = {
        let hub = node.hub.clone();
        tokio::spawn(async move {
            for i in 300..500 {
                hub.publish(&topic("a"), Event::new(i.to_string())).await.unwrap();
            }
        })
    };
    // Four at a time read the log, and who waits too long for a turn has a gap instead.
    let mut streams = Vec::new();
    for _ in 0..8 {
        let opening = (0..4).map(|_| async {
            let subscribe = node.hub.subscribe(topic("a")).resume(LastEventId::Known(begin));
            subscribe.queue(1000).backfill().await.unwrap()
        });
        streams.extend(futures_join(opening).await);
    }
    publishing.await.unwrap();
    for mut stream in streams {
        for i in 0..500 {
            assert_eq!(event(&mut stream).await.1, i.to_string());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_comes_from_a_node_that_was_further_misses_nothing() {
    let redis = Server::start(&[]).await;
    let (fast, slow) = (node(&redis.url()).await, node(&redis.url()).await);
    let before = slow.hub.cursor();
    let ahead = EventId::new(before.epoch(), 2);
    // The slow node has read nothing yet, and the client says that it has two events.
    let mut stream =
        slow.hub.subscribe(topic("a")).resume(LastEventId::Known(ahead)).open().unwrap();
    assert_eq!(stream.cursor(), ahead);
    let id = async {
        let mut last = ahead;
        for i in 1..=4 {
            last = publish(&fast, "a", i.to_string()).await;
        }
        last
    };
    // Published at once, before the slow node can say that there was never such an event.
    let last = id.await;
    let first = next(&mut stream).await;
    match first {
        Delivery::Entry(entry) => assert_eq!(entry.id().offset(), 3),
        // Only where the machine took longer than a tick between the two.
        Delivery::Gap(gap) => assert_eq!(gap.reason, GapReason::Future),
        other => panic!("{other:?}"),
    }
    assert_eq!(last.offset(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_never_was_is_told_as_a_gap_once_the_log_says_so() {
    let redis = Server::start(&[]).await;
    let node = node(&redis.url()).await;
    let id = publish(&node, "a", "1").await;
    let never = EventId::new(id.epoch(), 1000);
    let mut stream =
        node.hub.subscribe(topic("a")).resume(LastEventId::Known(never)).open().unwrap();
    let told = gap(&mut stream).await;
    assert_eq!((told.reason, told.from, told.to), (GapReason::Future, Some(never), id));
    publish(&node, "a", "2").await;
    assert_eq!(event(&mut stream).await.1, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_so_many_records_and_for_so_long() {
    let redis = Server::start(&["--stream-node-max-entries", "10"]).await;
    let keeps = config(&redis.url()).keep_events(100);
    let node = node_with(keeps, Hub::builder()).await;
    for i in 0..500 {
        publish(&node, "a", i.to_string()).await;
    }
    let length: u64 = redis.command(&["XLEN", "{sse-kit}:log"]).await;
    assert!((100..=120).contains(&length), "{length}");

    // What is trimmed before it is read would be lost.
    until("all are read", || node.hub.cursor().offset() == 500).await;
    let keeps = config(&redis.url()).keep_for(Duration::from_millis(300));
    let _aging = node_with(keeps, Hub::builder()).await;
    let emptied = async {
        while redis.command::<u64>(&["XLEN", "{sse-kit}:log"]).await > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    in_time("all are too old", emptied).await;
    let mut stream = node.hub.subscribe(topic("a")).open().unwrap();
    assert_eq!(publish(&node, "a", "on").await.offset(), 501, "offsets go on");
    assert_eq!(event(&mut stream).await.1, "on");
    assert_eq!(node.redis.stats().lost, 0, "it had read all of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_were_trimmed_unread_are_told_as_a_gap_to_open_streams() {
    let redis = Server::start(&[]).await;
    let node = node(&redis.url()).await;
    publish(&node, "a", "1").await;
    until("the first is read", || node.hub.cursor().offset() == 1).await;
    let mut stream = node.hub.subscribe(topic("a")).open().unwrap();
    // Appended and trimmed in one step, so that no node can have read them.
    let script = "for i = 2, 9 do redis.call('HINCRBY', KEYS[2], 'last', 1) \
                  redis.call('XADD', KEYS[1], i .. '-0', 'topic', 'a', 'event', 'data: x\\n') end \
                  redis.call('XTRIM', KEYS[1], 'MINID', '8')";
    let _: Value = redis.command(&["EVAL", script, "2", "{sse-kit}:log", "{sse-kit}:meta"]).await;
    let told = gap(&mut stream).await;
    assert_eq!((told.reason, told.from.map(EventId::offset)), (GapReason::Trimmed, Some(1)));
    assert_eq!(told.to.offset(), 7);
    assert!(event(&mut stream).await.0.ends_with("-8"));
    assert!(event(&mut stream).await.0.ends_with("-9"));
    assert_eq!(node.redis.stats().lost, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_no_record_is_passed_over() {
    let redis = Server::start(&[]).await;
    let node = node(&redis.url()).await;
    let mut stream = node.hub.subscribe(topic("a")).open().unwrap();
    let script = "redis.call('HINCRBY', KEYS[2], 'last', 1) \
                  redis.call('XADD', KEYS[1], '1-0', 'topic', 'a', 'event', 'data: x\\n\\ndata: y\\n')";
    let _: Value = redis.command(&["EVAL", script, "2", "{sse-kit}:log", "{sse-kit}:meta"]).await;
    assert_eq!(publish(&node, "a", "good").await.offset(), 2);
    assert_eq!(event(&mut stream).await.1, "good");
    assert_eq!(node.redis.stats().malformed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reader_ends_with_the_hub() {
    let redis = Server::start(&[]).await;
    let node = node(&redis.url()).await;
    let stream = node.hub.subscribe(topic("a")).open().unwrap();
    let clients = async || {
        let list: String = redis.command(&["CLIENT", "LIST"]).await;
        list.lines().filter(|line| line.contains("cmd=xread") || line.contains("cmd=hmget")).count()
    };
    let wait = async |is_there: bool| {
        while (clients().await > 0) != is_there {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    in_time("it reads", wait(true)).await;
    drop((node.hub, stream));
    in_time("it ends", wait(false)).await;
}
