//! The counter as two browsers see it, and as the README shows it.

mod converging;
mod first;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use http_body_util::BodyExt;
use sse_kit::event::{Decoded, Decoder, Message};
use sse_kit::htmx::PageScripts;
use sse_kit_test_support::in_time;
use tower::ServiceExt;

use super::*;

async fn send(app: &Router, request: Request<Body>) -> Response {
    let Ok(response) = app.clone().oneshot(request).await;
    response
}

async fn get_text(app: &Router, path: &str) -> String {
    let response = send(app, Request::get(path).body(Body::empty()).expect("a request")).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    String::from_utf8(body.into()).expect("text")
}

async fn click_on(app: &Router, site: &str) -> StatusCode {
    let request = Request::post("/").header("sec-fetch-site", site).body(Body::empty());
    send(app, request.expect("a request")).await.status()
}

/// An open page, and its stream.
struct Tab {
    html: String,
    stream: Body,
    decoder: Decoder,
}

impl Tab {
    async fn open(app: &Router) -> Self {
        let html = get_text(app, "/").await;
        let path = html.split('"').find(|value| value.starts_with("/events")).expect("a stream");
        let request = Request::get(path).header("accept", "text/event-stream");
        let response = send(app, request.body(Body::empty()).expect("a request")).await;
        let mut tab = Self { html, stream: response.into_body(), decoder: Decoder::new() };
        assert_eq!(tab.next().await.name, "sse-kit:hello");
        tab
    }

    async fn next(&mut self) -> Message {
        loop {
            match self.decoder.pop() {
                Some(Decoded::Message(message)) => return message,
                Some(_) => {}
                None => {
                    let frame = in_time("a frame", self.stream.frame()).await.expect("it is open");
                    let data = frame.expect("it never fails").into_data().expect("data");
                    self.decoder.push(&data).expect("it is small");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_click_changes_every_page() {
    let app = app(&SseKit::with_state(Hub::new(), 0));
    let mut tabs = [Tab::open(&app).await, Tab::open(&app).await];
    for count in 1..=3 {
        assert_eq!(click_on(&app, "same-origin").await, StatusCode::OK);
        for tab in &mut tabs {
            let update = tab.next().await.data;
            assert!(update.contains("count") && update.contains(&format!(">{count}<")), "{update}");
        }
    }
    assert!(tabs[0].html.contains("<b id=count>0</b>"));
    assert!(get_text(&app, "/").await.contains("<b id=count>3</b>"));
}

#[tokio::test]
async fn a_page_misses_nothing_between_its_rendering_and_its_stream() {
    let app = app(&SseKit::with_state(Hub::new(), 0));
    let html = get_text(&app, "/").await;
    click_on(&app, "same-origin").await;
    let path = html.split('"').find(|value| value.starts_with("/events")).expect("a stream");
    let stream = send(&app, Request::get(path).body(Body::empty()).expect("a request")).await;
    let mut tab = Tab { html: String::new(), stream: stream.into_body(), decoder: Decoder::new() };
    assert_eq!(tab.next().await.name, "sse-kit:hello");
    assert!(tab.next().await.data.contains(">1<"));
}

#[tokio::test]
async fn pages_of_other_sites_do_not_click() {
    let app = app(&SseKit::with_state(Hub::new(), 0));
    assert_eq!(click_on(&app, "cross-site").await, StatusCode::FORBIDDEN);
    assert!(get_text(&app, "/").await.contains("<b id=count>0</b>"));
}

#[tokio::test]
async fn every_script_of_the_page_is_there() {
    let app = app(&SseKit::with_state(Hub::new(), 0));
    let html = get_text(&app, "/").await;
    let scripts: Vec<_> =
        html.split('"').filter(|value| value.starts_with(PageScripts::FOLDER.as_str())).collect();
    assert_eq!(scripts.len(), 3, "{html}");
    for path in scripts {
        get_text(&app, path).await;
    }
}

/// The first program in Rust that a page shows.
fn first_program(page: &'static str) -> Option<&'static str> {
    let first = page.split("```rust").nth(1)?.split_once('\n')?.1;
    Some(first.split_once("```")?.0)
}

#[test]
fn the_readme_and_the_book_show_this_program_word_for_word() {
    let program = include_str!("main.rs").strip_suffix("\n#[cfg(test)]\nmod tests;\n");
    assert!(program.is_some());
    assert_eq!(first_program(include_str!("../../../README.md")), program);
    assert_eq!(first_program(include_str!("../../../docs/src/counter.md")), program);
}
