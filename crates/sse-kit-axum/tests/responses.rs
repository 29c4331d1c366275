//! The answers of a router, without a server.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::Response;
use axum::routing::get;
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use sse_kit_axum::{self as live, Error, ErrorKind, Live};
use sse_kit_broadcast::{Goodbye, Hub};
use sse_kit_event::{Event, Topic, Topics};
use sse_kit_http::{
    Access, Authorizer, Cors, DeniedError, Gate, Grant, HostRules, Quota, Resource, SseResponse,
};
use sse_kit_test_support::{TestResult, in_time};
use tower::ServiceExt;

fn topic(name: &str) -> Topic {
    name.parse().expect("a topic")
}

async fn send(app: &Router, request: Request<Body>) -> Response {
    let Ok(response) = app.clone().oneshot(request).await;
    response
}

async fn get_from(app: &Router, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(app, request.body(Body::empty()).expect("a request")).await
}

/// The next frame as text; `None` at the end.
async fn frame(body: &mut Body) -> Option<String> {
    let frame = in_time("a frame", body.frame()).await?.expect("it never fails");
    Some(String::from_utf8(frame.into_data().expect("data").into()).expect("text"))
}

async fn text(response: Response) -> (StatusCode, HeaderMap, String) {
    let (parts, body) = response.into_parts();
    let body = in_time("the body", body.collect()).await.expect("it never fails").to_bytes();
    (parts.status, parts.headers, String::from_utf8(body.into()).expect("text"))
}

const STREAM: (&str, &str) = ("accept", "text/event-stream");

#[tokio::test]
async fn a_stream_resumes_from_the_header_or_the_query() -> TestResult {
    let hub = Hub::new();
    let events = async |live: Live| live.open(topic("news")).await;
    let app = Router::new().route("/events", get(events)).with_state(hub.clone());
    let first = hub.publish(&topic("news"), Event::new("one")).await?.id;
    hub.publish(&topic("news"), Event::new("two")).await?;
    let query = format!("/events?last_event_id={first}");
    for (path, header) in [("/events", Some(first.to_string())), (&query, None)] {
        let headers: Vec<_> = header.iter().map(|id| ("last-event-id", &**id)).collect();
        let response = get_from(&app, path, &headers).await;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut body = response.into_body();
        assert!(frame(&mut body).await.expect("a hello").contains("sse-kit:hello"));
        assert!(frame(&mut body).await.expect("an event").starts_with("data: two\n"));
    }
    assert_eq!(hub.connection_count(), 0, "they have left");
    Ok(())
}

#[tokio::test]
async fn topics_of_the_query_are_within_those_that_are_allowed() {
    let events = async |live: Live| -> Result<SseResponse, Error> {
        let allowed = Topics::parse(["users:alice", "news:**"])?;
        let topics = live.topics_within("topic", &allowed)?;
        live.open(topics).await
    };
    let app = Router::new().route("/events", get(events)).with_state(Hub::new());
    for (query, status) in [
        ("", 200),
        ("?topic=users:alice", 200),
        ("?topic=users:bob", 403),
        ("?topic=**", 403),
        ("?topic=%ff", 422),
        ("?topic=a::b", 422),
    ] {
        let response = get_from(&app, &format!("/events{query}"), &[STREAM]).await;
        assert_eq!(response.status(), status, "{query}");
    }
}

struct OwnTopics;

impl Authorizer for OwnTopics {
    type Principal = String;

    async fn authorize(
        &self,
        user: &String,
        wanted: Resource<'_>,
        _: Access,
    ) -> Result<Grant, DeniedError> {
        let own = format!("users:{user}");
        let is_own = matches!(wanted, Resource::Topic(topic) if topic.as_str() == own);
        is_own.then(Grant::unlimited).ok_or(DeniedError)
    }
}

