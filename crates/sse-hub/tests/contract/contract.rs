//! The contract of the hub, point by point.

use std::time::Duration;

use bytes::Bytes;
use eventsource_stream::Eventsource as _;
use futures_util::StreamExt as _;
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::Value;
use sse_kit::event::Decoded;

use crate::server::{Server, Stream};

#[tokio::test]
async fn a_stream_begins_with_its_headers_and_a_hello_that_sets_cursor_and_retry() {
    let hub = Server::start("--heartbeat 7").await;
    let id = hub.publish("topic=a", "x").await;
    let response = hub.send(Request::get("/events?topic=a"), b"").await;
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store, no-transform"),
        ("x-accel-buffering", "no"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(response.headers()[name], value);
    }
    let frame = response.into_body().frame().await.expect("bytes").expect("no error");
    let text = frame.into_data().expect("no trailers");
    let text = std::str::from_utf8(&text).expect("UTF-8");
    assert!(text.starts_with("event: sse-kit:hello\ndata: {\"cursor\":\""), "{text}");
    assert!(text.contains("\"heartbeat_ms\":7000"), "{text}");
    let retry = text.strip_suffix(&format!("\nid: {id}\n\n"));
    let retry = retry.and_then(|text| text.rsplit_once("\nretry: ")?.1.parse().ok());
    assert!(retry.is_some_and(|millis| (1500..=4500).contains(&millis)), "{text}");
}

#[tokio::test]
async fn publishing_returns_ids_that_grow_and_the_number_of_receivers() {
    let hub = Server::start("").await;
    let mut streams = [hub.open("topic=a&topic=b").await, hub.open("topic=*").await];
    let (status, first) = hub.post("/publish?topic=a", b"1").await;
    assert_eq!((status.as_u16(), &first["receivers"]), (200, &Value::from(2)));
    let (_, second) = hub.post("/publish?topic=a:b", b"2").await;
    assert_eq!(second["receivers"], 0);
    let (_, third) = hub.post("/publish?topic=b&event=named&key=k&retry=1500", b"3").await;
    let parts = |receipt: &Value| {
        let (epoch, offset) = receipt["id"].as_str().expect("text").split_once('-').expect("-");
        (epoch.to_owned(), offset.parse::<u64>().expect("a number"))
    };
    let (epoch, offset) = parts(&first);
    assert_eq!(parts(&third), (epoch, offset + 2));
    for stream in &mut streams {
        let message = stream.message().await;
        assert_eq!((message.name.as_str(), message.data.as_str()), ("message", "1"));
        assert_eq!(stream.next_decoded().await, Some(Decoded::Retry(Duration::from_millis(1500))));
        let message = stream.message().await;
        assert_eq!((message.name.as_str(), message.data.as_str()), ("named", "3"));
        assert_eq!(message.last_event_id, third["id"].as_str().expect("text"));
    }
}

#[tokio::test]
async fn what_is_published_twice_under_one_key_is_taken_once() {
    let hub = Server::start("").await;
    let mut stream = hub.open("topic=a").await;
    let post = async |key: &str, body: &str| {
        let request = Request::post("/publish?topic=a").header("idempotency-key", key);
        let response = hub.send(request, body.as_bytes()).await;
        let status = response.status();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        (status, serde_json::from_slice::<Value>(&body).expect("JSON"))
    };
    let first = post("\"order-17\"", "paid").await.1;
    assert_eq!(first["receivers"], 1);
    // The bare text is the same key.
    let again = post("order-17", "paid").await.1;
    assert_eq!((&again["id"], &again["receivers"]), (&first["id"], &Value::from(0)));
    assert_eq!((first.get("repeated"), &again["repeated"]), (None, &Value::from(true)));
    assert_eq!(post("order-17", "something else").await.0, 422);
    assert_eq!(post("order-18", "next").await.0, 200);
    let request = Request::post("/publish?topic=b").header("idempotency-key", "order-17");
    assert_eq!(hub.send(request, b"of another topic").await.status(), 200);
    assert_eq!(hub.publish("topic=b", "last").await.split('-').nth(1), Some("4"));
    assert_eq!([stream.data().await, stream.data().await], ["paid", "next"]);
    for wrong in ["", "\"\"", "a b", &"k".repeat(129)] {
        let (status, body) = post(wrong, "x").await;
        assert_eq!(status, 400, "{wrong:?}");
        assert!(body["error"].as_str().expect("a text").contains("Idempotency-Key"), "{body}");
    }
}

