//! The app, with models that answer well and models that do not.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use axum::routing::post;
use http_body_util::BodyExt;
use sse_kit::Hub;
use sse_kit::broadcast::Goodbye;
use sse_kit::event::{Decoded, Decoder};
use sse_kit_test_support::{TestResult, in_time};
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::answers::Answers;
use crate::model::Model;
use crate::routes::{App, router};
use crate::stand_in;

/// The app, and the model that it asks.
async fn app(model: Router) -> Router {
    app_on(Hub::new(), model).await
}

async fn app_on(hub: Hub, model: Router) -> Router {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base_url = format!("http://{}/v1", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, model).await });
    let model = Model::new(&base_url, "a-model".into(), Some("a-key".into())).expect("a client");
    router(App { answers: Answers::new(hub.clone(), model), hub })
}

async fn send(app: &Router, request: Request<Body>) -> Response {
    let Ok(response) = app.clone().oneshot(request).await;
    response
}

/// Asks a question; the path of its answer.
async fn ask(app: &Router, prompt: &str) -> String {
    let request =
        Request::post("/answers").header("content-type", "application/x-www-form-urlencoded");
    let body = Body::from(format!("prompt={prompt}"));
    let response = send(app, request.body(body).expect("a request")).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    response.headers()["location"].to_str().expect("a path").to_owned()
}

/// A page as a browser has it: what it shows, and its stream.
struct Page {
    text: String,
    events: Option<String>,
    has_failed: bool,
    stream: Option<(Body, Decoder)>,
}

impl Page {
    async fn load(app: &Router, path: &str) -> Self {
        let response = send(app, Request::get(path).body(Body::empty()).expect("a request")).await;
        assert_eq!(response.status(), StatusCode::OK);
        let html = response.into_body().collect().await.expect("a body").to_bytes();
        let html = String::from_utf8(html.into()).expect("text");
        let tag = html.split("<p id=\"answer\"").nth(1).expect("an answer");
        let (attributes, rest) = tag.split_once('>').expect("a tag");
        let text = rest.split_once("</p>").expect("its end").0.to_owned();
        let events = attributes.split_once("data-events=\"").map(|(_, rest)| rest);
        let events = events.and_then(|rest| Some(rest.split_once('"')?.0.to_owned()));
        let has_failed = html.contains("<p id=\"failed\">");
        let mut page = Self { text, events, has_failed, stream: None };
        if let Some(events) = &page.events {
            let request = Request::get(events).body(Body::empty()).expect("a request");
            page.stream = Some((send(app, request).await.into_body(), Decoder::new()));
        }
        page
    }

    /// Reads a frame; false when there is no stream any more.
    async fn read(&mut self) -> bool {
        let Some((body, decoder)) = &mut self.stream else { return false };
        let Some(frame) = in_time("a frame", body.frame()).await else { return false };
        let frame = frame.expect("it never fails").into_data().expect("data");
        decoder.push(&frame).expect("it is small");
        while let Some(decoded) = decoder.pop() {
            let Decoded::Message(message) = decoded else { continue };
            match &*message.name {
                "message" => self.text.push_str(&message.data),
                "failed" => self.has_failed = true,
                _ => {}
            }
        }
        true
    }

    async fn read_all(mut self) -> Self {
        while self.read().await {}
        self
    }
}

#[tokio::test]
async fn an_answer_goes_on_where_it_is_on_every_page() {
    let app = app(stand_in::router(Duration::from_millis(2))).await;
    let path = ask(&app, "why").await;
    let mut first = Page::load(&app, &path).await;
    while first.text.len() < 20 {
        assert!(first.read().await);
    }
    let reloaded = Page::load(&app, &path).await;
    assert!(reloaded.text.len() >= 20, "{}", reloaded.text);
    let expected = stand_in::answer("why");
    for page in [first.read_all().await, reloaded.read_all().await] {
        assert_eq!((page.text, page.has_failed), (expected.clone(), false));
    }
    let late = Page::load(&app, &path).await;
    assert_eq!((late.text, late.events), (expected, None), "it needs no stream");
}

#[tokio::test]
async fn the_model_finishes_when_every_page_is_closed() {
    let app = app(stand_in::router(Duration::ZERO)).await;
    let path = ask(&app, "why").await;
    let expected = stand_in::answer("why");
    let finished = async {
        while Page::load(&app, &path).await.text != expected {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    in_time("the whole answer", finished).await;
}

#[tokio::test]
async fn a_model_that_fails_is_told_without_its_reasons() {
    let chunk = r#"data: {"choices":[{"delta":{"content":"half"}}]}"#;
    for (body, expected) in [
        (format!("{chunk}\n\n"), "half"),
        (format!("{chunk}\n\ndata: the secret\n\n"), "half"),
        (format!("{chunk}\n\ndata: {}\n\n", "x".repeat(1 << 20)), "half"),
    ] {
        let answer = async move || body.clone();
        let app = app(Router::new().route("/v1/chat/completions", post(answer))).await;
        let path = ask(&app, "why").await;
        let page = Page::load(&app, &path).await.read_all().await;
        assert_eq!((&*page.text, page.has_failed), (expected, true));
        let late = Page::load(&app, &path).await;
        assert_eq!((&*late.text, late.has_failed, late.events), (expected, true, None));
    }
    let app = app(Router::new()).await;
    let path = ask(&app, "why").await;
    let page = Page::load(&app, &path).await.read_all().await;
    assert_eq!((&*page.text, page.has_failed), ("", true), "it is refused");
}

#[tokio::test]
async fn an_answer_that_could_not_be_published_is_not_shown_as_a_whole_one() {
    let hub = Hub::new();
    let app = app_on(hub.clone(), stand_in::router(Duration::from_millis(2))).await;
    let path = ask(&app, "why").await;
    let mut page = Page::load(&app, &path).await;
    while page.text.is_empty() {
        assert!(page.read().await);
    }
    assert!(!page.has_failed);
    hub.shut_down(Goodbye::StayAway);
    let failed = async {
        while !Page::load(&app, &path).await.has_failed {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    in_time("the page to say so", failed).await;
}

#[tokio::test]
async fn what_is_asked_and_answered_is_no_markup() {
    let app = app(stand_in::router(Duration::ZERO)).await;
    let path = ask(&app, "%3Cb%3E").await;
    Page::load(&app, &path).await.read_all().await;
    let response = send(&app, Request::get(&path).body(Body::empty()).expect("a request")).await;
    let html = response.into_body().collect().await.expect("a body").to_bytes();
    let html = String::from_utf8(html.into()).expect("text");
    assert!(!html.contains("<b>"), "{html}");
}

#[tokio::test]
async fn bad_questions_and_unknown_answers_have_their_status() -> TestResult {
    let app = app(Router::new()).await;
    for (prompt, site, expected) in [
        ("", "same-origin", 422),
        (" ", "same-origin", 422),
        (&*"x".repeat(5_000), "same-origin", 422),
        ("why", "cross-site", 403),
    ] {
        let request = Request::post("/answers")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", site)
            .body(Body::from(format!("prompt={prompt}")))?;
        assert_eq!(send(&app, request).await.status(), expected, "{prompt}");
    }
    for path in ["/answers/1", "/answers/1/events"] {
        let request = Request::get(path).body(Body::empty())?;
        assert_eq!(send(&app, request).await.status(), 404);
    }
    Ok(())
}
