//! Streams that are compressed once for all.

use std::io::Read;

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::{Request, Response};
use http_body_util::BodyExt;
use sse_kit_broadcast::{Goodbye, Hub};
use sse_kit_event::{Event, Topic};
use sse_kit_http::{SseBody, SseRequest, SseResponse};

fn topic(name: &str) -> Topic {
    name.parse().expect("a topic")
}

fn open(hub: &Hub, topics: &str, accept: &str) -> Response<SseBody> {
    let request = Request::get(format!("/?{topics}")).header("accept-encoding", accept).body(());
    let request = request.expect("a request");
    let request = SseRequest::from(&request);
    let topics = request.topics("topic").expect("topics");
    let subscription = hub.subscribe(topics).resume(request.last_event_id()).open();
    let response = SseResponse::new(subscription.expect("it is open"));
    response.gzip(request).into_response()
}

/// The frames of a body, to its end.
async fn frames(response: Response<SseBody>) -> Vec<Bytes> {
    let mut body = response.into_body();
    let mut frames = Vec::new();
    while let Some(frame) = body.frame().await {
        frames.extend(frame.expect("it never fails").into_data().ok());
    }
    frames
}

fn read(frames: &[Bytes]) -> String {
    let mut text = String::new();
    GzDecoder::new(&frames.concat()[..]).read_to_string(&mut text).expect("a whole stream");
    text
}

#[tokio::test]
async fn what_is_read_is_what_others_get_as_it_is_and_events_are_compressed_once() {
    let hub = Hub::new();
    let plain = open(&hub, "topic=a&topic=b", "br;q=1");
    let both = open(&hub, "topic=a&topic=b", "gzip");
    let one = open(&hub, "topic=b", "deflate, gzip;q=0.5");
    assert!(!plain.headers().contains_key("content-encoding"));
    assert_eq!(both.headers()["content-encoding"], "gzip");
    assert_eq!(both.headers()["vary"], "accept-encoding");
    for n in 0..10 {
        let event = Event::new("<li>an item of a list</li>".repeat(n));
        hub.publish(&topic("a"), event.clone()).await.expect("it is open");
        hub.publish(&topic("b"), event).await.expect("it is open");
    }
    hub.shut_down(Goodbye::StayAway);
    let (plain, both, one) = tokio::join!(frames(plain), frames(both), frames(one));
    let (sent, text) = (both.concat().len(), read(&both));
    let without_hello = |text: &str| text.split_once("\n\n").expect("a hello").1.to_owned();
    let plain = String::from_utf8(plain.concat()).expect("UTF-8");
    assert_eq!(without_hello(&text), without_hello(&plain));
    assert!(sent < text.len() / 2, "{sent} of {}", text.len());
    assert_eq!(read(&one).matches("an item").count(), 45);
    // The very same bytes, at the same place: the second event of b is the fourth of both.
    assert_eq!(both[4].as_ptr(), one[2].as_ptr());
}

#[tokio::test]
async fn a_stream_that_is_over_at_once_is_whole() {
    let hub = Hub::new();
    let response = open(&hub, "topic=a", "gzip");
    hub.shut_down(Goodbye::StayAway);
    let text = read(&frames(response).await);
    assert!(text.starts_with("event: sse-kit:hello") && text.contains("event: sse-kit:close"));
}