#[tokio::test]
async fn an_event_goes_to_several_topics_and_to_each_subscriber_once() {
    let hub = Server::start("").await;
    let mut streams =
        [hub.open("topic=a&topic=b").await, hub.open("topic=b").await, hub.open("topic=c*").await];
    let (_, published) = hub.post("/publish?topic=a&topic=b&topic=a", b"x").await;
    assert_eq!(published["receivers"], 2);
    hub.publish("topic=a&topic=b&topic=c", "y").await;
    assert_eq!([streams[0].data().await, streams[0].data().await], ["x", "y"]);
    assert_eq!([streams[1].data().await, streams[1].data().await], ["x", "y"]);
    assert_eq!(streams[2].data().await, "y");
    let many: Vec<_> = (0..33).map(|n| format!("topic={n}")).collect();
    let (status, body) = hub.post(&format!("/publish?{}", many.join("&")), b"x").await;
    assert_eq!(status, 400, "{body}");
}

#[tokio::test]
async fn a_publish_is_refused_where_something_newer_came() {
    let hub = Server::start("").await;
    let first = hub.publish("topic=price", "10").await;
    hub.publish("topic=other", "x").await;
    let second = hub.publish(&format!("topic=price&if_newest={first}"), "11").await;
    let (status, body) = hub.post(&format!("/publish?topic=price&if_newest={first}"), b"9").await;
    assert_eq!((status.as_u16(), body["newest"].as_str()), (412, Some(second.as_str())));
    let mut stream = hub.open("topic=price&start=all").await;
    assert_eq!([stream.data().await, stream.data().await], ["10", "11"]);
}

#[tokio::test]
async fn a_client_that_has_seen_nothing_begins_where_it_asks_to() {
    for (start, expected) in [
        ("now", &[][..]),
        ("last:3", &["3", "4", "5"]),
        ("per-key", &["4", "5"]),
        ("all", &["0", "1", "2", "3", "4", "5"]),
    ] {
        let hub = Server::start("").await;
        for n in 0..6 {
            hub.publish(&format!("topic=jobs:{}&key=bar", n % 2), &n.to_string()).await;
        }
        let mut stream = hub.open(&format!("topic=jobs:*&start={start}")).await;
        let last = hub.publish("topic=jobs:0", "last").await;
        for data in expected.iter().chain(&["last"]) {
            assert_eq!(stream.data().await, *data, "{start}");
        }
        // One that has seen something goes on from there, whatever its address says.
        let query = format!("topic=jobs:*&start={start}&last_event_id={last}");
        let mut resumed = hub.open(&query).await;
        hub.publish("topic=jobs:0", "next").await;
        assert_eq!(resumed.data().await, "next", "{start}");
    }
    let hub = Server::start("").await;
    assert_eq!(hub.get("/events?topic=a&start=yesterday").await.0, 400);
}

#[tokio::test]
async fn a_client_resumes_by_header_or_by_query_and_the_header_wins() {
    let hub = Server::start("").await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(hub.publish("topic=a", &n.to_string()).await);
    }
    let by_header = |path: String| Request::get(path).header("Last-Event-ID", &ids[2]);
    for request in [
        by_header("/events?topic=a".to_owned()),
        by_header(format!("/events?topic=a&last_event_id={}", ids[4])),
        Request::get(format!("/events?topic=a&last_event_id={}", ids[2])),
    ] {
        let mut stream = hub.open_by(request).await;
        assert_eq!(stream.hello["cursor"], ids[2].as_str());
        assert_eq!([stream.data().await, stream.data().await], ["3", "4"]);
        hub.publish("topic=other", "not for it").await;
    }
}

