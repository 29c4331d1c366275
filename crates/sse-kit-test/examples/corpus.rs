//! Prints pages, what they are sent, and what a [`TestPage`] becomes of it, as JSON: the browser tests
//! (`tests/browser/test-page.test.js`) send the same to both versions of htmx, and compare.
//!
//! `cargo run -p sse-kit-test --example corpus`

#[path = "corpus/random.rs"]
mod random;
#[path = "corpus/styles.rs"]
mod styles;

use std::convert::Infallible;
use std::error::Error;
use std::io::{self, Write};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use sse_kit_event::Event;
use sse_kit_htmx::{Connect, Dialect};
use sse_kit_test::{TestBody, TestClient, TestPage};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// A page, and the events that it is sent.
struct Case {
    name: String,
    connect: Connect,
    stage: String,
    events: Vec<Event>,
}

fn main() -> Result {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let mut all = serde_json::Map::new();
    for dialect in Dialect::ALL {
        let mut cases = styles::cases(dialect)?;
        cases.extend(random::cases(dialect)?);
        let cases: Result<Vec<Value>> =
            cases.iter().map(|case| runtime.block_on(run(dialect, case))).collect();
        all.insert(dialect.to_string(), cases?.into());
    }
    Ok(writeln!(io::stdout(), "{}", Value::Object(all))?)
}

/// Runs a case on a test page; gives it, with what comes of it, for the browser.
async fn run(dialect: Dialect, case: &Case) -> Result<Value> {
    let connect = case.connect.attributes(dialect)?;
    let body = format!("<div id=\"stream\"{connect}><div id=\"stage\">{}</div></div>", case.stage);
    let page =
        format!("<!DOCTYPE html><html><head><title>t</title></head><body>{body}</body></html>");
    let stream: Vec<u8> =
        case.events.iter().flat_map(|event| event.encode().finish(None).to_vec()).collect();
    let service = tower::service_fn(move |request: Request<TestBody>| {
        let (content_type, body) = match request.uri().path() {
            "/events" => ("text/event-stream", Bytes::from(stream.clone())),
            _ => ("text/html", Bytes::from(page.clone())),
        };
        let response = Response::builder().header("content-type", content_type);
        async move { Ok::<_, Infallible>(response.body(Full::new(body)).unwrap_or_default()) }
    });
    let mut page = TestPage::open(&TestClient::new(service), "/").await;
    page.settle().await;
    let events: Vec<Value> = case
        .events
        .iter()
        .map(|event| json!({ "data": event.data(), "name": event.name().map(ToString::to_string) }))
        .collect();
    let (shown, name) = (page.html("#stage").ok_or("a stage")?, &case.name);
    Ok(json!({
        "name": name, "connect": connect.to_string(), "stage": case.stage, "events": events,
        "shown": shown,
    }))
}
