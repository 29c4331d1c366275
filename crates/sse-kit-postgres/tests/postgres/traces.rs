//! The trace of a request goes with its events, whichever way they take.

use sse_kit_broadcast::{Hub, Verdict};
use sse_kit_event::{Event, LastEventId, TraceContext};
use sse_kit_postgres::Outbox;
use sse_kit_test_support::in_time;

use crate::{client, config, event, node, node_with, server, topic};

const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn trace() -> TraceContext {
    TEXT.parse().expect("a trace")
}

/// Returns the data and the trace of the next event, as a node of the hub knows them.
async fn next(tap: &mut sse_kit_broadcast::Tap) -> (String, Option<TraceContext>) {
    let entry = in_time("an event comes", tap.recv()).await.expect("the hub is open");
    (entry.message().data.clone(), entry.trace_context())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trace_of_a_publish_reaches_other_nodes_and_its_follow_ups() {
    let (_, url) = server().create_database();
    let hooked = Hub::builder().history(10).on_broadcast(|draft| {
        if draft.event().data() == "first" {
            draft.follow_up(topic("b"), Event::new("second"));
        }
        Verdict::Keep
    });
    let here = node_with(config(&url), hooked).await;
    let there = node(&url).await;
    let mut tap = there.hub.tap();
    let traced = here.hub.except([]).trace_context(trace());
    traced.publish(&topic("a"), Event::new("first")).await.expect("it is appended");
    here.hub.publish(&topic("a"), Event::new("without")).await.expect("it is appended");
    for expected in [("first", Some(trace())), ("second", Some(trace())), ("without", None)] {
        let (data, found) = next(&mut tap).await;
        assert_eq!((&*data, found), expected);
    }
}

/// A node that has just started reads old events by the same query, and a client that resumes from before
/// the history of its node gets them by another one.
#[tokio::test(flavor = "multi_thread")]
async fn the_trace_of_an_old_event_is_read_back() {
    let (_, url) = server().create_database();
    let first = node(&url).await;
    let start = first.hub.cursor();
    let traced = first.hub.except([]).trace_context(trace());
    traced.publish(&topic("a"), Event::new("old")).await.expect("it is appended");
    let second = node(&url).await;
    let entry = second.hub.history(&topic("a"), 1).remove(0);
    assert_eq!(entry.trace_context(), Some(trace()));
    for n in 0..3 {
        first.hub.publish(&topic("a"), Event::new(n.to_string())).await.expect("it is appended");
    }
    let short = node_with(config(&url), Hub::builder().history(1)).await;
    let resume = Some(LastEventId::Known(start));
    let page = short.hub.subscribe(topic("a")).resume(resume).backfill().await;
    let mut page = page.expect("it opens");
    match crate::next(&mut page).await {
        sse_kit_broadcast::Delivery::Entry(entry) => {
            assert_eq!(entry.message().data, "old");
            assert_eq!(entry.trace_context(), Some(trace()));
        }
        other => panic!("an event was expected, not {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trace_of_a_transaction_is_that_of_all_its_events() {
    let (_, url) = server().create_database();
    let node = node(&url).await;
    let mut tap = node.hub.tap();
    let mut client = client(&url).await;
    let mut transaction = client.transaction().await.expect("it begins");
    transaction.publish(&topic("t"), Event::new("before")).await.expect("it is accepted");
    transaction.trace_context(trace()).await.expect("it is set");
    transaction.publish(&topic("t"), Event::new("by the crate")).await.expect("it is accepted");
    let sql =
        "select sse.publish('t', null, 'by SQL'); select sse.publish('t', null, 'once', null, 'k')";
    transaction.batch_execute(sql).await.expect("it is accepted");
    transaction.trace_context(None).await.expect("it is cleared");
    transaction.publish(&topic("t"), Event::new("cleared")).await.expect("it is accepted");
    transaction.trace_context(trace()).await.expect("it is set");
    transaction.commit().await.expect("it commits");
    let next_one = "select sse.publish('t', null, 'the next transaction')";
    client.batch_execute(next_one).await.expect("it is accepted");
    for expected in [
        ("before", None),
        ("by the crate", Some(trace())),
        ("by SQL", Some(trace())),
        ("once", Some(trace())),
        ("cleared", None),
        ("the next transaction", None),
    ] {
        let (data, found) = next(&mut tap).await;
        assert_eq!((&*data, found), expected);
    }
}

/// An event without its trace is better than none.
#[tokio::test(flavor = "multi_thread")]
async fn a_bad_trace_costs_the_trace_and_not_the_event() {
    let (_, url) = server().create_database();
    let node = node(&url).await;
    let mut stream = node.hub.subscribe(topic("t")).open().expect("it opens");
    let client = client(&url).await;
    for bad in ["", "junk", "00-0-0-01", &"\u{1f980}".repeat(100_000)] {
        let sql = "select set_config('sse.traceparent', $1, false)";
        client.query_one(sql, &[&bad]).await.expect("any text may be set");
        client.batch_execute("select sse.publish('t', null, 'x')").await.expect("it is accepted");
        assert_eq!(event(&mut stream).await.1, "x");
        assert_eq!(node.hub.history(&topic("t"), 1).remove(0).trace_context(), None);
    }
    let sql = format!("set sse.traceparent = '{TEXT}'; select sse.publish('t', null, 'y')");
    client.batch_execute(&sql).await.expect("it is accepted");
    assert_eq!(event(&mut stream).await.1, "y");
    assert_eq!(node.hub.history(&topic("t"), 1).remove(0).trace_context(), Some(trace()));
}