#[tokio::test]
async fn every_cursor_that_cannot_be_served_is_told_as_a_gap_in_the_stream() {
    let hub = Server::start("--history 2").await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(hub.publish("topic=a", &n.to_string()).await);
    }
    let (epoch, last) = ids[4].split_once('-').expect("-");
    let other_epoch = if epoch == "1" { "2-1" } else { "1-1" };
    let future = format!("{epoch}-{}", last.parse::<u64>().expect("a number") + 1);
    let oversized = "9".repeat(5000);
    for (cursor, reason, from) in [
        (ids[0].as_str(), "trimmed", Some(ids[0].as_str())),
        (other_epoch, "unknown-epoch", Some(other_epoch)),
        (&future, "future", Some(&future)),
        ("garbage", "malformed", None),
        (&oversized, "malformed", None),
        ("1-1%0Adata:x", "malformed", None),
    ] {
        let mut stream = hub.open(&format!("topic=a&last_event_id={cursor}")).await;
        let gap = stream.message().await;
        assert_eq!(gap.name, "sse-kit:gap", "{cursor}");
        let gap: Value = serde_json::from_str(&gap.data).expect("JSON");
        assert_eq!(gap["reason"], reason, "{cursor}");
        assert_eq!(gap["from"].as_str(), from);
        if reason == "trimmed" {
            assert_eq!(gap["to"], ids[2].as_str());
            assert_eq!([stream.data().await, stream.data().await], ["3", "4"]);
        } else {
            assert_eq!(gap["to"], ids[4].as_str());
        }
    }
    hub.await_stat("gaps", |gaps| gaps == 6).await;
}

#[tokio::test]
async fn bad_input_is_answered_with_a_status_and_an_error_in_json() {
    let hub = Server::start("").await;
    let (long, large) = ("t".repeat(257), vec![b'x'; (1 << 20) + 1]);
    for (path, body, status) in [
        ("/publish", &b"x"[..], 400),
        ("/publish?topic=", b"x", 400),
        ("/publish?topic=a::b", b"x", 400),
        ("/publish?topic=a*", b"x", 400),
        ("/publish?topic=sse-kit:x", b"x", 400),
        (&format!("/publish?topic={long}"), b"x", 400),
        ("/publish?topic=a%0Ab", b"x", 400),
        ("/publish?topic=a%ff", b"x", 400),
        ("/publish?topic=a&event=%ff", b"x", 400),
        ("/publish?topic=a&%ff=x", b"x", 400),
        ("/publish?topic=a&event=a%0Db", b"x", 400),
        ("/publish?topic=a&event=sse-kit:hello", b"x", 400),
        ("/publish?topic=a&event=", b"x", 400),
        ("/publish?topic=a&key=", b"x", 400),
        ("/publish?topic=a&retry=-1", b"x", 400),
        ("/publish?topic=a&evnt=typo", b"x", 400),
        ("/publish?topic=a&if_newest=7", b"x", 400),
        ("/publish?topic=a", b"\xff\xfe", 400),
        ("/publish?topic=a", &large, 413),
        ("/events?topic=a", b"", 405),
        ("/nothing", b"", 404),
    ] {
        let (answered, error) = hub.post(path, body).await;
        assert_eq!(answered, status, "{path}: {error}");
        assert!(error["error"].as_str().is_some_and(|text| !text.is_empty()), "{path}: {error}");
    }
    for path in [
        "/events",
        "/events?topic=",
        "/events?topic=a**",
        "/events?topic=a%00",
        "/events?topic=%ff",
    ] {
        let (answered, error) = hub.get(path).await;
        assert_eq!(answered, 400, "{path}: {error}");
    }
    let many = "topic=a&".repeat(65);
    assert_eq!(hub.get(&format!("/events?{many}")).await.0, 400);
    let (_, stats) = hub.get("/stats").await;
    assert_eq!(stats["published"], 0);
    hub.publish("topic=a", &"x".repeat(1 << 20)).await;
}

#[tokio::test]
async fn another_method_is_told_which_and_health_can_be_asked_for_by_head() {
    let hub = Server::start("").await;
    for (request, allowed) in [
        (Request::get("/publish?topic=a"), "POST"),
        (Request::post("/events?topic=a"), "GET, HEAD"),
        (Request::delete("/status.css"), "GET, HEAD"),
    ] {
        let response = hub.send(request, b"").await;
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()["allow"], allowed);
    }
    for path in ["/healthz", "/", "/stats"] {
        let response = hub.send(Request::head(path), b"").await;
        assert_eq!(response.status(), 200, "{path}");
        assert!(response.into_body().collect().await.expect("a body").to_bytes().is_empty());
    }
}

#[tokio::test]
async fn it_answers_to_its_own_names_and_addresses_alone() {
    let hub = Server::start("--host hub.internal").await;
    let (_, port) = hub.address.rsplit_once(':').expect("a port");
    for (host, status) in [
        (format!("localhost:{port}"), 200),
        (format!("127.0.0.1:{port}"), 200),
        (format!("192.0.2.7:{port}"), 200),
        (format!("hub.internal:{port}"), 200),
        (format!("evil.example:{port}"), 403),
    ] {
        // As a browser puts it whose page had its own name lead here.
        let request = |request: http::request::Builder| {
            request.header("host", &host).header("sec-fetch-site", "same-origin")
        };
        for (request, body) in [
            (request(Request::post("/publish?topic=a")), &b"x"[..]),
            (request(Request::get("/events?topic=a")), b""),
            (request(Request::get("/stats")), b""),
        ] {
            assert_eq!(hub.send(request, body).await.status(), status, "{host}");
        }
    }
}

