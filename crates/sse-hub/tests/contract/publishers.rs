//! Batches, limits on publishers, and pages of other origins.

use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::server::{Server, json as json_of};

/// Publishes lines, and returns the answer.
async fn batch(hub: &Server, lines: &str) -> (StatusCode, Value) {
    let request = Request::post("/publish").header("content-type", "application/x-ndjson");
    json_of(hub.send(request, lines.as_bytes()).await).await
}

#[tokio::test]
async fn a_batch_is_published_in_the_order_of_its_lines() {
    let hub = Server::start("").await;
    let mut stream = hub.open("topic=a&topic=b").await;
    let lines = r#"{"topic":"a","data":"1"}
{"topic":["a","b"],"data":"2\nlines","event":"named","key":"k","retry":1500}

{"topic":"b","data":"3","idempotency_key":"once"}
{"topic":"b","data":"3","idempotency_key":"once"}
"#;
    let (status, answer) = batch(&hub, lines).await;
    assert_eq!(status, 200, "{answer}");
    let published = answer["published"].as_array().expect("a list");
    let receivers: Vec<_> = published.iter().map(|one| one["receivers"].as_u64()).collect();
    assert_eq!(receivers, [Some(1), Some(1), Some(1), Some(0)]);
    assert_eq!(
        (&published[3]["id"], &published[3]["repeated"]),
        (&published[2]["id"], &json!(true))
    );
    let mut names = Vec::new();
    for data in ["1", "2\nlines", "3"] {
        let message = stream.message().await;
        assert_eq!(message.data, data);
        names.push(message.name);
    }
    assert_eq!(names, ["message", "named", "message"]);
}

#[tokio::test]
async fn a_batch_is_known_by_its_media_type_alone() {
    let hub = Server::start("").await;
    let line = r#"{"topic":"a","data":"1"}"#.as_bytes();
    let post = |kind: &str| Request::post("/publish").header("content-type", kind);
    for kind in ["application/x-ndjson; charset=utf-8", "Application/X-NDJSON"] {
        assert_eq!(hub.send(post(kind), line).await.status(), 200, "{kind}");
    }
    // It would be for none of the lines, or for all.
    let request = post("application/x-ndjson").header("idempotency-key", "once");
    assert_eq!(hub.send(request, line).await.status(), 400);
}

#[tokio::test]
async fn events_of_the_hub_itself_cannot_be_published() {
    let hub = Server::start("").await;
    let (status, _) = hub.post("/publish?topic=a&event=hub:unauthorized", b"{}").await;
    assert_eq!(status, 400);
    hub.publish("topic=a&event=hubbub", "x").await;
}

#[tokio::test]
async fn an_ipv6_network_is_one_publisher() {
    let hub = Server::start("--publish-rate 1 --trust-proxy 127.0.0.1/32").await;
    let mut refused = 0;
    for n in 0..20 {
        let from = format!("2001:db8::{n:x}");
        let request = Request::post("/publish?topic=a").header("x-forwarded-for", from);
        refused += usize::from(hub.send(request, b"x").await.status() == 429);
    }
    assert!(refused > 0, "each address has a limit of its own");
}

#[tokio::test]
async fn a_batch_with_a_mistake_is_not_published_and_its_line_is_named() {
    let hub = Server::start("").await;
    let good = r#"{"topic":"a","data":"1"}"#;
    for bad in [
        "{",
        "[]",
        r#"{"topic":"a"}"#,
        r#"{"data":"1"}"#,
        r#"{"topic":"a*","data":"1"}"#,
        r#"{"topic":[],"data":"1"}"#,
        r#"{"topic":"a","data":7}"#,
        r#"{"topic":"a","data":"1","retry":-1}"#,
        r#"{"topic":"a","data":"1","event":"a\nb"}"#,
        r#"{"topic":"a","data":"1","event":"hub:unauthorized"}"#,
        r#"{"topic":"a","data":"1","evnt":"x"}"#,
    ] {
        let (status, answer) = batch(&hub, &format!("{good}\n{bad}\n{good}")).await;
        assert_eq!((status.as_u16(), &answer["line"]), (400, &json!(2)), "{bad}: {answer}");
    }
    let (status, _) = batch(&hub, &format!("{good}\n").repeat(1001)).await;
    assert_eq!(status, 400);
    // A condition that fails ends the batch there.
    let (_, first) = batch(&hub, good).await;
    let newest = first["published"][0]["id"].as_str().expect("an id");
    let condition = format!(r#"{{"topic":"a","data":"1","if_newest":"{newest}"}}"#);
    let (status, answer) = batch(&hub, &[condition.as_str(); 3].join("\n")).await;
    assert_eq!((status.as_u16(), &answer["line"]), (412, &json!(2)), "{answer}");
    assert_eq!(answer["published"].as_array().map(Vec::len), Some(1));
    let (_, stats) = hub.get("/stats").await;
    assert_eq!(stats["published"], 2);
}

#[tokio::test]
async fn a_publisher_that_is_too_fast_is_asked_to_wait() {
    let hub = Server::start("--publish-rate 1").await;
    let line = r#"{"topic":"a","data":"1"}"#;
    assert_eq!(batch(&hub, &[line; 1000].join("\n")).await.0, 200);
    let response = hub.send(Request::post("/publish?topic=a"), b"x").await;
    assert_eq!(response.status(), 429);
    let wait = response.headers()["retry-after"].to_str().expect("digits").parse::<u64>();
    assert!((900..=1000).contains(&wait.expect("seconds")));
}

#[tokio::test]
async fn pages_of_origins_that_are_named_may_listen() {
    let hub = Server::start("--cors-origin https://app.example").await;
    let preflight = |origin: &'static str| {
        let request = Request::options("/publish?topic=a").header("origin", origin);
        request
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization")
    };
    let response = hub.send(preflight("https://app.example"), b"").await;
    assert_eq!(response.status(), 204);
    let allowed = response.headers()["access-control-allow-headers"].to_str().expect("ASCII");
    assert!(allowed.contains("authorization") && allowed.contains("idempotency-key"), "{allowed}");
    let elsewhere = preflight("https://app.example").header("host", "evil.example");
    assert_eq!(hub.send(elsewhere, b"").await.status(), 403);
    for path in ["/stats", "/metrics", "/topics/a/presence", "/status/events"] {
        let request = Request::get(path).header("origin", "https://app.example");
        let response = hub.send(request, b"").await;
        assert!(!response.headers().contains_key("access-control-allow-origin"), "{path}");
    }
    let response = hub.send(preflight("https://other.example"), b"").await;
    assert!(!response.headers().contains_key("access-control-allow-origin"));

    let request = Request::get("/events?topic=a").header("origin", "https://app.example");
    let response = hub.send(request, b"").await;
    assert_eq!(response.headers()["access-control-allow-origin"], "https://app.example");
    // Without a token of its own, a page of another origin still cannot publish.
    let request = Request::post("/publish?topic=a").header("origin", "https://app.example");
    assert_eq!(hub.send(request, b"x").await.status(), 403);
}
