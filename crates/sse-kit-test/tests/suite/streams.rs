//! A stream, and all the ways in which it is lost.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use sse_kit_test::{TestBody, TestClient, TestStream};

use crate::board::{Board, Fault};

async fn open(board: &Board) -> TestStream {
    board.client().stream("/events").await
}

#[tokio::test(start_paused = true)]
async fn messages_come_in_order_and_then_silence() {
    let board = Board::new(Fault::Nothing);
    let mut stream = open(&board).await;
    board.add("one".to_owned()).await.unwrap();
    board.add("two".to_owned()).await.unwrap();
    assert!(stream.next().await.data.contains("one"));
    assert!(stream.next_named("message").await.data.contains("two"));
    assert!(stream.hello().is_some_and(|hello| hello.heartbeat_ms == 15_000));
    // Heartbeats are no messages of the app.
    stream.expect_silence(Duration::from_secs(3600)).await;
}

#[tokio::test(start_paused = true)]
async fn the_largest_patience_waits_without_end() {
    let board = Board::new(Fault::Nothing);
    let mut stream = board.client().patience(Duration::MAX).stream("/events").await;
    board.add("one".to_owned()).await.unwrap();
    assert!(stream.next().await.data.contains("one"));
}

#[tokio::test(start_paused = true)]
async fn who_reconnects_resumes_after_the_retry() {
    let board = Board::new(Fault::Nothing);
    let mut stream = open(&board).await;
    board.add("one".to_owned()).await.unwrap();
    stream.next().await;
    assert_eq!(stream.last_event_id(), "7-2");
    let retry = stream.retry().unwrap();
    stream.disconnect();
    board.add("two".to_owned()).await.unwrap();
    let left = tokio::time::Instant::now();
    stream.reconnect().await;
    assert_eq!(left.elapsed().as_millis(), retry.as_millis());
    assert!(stream.next().await.data.contains("two"));
}

#[tokio::test(start_paused = true)]
async fn the_spread_of_retries_is_decided_by_the_seed() {
    let mut retries = Vec::new();
    for _ in 0..2 {
        let board = Board::new(Fault::Nothing);
        let mut stream = open(&board).await;
        stream.expect_silence(Duration::from_secs(1)).await;
        retries.push(stream.retry());
    }
    assert!(retries[0].is_some());
    assert_eq!(retries[0], retries[1]);
}

#[tokio::test(start_paused = true)]
async fn what_was_forgotten_comes_again_and_nonsense_is_a_gap() {
    let board = Board::new(Fault::Nothing);
    let mut stream = open(&board).await;
    for text in ["one", "two", "three"] {
        board.add(text.to_owned()).await.unwrap();
        stream.next().await;
    }
    stream.rewind(2);
    stream.reconnect().await;
    assert!(stream.next().await.data.contains("two"));
    assert!(stream.next().await.data.contains("three"));
    for id in ["nonsense", "0-1"] {
        stream.resume_from(id);
        stream.reconnect().await;
        stream.next_named("sse-kit:gap").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_falls_behind_and_is_told() {
    let board = Board::new(Fault::Nothing);
    let mut stream = open(&board).await;
    stream.slow(Duration::from_secs(1));
    for number in 0..20 {
        board.add(number.to_string()).await.unwrap();
    }
    // The queue holds 4 and history 3 of each topic.
    stream.next_named("sse-kit:gap").await;
    assert!(stream.next().await.data.contains("17"));
}

#[tokio::test(start_paused = true)]
async fn a_cut_leaves_the_last_id_where_it_was() {
    let board = Board::new(Fault::Nothing);
    let mut stream = open(&board).await;
    board.add("one".to_owned()).await.unwrap();
    stream.next().await;
    let id = stream.last_event_id().to_owned();
    stream.cut_after(10);
    board.add("two".to_owned()).await.unwrap();
    stream.expect_end().await;
    assert!(!stream.is_open());
    assert_eq!(stream.last_event_id(), id);
    stream.reconnect().await;
    assert!(stream.next().await.data.contains("two"));
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "silence was expected, and this came: [7-2] message: ")]
async fn what_breaks_the_silence_is_said() {
    let board = Board::new(Fault::Nothing);
    let mut stream = open(&board).await;
    board.add("one".to_owned()).await.unwrap();
    stream.expect_silence(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "a message named `x` was expected, and does not come; received so far")]
async fn what_does_not_come_is_said() {
    let board = Board::new(Fault::Nothing);
    let mut stream = open(&board).await;
    board.add("one".to_owned()).await.unwrap();
    stream.next_named("x").await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "is no stream: status 400 Bad Request, content type none")]
async fn an_answer_that_is_no_stream_is_said() {
    Board::new(Fault::Nothing).client().stream("/nothing").await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "the stream broke off: ")]
async fn what_cannot_be_decoded_is_said_after_what_came_before() {
    // More than a client takes, on a stream that does not end.
    let client = TestClient::new(tower::service_fn(|_: Request<TestBody>| async {
        let long = "x".repeat(17 << 20);
        let chunks = [Bytes::from("data: one\n\ndata: "), Bytes::from(long)];
        let frames = stream::iter(chunks).chain(stream::pending()).map(Frame::data);
        let body = StreamBody::new(frames.map(Ok::<_, Infallible>));
        let response = Response::builder().header("content-type", "text/event-stream");
        Ok::<_, http::Error>(response.body(body)?)
    }));
    let mut stream = client.stream("/").await;
    assert_eq!(stream.next().await.data, "one");
    stream.next().await;
}

#[tokio::test]
#[should_panic(expected = "`expect_silence` needs Tokio's clock paused")]
async fn silence_needs_the_paused_clock() {
    let board = Board::new(Fault::Nothing);
    open(&board).await.expect_silence(Duration::from_secs(1)).await;
}
