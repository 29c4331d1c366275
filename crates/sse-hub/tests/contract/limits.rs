//! Limits by topic, and their reload.

use std::fs;

use http::{Request, Response};
use hyper::body::Incoming;
use serde_json::json;
use sse_kit_test_support::in_time;

use crate::server::{Server, json as json_of};

async fn publish(hub: &Server, query: &str, bytes: usize) -> Response<Incoming> {
    hub.send(Request::post(format!("/publish?{query}")), &vec![b'x'; bytes]).await
}

/// Publishes until the answer has this status.
async fn until_status(hub: &Server, query: &str, bytes: usize, status: u16) {
    let answered = async { while publish(hub, query, bytes).await.status() != status {} };
    in_time("the other answer", answered).await;
}

#[tokio::test]
async fn topics_may_have_a_history_of_their_own_length() {
    let hub = Server::start("--history 1 --history-for rooms:a=9 --history-for rooms:*=3").await;
    for topic in ["rooms:a", "rooms:b", "news"] {
        for n in 0..20 {
            hub.publish(&format!("topic={topic}"), &n.to_string()).await;
        }
    }
    let (_, stats) = hub.get("/stats").await;
    assert_eq!(stats["history"], 9 + 3 + 1);
}

#[tokio::test]
async fn topics_may_have_a_history_of_their_own_age() {
    let hub = Server::start("--history-age 0.1 --history-age-for rooms:*=0").await;
    for topic in ["rooms:a", "news", "other"] {
        hub.publish(&format!("topic={topic}"), "x").await;
    }
    let expired = async { while hub.get("/stats").await.1["history"] != 1 {} };
    in_time("others expire", expired).await;
    let mut stream = hub.open("topic=**&start=all").await;
    assert_eq!(in_time("it is kept", stream.message()).await.data, "x");
}

#[tokio::test]
async fn topics_may_have_a_largest_size_of_their_own() {
    let hub =
        Server::start("--max-data 100 --max-data-for logs:*=1000 --max-data-for tiny=0").await;
    for (query, bytes, expected) in [
        ("topic=a", 100, 200),
        ("topic=a", 101, 413),
        ("topic=logs:a", 1000, 200),
        ("topic=logs:a", 1001, 413),
        ("topic=logs:a&topic=a", 101, 413),
        ("topic=tiny", 0, 200),
        ("topic=tiny", 1, 413),
    ] {
        let (status, answer) = json_of(publish(&hub, query, bytes).await).await;
        assert_eq!(status, expected, "{query}, {bytes}: {answer}");
        if status == 413 {
            let error = answer["error"].as_str().expect("a text");
            assert!(error.starts_with(&format!("the data has {bytes} bytes; topic `")), "{error}");
        }
    }
    let lines =
        [json!({ "topic": "logs:a", "data": "x" }), json!({ "topic": "tiny", "data": "x" })];
    let lines = lines.map(|line| line.to_string()).join("\n");
    let request = Request::post("/publish").header("content-type", "application/x-ndjson");
    let (status, answer) = json_of(hub.send(request, lines.as_bytes()).await).await;
    assert_eq!((status.as_u16(), &answer["line"]), (413, &json!(2)), "{answer}");
    let (_, stats) = hub.get("/stats").await;
    assert_eq!(stats["published"], 3, "nothing of that batch");
}

#[tokio::test]
async fn topics_may_have_a_rate_of_their_own() {
    let hub = Server::start("--publish-rate-for rooms:*=1 --publish-rate-for free=0").await;
    for room in ["topic=rooms:a", "topic=rooms:a&topic=rooms:b"] {
        assert_eq!(publish(&hub, room, 1).await.status(), 200);
    }
    let mut refused = publish(&hub, "topic=rooms:c", 1).await;
    while refused.status() == 200 {
        refused = publish(&hub, "topic=rooms:c", 1).await;
    }
    let wait = refused.headers()["retry-after"].to_str().expect("digits").to_owned();
    let (status, answer) = json_of(refused).await;
    assert_eq!((status.as_u16(), &*wait), (429, "1"));
    assert_eq!(answer["error"], "more events than the limit of `rooms:*` allows; retry later");
    for _ in 0..20 {
        assert_eq!(publish(&hub, "topic=free", 1).await.status(), 200);
        assert_eq!(publish(&hub, "topic=other", 1).await.status(), 200);
    }
}

#[tokio::test]
async fn a_hangup_renews_the_limits_on_publishing() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("hub.toml");
    let write = |text: &str| fs::write(&file, text).expect("it is written");
    write("max-data = 10\n[publish-rate-for]\n'rooms:*' = 1\n'**' = 0");
    let hub = Server::start(&format!("--config {}", file.display())).await;
    assert_eq!(publish(&hub, "topic=a", 11).await.status(), 413);
    for _ in 0..20 {
        assert_eq!(publish(&hub, "topic=a", 1).await.status(), 200);
    }
    until_status(&hub, "topic=rooms:a", 1, 429).await;
    // The order of the file counts, so rooms have no limit now.
    write("max-data = 20\n[publish-rate-for]\n'**' = 0\n'rooms:*' = 1");
    hub.signal("HUP").await;
    until_status(&hub, "topic=a", 11, 200).await;
    for _ in 0..20 {
        assert_eq!(publish(&hub, "topic=rooms:a", 1).await.status(), 200);
    }
}
