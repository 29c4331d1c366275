//! Requests of hostile clients, and the age of a stream.

use std::time::Duration;

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use http_body_util::BodyExt;
use sse_kit_broadcast::Hub;
use sse_kit_event::{Decoded, Decoder, Event, Topic};
use sse_kit_http::{SseRequest, SseResponse, ensure_same_site};

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn topic() -> Topic {
    "t".parse().expect("a topic")
}

/// The names of the first two events of a stream.
async fn beginning(response: SseResponse) -> Vec<String> {
    let mut body = response.into_response().into_body();
    let (mut decoder, mut names) = (Decoder::new(), Vec::new());
    while names.len() < 2 {
        let frame = body.frame().await.expect("another").expect("it cannot fail");
        decoder.push(&frame.into_data().expect("no trailers")).expect("not too large");
        while let Some(decoded) = decoder.pop() {
            if let Decoded::Message(message) = decoded {
                names.push(message.name);
            }
        }
    }
    names
}

/// Text that looks more or less like an id.
fn hostile(random: &mut fastrand::Rng) -> Vec<u8> {
    let length = random.usize(0..400);
    match random.u8(0..6) {
        0 => (0..length).map(|_| random.u8(..)).collect(),
        1 => vec![b'9'; length],
        2 => format!("{:x}-{}", random.u64(..), random.u64(..)).into_bytes(),
        3 => format!("{:x}-{}{}", random.u64(..), random.u64(..), "0".repeat(length)).into_bytes(),
        4 => b"../../etc/passwd\t<script>-1".repeat(1 + length / 30),
        _ => format!("{:x}--{}", random.u64(..), random.i64(..)).into_bytes(),
    }
}

#[tokio::test]
async fn ten_thousand_hostile_ids_get_a_gap_each_and_no_error() -> TestResult {
    let hub = Hub::new();
    hub.publish(&topic(), Event::new("x")).await?;
    let mut random = sse_kit_test_support::rng();
    let mut asked = 0;
    while asked < 10_000 {
        // What no header may hold is refused before it comes here.
        let Ok(value) = HeaderValue::from_bytes(&hostile(&mut random)) else { continue };
        if value.is_empty() {
            continue;
        }
        asked += 1;
        let request = Request::get("/").header("last-event-id", &value).body(())?;
        let seen = SseRequest::from(&request).last_event_id();
        assert!(seen.is_some(), "{value:?}");
        let stream = SseResponse::new(hub.subscribe(topic()).resume(seen).open()?);
        assert_eq!(beginning(stream).await, ["sse-kit:hello", "sse-kit:gap"], "{value:?}");
    }
    assert_eq!((hub.stats().gaps, hub.connection_count()), (10_000, 0));
    Ok(())
}

/// The headers by which a browser, or something else, says where a request comes from; and whether it is let in.
#[test]
fn all_combinations_of_origin_and_sec_fetch_site() {
    let sites =
        [None, Some("same-origin"), Some("none"), Some("same-site"), Some("cross-site"), Some("x")];
    let origins = [
        None,
        Some("http://a.test"),
        Some("http://b.test"),
        Some("null"),
        Some("http://a.test:81"),
        Some(""),
    ];
    let mut let_in = Vec::new();
    let mut let_in_by_http2 = Vec::new();
    for site in sites {
        for origin in origins {
            let mut headers = HeaderMap::new();
            if let Some(site) = site {
                let name = HeaderName::from_static("sec-fetch-site");
                headers.insert(name, HeaderValue::from_static(site));
            }
            if let Some(origin) = origin {
                headers.insert(ORIGIN, HeaderValue::from_static(origin));
            }
            // HTTP/2 has the host in the URI, and no header of that name.
            if ensure_same_site(&Uri::from_static("http://a.test/"), &headers).is_ok() {
                let_in_by_http2.push((site, origin));
            }
            headers.insert(HOST, HeaderValue::from_static("a.test"));
            if ensure_same_site(&Uri::from_static("/"), &headers).is_ok() {
                let_in.push((site, origin));
            }
        }
    }
    // What the browser says of itself decides; without it the origin; without both it is no browser.
    let by_site = |site| origins.map(|origin| (Some(site), origin));
    let expected = [
        &[(None, None), (None, Some("http://a.test"))][..],
        &by_site("same-origin"),
        &by_site("none"),
    ];
    assert_eq!(let_in, expected.concat());
    assert_eq!(let_in_by_http2, let_in);
}

#[tokio::test]
async fn a_stream_that_has_reached_its_age_asks_to_come_back_and_one_that_has_not_goes_on()
-> TestResult {
    let hub = Hub::new();
    let open = || hub.subscribe(topic()).open().map(SseResponse::new);
    let old = open()?.max_age(Duration::ZERO);
    let young = [open()?.max_age(Duration::from_secs(3600)), open()?.max_age(Duration::MAX)];
    hub.publish(&topic(), Event::new("x")).await?;
    assert_eq!(beginning(old).await, ["sse-kit:hello", "sse-kit:shutdown"]);
    for young in young {
        assert_eq!(beginning(young).await, ["sse-kit:hello", "message"]);
    }
    assert_eq!(hub.connection_count(), 0, "who reaches it leaves at once");
    Ok(())
}

#[tokio::test]
async fn what_waits_comes_before_the_end_of_a_stream_that_has_reached_its_age() -> TestResult {
    let hub = Hub::new();
    let subscription = hub.subscribe(topic()).open()?;
    let id = subscription.connection().id().clone();
    let response = SseResponse::new(subscription).max_age(Duration::ZERO);
    // It has no id, so a client that resumed would never have it.
    hub.send_to(&id, &Event::new("for it alone"))?;
    let bytes = response.into_response().into_body().collect().await?.to_bytes();
    let text = std::str::from_utf8(&bytes)?;
    let at = |part: &str| text.find(part).ok_or_else(|| format!("no {part} in {text}"));
    assert!(at("sse-kit:hello")? < at("data: for it alone")?, "{text}");
    assert!(at("data: for it alone")? < at("sse-kit:shutdown")?, "{text}");
    assert_eq!(hub.connection_count(), 0);
    Ok(())
}

#[tokio::test]
async fn everything_that_is_kept_with_a_stream_goes_with_it() -> TestResult {
    let hub = Hub::new();
    let (first, second) = (std::sync::Arc::new(()), std::sync::Arc::new(()));
    let stream = SseResponse::new(hub.subscribe(topic()).open()?)
        .keep(first.clone())
        .keep(second.clone())
        .into_response();
    let count = || (std::sync::Arc::strong_count(&first), std::sync::Arc::strong_count(&second));
    assert_eq!(count(), (2, 2));
    drop(stream);
    assert_eq!(count(), (1, 1));
    Ok(())
}