#[tokio::test]
async fn a_gate_answers_with_401_and_403_and_ends_what_it_revokes() {
    let hub = Hub::new();
    let gate = Gate::new(hub.clone(), OwnTopics);
    let events = {
        let gate = gate.clone();
        async move |headers: HeaderMap, live: Live| {
            let user = headers.get("user").and_then(|user| Some(user.to_str().ok()?.to_owned()));
            live.open_for(user, &gate, topic("users:alice")).await
        }
    };
    let app = Router::new().route("/events", get(events)).with_state(hub.clone());
    for accept in [STREAM, ("accept", "*/*")] {
        assert_eq!(get_from(&app, "/events", &[accept]).await.status(), 401);
        assert_eq!(get_from(&app, "/events", &[accept, ("user", "bob")]).await.status(), 403);
    }
    let mut body = get_from(&app, "/events", &[STREAM, ("user", "alice")]).await.into_body();
    assert!(frame(&mut body).await.is_some());
    assert_eq!(gate.revoke(|user, _| user == "alice"), 1);
    assert!(frame(&mut body).await.expect("a goodbye").contains("sse-kit:close"));
    assert_eq!(frame(&mut body).await, None);
}

#[tokio::test]
async fn a_client_that_may_come_back_is_told_when_by_a_stream_or_a_status() {
    let hub = Hub::new();
    let quota = Quota::new().per_client(1);
    let events = async move |live: Live| -> Result<SseResponse, Error> {
        live.admit(&quota, "alice")?.open(topic("news")).await
    };
    let app = Router::new().route("/events", get(events)).with_state(hub.clone());
    let first = get_from(&app, "/events", &[STREAM]).await;
    assert_eq!(first.status(), 200);

    let (status, headers, body) = text(get_from(&app, "/events", &[STREAM]).await).await;
    assert_eq!(
        (status, &headers["content-type"]),
        (StatusCode::OK, &"text/event-stream".parse().expect("it is"))
    );
    assert!(body.starts_with("event: sse-kit:busy\n") && body.contains("retry: "), "{body}");

    let (status, headers, body) = text(get_from(&app, "/events", &[]).await).await;
    assert_eq!(
        (status, &*body),
        (StatusCode::TOO_MANY_REQUESTS, "this is too much; try again later")
    );
    assert_eq!(headers["retry-after"], "5");

    drop(first);
    assert_eq!(get_from(&app, "/events", &[]).await.status(), 200, "the permit is back");
    hub.shut_down(Goodbye::StayAway);
    let (status, headers, _) = text(get_from(&app, "/events", &[]).await).await;
    assert_eq!(
        (status, headers.contains_key("retry-after")),
        (StatusCode::SERVICE_UNAVAILABLE, true)
    );
    let (_, _, body) = text(get_from(&app, "/events", &[STREAM]).await).await;
    assert!(body.starts_with("event: sse-kit:busy\n"), "{body}");
}

#[tokio::test]
async fn streams_of_the_apps_own_end_by_themselves() {
    let tokens = async |live: Live| live.stream(stream::iter(["a", "b"]).map(Event::new));
    let failing = async |live: Live| {
        let events = stream::iter([Ok(Event::new("a")), Err("the secret")]);
        live.try_stream(events, Event::new("sorry"))
    };
    let app = Router::new().route("/tokens", get(tokens)).route("/failing", get(failing));
    let app = app.with_state(Hub::new());
    let (_, _, body) = text(get_from(&app, "/tokens", &[STREAM]).await).await;
    assert!(body.ends_with("data: a\n\ndata: b\n\nevent: sse-kit:close\ndata: {}\n\n"), "{body}");
    let (_, _, body) = text(get_from(&app, "/failing", &[STREAM]).await).await;
    assert!(body.contains("data: a\n\ndata: sorry\n\n") && !body.contains("secret"), "{body}");
}

#[tokio::test]
async fn each_error_has_its_status_and_tells_nothing_of_its_cause() {
    let statuses = [
        (ErrorKind::Unauthorized, 401),
        (ErrorKind::Forbidden, 403),
        (ErrorKind::NotFound, 404),
        (ErrorKind::Conflict, 409),
        (ErrorKind::Invalid, 422),
        (ErrorKind::TooMany, 429),
        (ErrorKind::Unavailable, 503),
        (ErrorKind::Internal, 500),
    ];
    for (kind, expected) in statuses {
        let fail = async move || Err::<(), _>(Error::new(kind).caused_by("password=hunter2"));
        let app = Router::new().route("/", get(fail));
        let (status, headers, body) = text(get_from(&app, "/", &[STREAM]).await).await;
        assert_eq!(status, expected);
        assert_eq!(headers.contains_key("retry-after"), [429, 503].contains(&expected));
        assert_eq!(headers["cache-control"], "no-store");
        assert!(!body.contains("hunter2") && !body.is_empty());
    }
    let late = Error::new(ErrorKind::Unavailable).retry_within(Duration::from_secs(90));
    let response = axum::response::IntoResponse::into_response(late);
    assert_eq!(response.headers()["retry-after"], "90");
}