#[tokio::test]
async fn a_page_of_another_site_cannot_publish() {
    let hub = Server::start("").await;
    let publish = || Request::post("/publish?topic=a");
    for (request, status) in [
        (publish().header("sec-fetch-site", "cross-site"), 403),
        (publish().header("origin", "https://evil.test"), 403),
        (publish().header("sec-fetch-site", "same-origin"), 200),
        (publish().header("origin", format!("http://{}", hub.address)), 200),
    ] {
        assert_eq!(hub.send(request, b"x").await.status(), status);
    }
}

#[tokio::test]
async fn awkward_bodies_are_read_back_byte_for_byte_by_three_parsers() {
    let corpus = include_str!("../../../../crates/sse-kit-event/tests/awkward-bodies.json");
    let bodies: Vec<String> = serde_json::from_str(corpus).expect("JSON");
    assert!(bodies.len() >= 60);
    let hub = Server::start("--queue 1000 --history 1000").await;
    let mut ours = hub.open("topic=a").await;
    let eventsource_stream = raw(hub.open("topic=a").await).eventsource();
    let sse_stream = sse_stream::SseStream::from_bytes_stream(raw(hub.open("topic=a").await));
    let (mut eventsource_stream, mut sse_stream) =
        (std::pin::pin!(eventsource_stream), std::pin::pin!(sse_stream));
    for body in bodies {
        let id = hub.publish("topic=a&event=e", &body).await;
        // The format has one line end; clients read CRLF and CR back as LF.
        let expected = body.replace("\r\n", "\n").replace('\r', "\n");
        let message = ours.message().await;
        assert_eq!((&message.data, &message.last_event_id), (&expected, &id));
        let message = eventsource_stream.next().await.expect("an event").expect("no error");
        assert_eq!((message.event.as_str(), &message.data, &message.id), ("e", &expected, &id));
        let message = sse_stream.next().await.expect("an event").expect("no error");
        assert_eq!((message.event.as_deref(), &message.id), (Some("e"), &Some(id)));
        assert_eq!(message.data.as_deref(), Some(expected.as_str()));
    }
}

/// The bytes of a stream, after the hello.
fn raw(stream: Stream) -> impl futures_util::Stream<Item = Result<Bytes, hyper::Error>> {
    let frames = http_body_util::BodyStream::new(stream.body);
    frames.map(|frame| frame.map(|frame| frame.into_data().expect("no trailers")))
}

#[tokio::test]
async fn heartbeats_are_comments_and_events_without_an_id() {
    let hub = Server::start("--heartbeat 0.2").await;
    let id = hub.publish("topic=a", "x").await;
    let mut stream = hub.open("topic=a").await;
    for _ in 0..3 {
        assert_eq!(stream.next_decoded().await, Some(Decoded::Comment("heartbeat".into())));
        let Some(Decoded::Message(heartbeat)) = stream.next_decoded().await else {
            panic!("a heartbeat is also an event");
        };
        assert_eq!(heartbeat.name, "sse-kit:heartbeat");
        assert_eq!(heartbeat.last_event_id, id, "still that of the hello");
    }
}

#[tokio::test]
async fn a_reader_that_is_stuck_delays_nobody_and_is_cut_off() {
    let hub = Server::start("--write-timeout 10 --queue 20 --history 10 --heartbeat 0").await;
    let stuck = hub.open("topic=a").await; // and is never read from again
    let mut healthy = hub.open("topic=a").await;
    let large = "x".repeat(100_000);
    for n in 0..200 {
        hub.publish("topic=a", &format!("{n} {large}")).await;
        assert!(healthy.data().await.starts_with(&format!("{n} ")));
    }
    hub.await_stat("evicted", |evicted| evicted == 1).await;
    hub.await_stat("connections", |connections| connections == 1).await;
    drop(stuck);
}

