//! Responses from streams of any source, which are not published to anybody else.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use http::Response;
use sse_kit_broadcast::{Goodbye, Hub};
use sse_kit_event::{Event, Topic, Topics};
use sse_kit_http::{Quota, QuotaError, SseBody, SseResponse};
use sse_kit_test_support::TestResult;
use tokio::sync::mpsc;

use crate::support::{Client, said};

fn respond(hub: &Hub) -> SseResponse {
    SseResponse::new(hub.subscribe(Topics::none()).open().expect("it is open"))
}

fn streamed(hub: &Hub, events: impl Stream<Item = Event> + Send + 'static) -> Response<SseBody> {
    respond(hub).stream(events).into_response()
}

/// A stream that ends when its sender is dropped, and can tell by it that it was dropped itself.
fn channel() -> (mpsc::Sender<&'static str>, impl Stream<Item = Event> + Send) {
    let (sender, receiver) = mpsc::channel(1);
    let events = stream::unfold(receiver, async |mut receiver| {
        let text = receiver.recv().await?;
        Some((Event::new(text), receiver))
    });
    (sender, events)
}

#[tokio::test(start_paused = true)]
async fn a_stream_has_a_hello_its_events_and_an_end() {
    let hub = Hub::new();
    let mut client = Client::new(streamed(&hub, stream::iter(["To ", "be\nor"]).map(Event::new)));
    let hello = client.next().await.expect("a hello");
    assert_eq!((&*hello.name, &*hello.last_event_id), ("sse-kit:hello", ""));
    let rest = [said("message", "To "), said("message", "be\nor"), said("sse-kit:close", "{}")];
    assert_eq!(client.rest().await, rest);
    assert_eq!(hub.connection_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn heartbeats_come_while_the_source_is_silent_and_give_no_id() -> TestResult {
    let hub = Hub::builder().heartbeat(Duration::from_secs(10)).build()?;
    hub.publish(&Topic::new("other")?, Event::new("not for it")).await?;
    let (sender, events) = channel();
    let mut client = Client::new(streamed(&hub, events));
    client.next().await.expect("a hello");
    let heartbeat = client.next().await.expect("a heartbeat");
    assert_eq!((&*heartbeat.name, &*heartbeat.last_event_id), ("sse-kit:heartbeat", ""));
    sender.send("late").await?;
    assert_eq!(client.next().await.expect("an event").data, "late");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_says_goodbye_even_to_a_source_that_never_ends() {
    let hub = Hub::new();
    let mut client = Client::new(streamed(&hub, stream::repeat_with(|| Event::new("more"))));
    client.next().await.expect("a hello");
    assert_eq!(client.next().await.expect("an event").data, "more");
    hub.shut_down(Goodbye::ComeBack { within: Duration::from_secs(1) });
    assert_eq!(client.rest().await.last(), Some(&said("sse-kit:shutdown", "{}")));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_source_is_not_sent_but_stands_for_the_last_event() -> TestResult {
    let hub = Hub::new();
    let events = stream::iter([Ok(Event::new("a")), Err("the secret"), Ok(Event::new("b"))]);
    let failure = Event::new("sorry").with_name("failed".parse()?);
    let response = respond(&hub).try_stream(events, failure).into_response();
    let rest = Client::new(response).rest().await;
    let expected = [said("message", "a"), said("failed", "sorry"), said("sse-kit:close", "{}")];
    assert_eq!(rest[1..], expected);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_source_is_dropped_with_its_body_and_at_its_end() {
    let hub = Hub::new();
    let (sender, events) = channel();
    let mut client = Client::new(streamed(&hub, events));
    client.next().await.expect("a hello");
    drop(client);
    assert!(sender.is_closed(), "the client has left");
    assert_eq!(hub.connection_count(), 0);

    let (sender, events) = channel();
    let mut client = Client::new(streamed(&hub, events));
    let id = hub.connections()[0].id().clone();
    hub.dismiss(&id, Goodbye::StayAway);
    assert_eq!(client.rest().await.last(), Some(&said("sse-kit:close", "{}")));
    assert!(sender.is_closed(), "the app has ended the stream");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_taken_from_a_source_for_a_client_that_does_not_read() {
    let hub = Hub::new();
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    let events = stream::repeat_with(move || {
        count.fetch_add(1, Ordering::Relaxed);
        Event::new("more")
    });
    let mut client = Client::new(streamed(&hub, events));
    for _ in 0..3 {
        client.next().await.expect("a hello and two events");
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(taken.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn limits_and_ages_hold_for_it() -> TestResult {
    let hub = Hub::builder().heartbeat(Duration::from_secs(1)).build()?;
    let quota = Quota::new().total(1);
    let permit = quota.admit("alice")?;
    let response = respond(&hub).stream(stream::pending()).keep(permit);
    assert_eq!(quota.admit("bob").unwrap_err(), QuotaError::Total);
    let mut client = Client::new(response.max_age(Duration::ZERO).into_response());
    assert_eq!(client.rest().await.last(), Some(&said("sse-kit:shutdown", "{}")));
    drop(client);
    assert!(quota.admit("bob").is_ok());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_without_heartbeats_ends_at_its_age() -> TestResult {
    let hub = Hub::builder().heartbeat(None).build()?;
    let began = tokio::time::Instant::now();
    let mut client = Client::new(respond(&hub).max_age(Duration::from_secs(10)).into_response());
    assert_eq!(client.rest().await.last(), Some(&said("sse-kit:shutdown", "{}")));
    let ended = began.elapsed().as_secs_f64();
    assert!((8.0..=10.1).contains(&ended), "{ended}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_is_published_to_its_topics_comes_with_its_id() -> TestResult {
    let hub = Hub::new();
    let subscription = hub.subscribe(&Topic::new("news")?).open()?;
    let (sender, events) = channel();
    let mut client = Client::new(SseResponse::new(subscription).stream(events).into_response());
    let hello = client.next().await.expect("a hello");
    assert!(!hello.last_event_id.is_empty(), "such a client resumes");
    let receipt = hub.publish(&Topic::new("news")?, Event::new("published")).await?;
    let published = client.next().await.expect("an event");
    assert_eq!(published.last_event_id, receipt.id.to_string());
    sender.send("streamed").await?;
    assert_eq!(client.next().await.expect("an event").data, "streamed");
    drop(sender);
    assert_eq!(client.rest().await, [said("sse-kit:close", "{}")]);
    Ok(())
}