#[tokio::test]
async fn layers_refuse_other_sites_and_other_hosts() -> TestResult {
    let app = Router::new()
        .route("/", get(|| async { "page" }).post(|| async { "done" }))
        .layer(live::same_site())
        .layer(HostRules::new(["app.test".parse()?]));
    let post = |name: &str, value: &str| {
        Request::post("/").header("host", "app.test").header(name, value).body(Body::empty())
    };
    assert_eq!(send(&app, post("sec-fetch-site", "cross-site")?).await.status(), 403);
    assert_eq!(send(&app, post("sec-fetch-site", "same-origin")?).await.status(), 200);
    assert_eq!(send(&app, post("origin", "http://evil.test")?).await.status(), 403);
    assert_eq!(get_from(&app, "/", &[("host", "evil.test")]).await.status(), 403);
    assert_eq!(get_from(&app, "/", &[("host", "app.test")]).await.status(), 200);
    Ok(())
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_reads_a_stream() -> TestResult {
    let events = async |live: Live| live.open(topic("news")).await;
    let cors = Cors::new(["https://app.test".parse()?]);
    let app = Router::new().route("/events", get(events)).layer(cors).with_state(Hub::new());
    let origin = ("origin", "https://app.test");
    let stream = get_from(&app, "/events", &[STREAM, origin]).await;
    assert_eq!(stream.headers()["access-control-allow-origin"], "https://app.test");
    let preflight = Request::options("/events")
        .header("origin", "https://app.test")
        .header("access-control-request-method", "GET");
    assert_eq!(send(&app, preflight.body(Body::empty())?).await.status(), 204);
    Ok(())
}

struct Hanging;

impl Authorizer for Hanging {
    type Principal = ();

    async fn authorize(&self, (): &(), _: Resource<'_>, _: Access) -> Result<Grant, DeniedError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn an_authorizer_that_hangs_holds_a_request_and_its_permit_for_seconds() {
    let hub = Hub::new();
    let (gate, quota) = (Gate::new(hub.clone(), Hanging), Quota::new());
    let counted = quota.clone();
    let events = async move |live: Live| -> Result<SseResponse, Error> {
        live.admit(&quota, "alice")?.open_for((), &gate, topic("news")).await
    };
    let app = Router::new().route("/events", get(events)).with_state(hub);
    let (_, _, body) = text(get_from(&app, "/events", &[STREAM]).await).await;
    assert!(body.starts_with("event: sse-kit:busy\n"), "{body}");
    assert_eq!(get_from(&app, "/events", &[]).await.status(), 503);
    assert_eq!(counted.open(), 0);
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn compressed_events_may_refer_to_those_before_them() -> TestResult {
    use http_body_util::BodyExt;
    use sse_kit_http::GzipWindow;

    let hub = Hub::new();
    let mut sizes = Vec::new();
    for window in [GzipWindow::Event, GzipWindow::Stream] {
        let events =
            async move |live: Live| live.gzip().gzip_window(window).open(topic("news")).await;
        let app = Router::new().route("/events", get(events)).with_state(hub.clone());
        let mut stream =
            get_from(&app, "/events", &[("accept-encoding", "gzip")]).await.into_body();
        stream.frame().await.ok_or("a hello")??;
        for _ in 0..2 {
            hub.publish(&topic("news"), Event::new("the same as before, ".repeat(2))).await?;
        }
        stream.frame().await.ok_or("an event")??;
        let second = stream.frame().await.ok_or("an event")??;
        sizes.push(second.into_data().map_or(0, |data| data.len()));
    }
    assert!(sizes[1] < sizes[0] - 15, "{sizes:?}");
    Ok(())
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn a_stream_is_compressed_where_the_client_accepts_it() {
    let events = async |live: Live| live.gzip().open(topic("news")).await;
    let app = Router::new().route("/events", get(events)).with_state(Hub::new());
    let compressed = get_from(&app, "/events", &[("accept-encoding", "br, gzip")]).await;
    assert_eq!(compressed.headers()["content-encoding"], "gzip");
    let plain = get_from(&app, "/events", &[]).await;
    assert!(!plain.headers().contains_key("content-encoding"));
    for response in [compressed, plain] {
        assert_eq!(response.headers()["vary"], "accept-encoding");
    }
}