#[tokio::test]
async fn where_there_is_no_room_a_client_is_asked_to_come_back() {
    for options in ["--max-connections 1", "--max-per-ip 1"] {
        let hub = Server::start(options).await;
        let kept = hub.open("topic=a").await;
        let response = hub.send(Request::get("/events?topic=a"), b"").await;
        assert_eq!(response.status(), 200, "anything else stops an EventSource for good");
        let body = response.into_body().collect().await.expect("a whole body").to_bytes();
        let text = std::str::from_utf8(&body).expect("UTF-8");
        assert!(text.starts_with("event: sse-kit:busy\ndata: {}\nretry: "), "{text}");
        assert_eq!(hub.get("/stats").await.1["refused"], 1);
        drop(kept);
        hub.await_stat("connections", |connections| connections == 0).await;
        hub.open("topic=a").await;
    }
}

#[tokio::test]
async fn stats_count_and_health_is_well() {
    let hub = Server::start("--history 3").await;
    let mut stream = hub.open("topic=a").await;
    for _ in 0..5 {
        hub.publish("topic=a", "x").await;
        stream.data().await;
    }
    let (status, stats) = hub.get("/stats").await;
    assert_eq!(status, 200);
    for (name, value) in [
        ("connections", 1),
        ("published", 5),
        ("delivered", 5),
        ("gaps", 0),
        ("evicted", 0),
        ("history", 3),
    ] {
        assert_eq!(stats[name], value, "{name}");
    }
    assert_eq!(hub.get("/healthz").await.0, 200);
    drop(stream);
    hub.await_stat("connections", |connections| connections == 0).await;
}

#[tokio::test]
async fn sigterm_says_goodbye_ends_every_stream_and_exits_with_0() {
    for (signal, options, spread) in [("TERM", "", 5), ("INT", "--reconnect-spread 1", 1)] {
        // Nobody waits for the whole delay: that would be longer than the test does.
        let mut hub = Server::start(&format!("--shutdown-delay 600 {options}")).await;
        let mut streams = Vec::new();
        for _ in 0..20 {
            streams.push(hub.open("topic=a").await);
        }
        hub.publish("topic=a", "last").await;
        hub.signal(signal).await;
        for stream in &mut streams {
            assert_eq!(stream.data().await, "last");
            let goodbye = stream.next_decoded().await;
            assert!(
                matches!(goodbye, Some(Decoded::Retry(delay)) if delay <= Duration::from_secs(spread))
            );
            assert_eq!(stream.message().await.name, "sse-kit:shutdown");
            assert_eq!(stream.next().await, None, "and a proper end");
        }
        assert_eq!(hub.exit().await.code(), Some(0));
    }
}

#[tokio::test]
async fn who_never_reads_is_cut_off_at_the_deadline() {
    let mut hub = Server::start("--shutdown-delay 1 --write-timeout 0").await;
    let stuck = hub.open("topic=a").await;
    for _ in 0..40 {
        hub.publish("topic=a", &"x".repeat(1_000_000)).await;
    }
    hub.signal("TERM").await;
    assert_eq!(hub.exit().await.code(), Some(1));
    drop(stuck);
}

#[tokio::test]
async fn health_says_that_it_drains_and_a_second_signal_ends_it_at_once() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let mut hub = Server::start("--shutdown-delay 1000 --write-timeout 0").await;
        let stuck = hub.open("topic=a").await;
        for _ in 0..40 {
            hub.publish("topic=a", &"x".repeat(1_000_000)).await;
        }
        hub.signal(signal).await;
        hub.await_draining().await;
        let refused = hub.send(Request::post("/publish?topic=a"), b"x").await;
        assert_eq!(refused.status(), 503);
        assert_eq!(refused.headers()["retry-after"], "1");
        hub.signal(signal).await;
        assert_eq!(hub.exit().await.code(), Some(code));
        drop(stuck);
    }
}

#[tokio::test]
async fn the_status_page_is_live_on_a_stream_of_its_own() {
    let hub = Server::start("").await;
    let response = hub.send(Request::get("/"), b"").await;
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(response.headers()["content-security-policy"], "default-src 'self'");
    hub.publish("topic=a", "x").await;
    let mut stream = hub.open_by(Request::get("/status/events")).await;
    loop {
        let status = stream.message().await;
        assert_eq!(status.name, "status");
        if status.data.contains("<dt>Published</dt><dd>1</dd>") {
            break;
        }
    }
    let (_, stats) = hub.get("/stats").await;
    assert_eq!(stats["connections"], 0, "it does not count itself");
}
