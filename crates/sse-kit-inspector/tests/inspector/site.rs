//! A hub with an inspector, and a browser on its machine.

use std::net::IpAddr;

use bytes::Bytes;
use http::request::Builder;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use sse_kit_broadcast::{Hub, Receipt};
use sse_kit_event::{Decoded, Decoder, Event, Topic};
use sse_kit_inspector::{AccessPolicy, Inspector, InspectorBody, InspectorBuilder};
use sse_kit_test_support::in_time;

pub(crate) const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

/// More events of a stream than a test waits for.
pub(crate) const LONG: usize = 100;

/// A hub with an inspector.
pub(crate) struct Site {
    pub(crate) hub: Hub,
    pub(crate) inspector: Inspector,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(set: impl FnOnce(InspectorBuilder) -> InspectorBuilder) -> Self {
        Self::on(Hub::new(), set)
    }

    pub(crate) fn on(hub: Hub, set: impl FnOnce(InspectorBuilder) -> InspectorBuilder) -> Self {
        let builder = Inspector::builder(hub.clone(), AccessPolicy::on_this_machine());
        let inspector = set(builder.in_release_builds()).build().expect("an inspector");
        Self { hub, inspector }
    }

    pub(crate) async fn publish(&self, name: &str, data: &str) -> Receipt {
        let receipt = self.hub.publish(&topic(name), Event::new(data)).await;
        receipt.expect("it is published")
    }

    pub(crate) async fn send(&self, request: Builder, body: &str) -> Response<InspectorBody> {
        let body = Full::new(Bytes::from(body.to_owned()));
        let request = request.header("host", "localhost").body(body).expect("a request");
        self.inspector.answer(request, HERE).await
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, String) {
        text(self.send(Request::get(path), "").await).await
    }

    /// The page, once the inspector has recorded what has happened.
    pub(crate) async fn page(&self, query: &str) -> String {
        self.recorded().await;
        let (status, page) = self.get(&format!("/inspector{query}")).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        page
    }

    pub(crate) async fn post(&self, path: &str, form: &str) -> (StatusCode, String) {
        let request = Request::post(format!("/inspector/{path}"))
            .header("hx-request", "true")
            .header("sec-fetch-site", "same-origin");
        text(self.send(request, form).await).await
    }

    /// Waits until what has happened is recorded. The clock is paused, so this takes no time.
    pub(crate) async fn recorded(&self) {
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
}

pub(crate) fn topic(text: &str) -> Topic {
    text.parse().expect("a topic")
}

pub(crate) async fn text(response: Response<InspectorBody>) -> (StatusCode, String) {
    let status = response.status();
    let body = response.into_body().collect().await.expect("it cannot fail").to_bytes();
    (status, String::from_utf8(body.to_vec()).expect("UTF-8"))
}

/// The stream of an open page.
pub(crate) struct Stream {
    body: InspectorBody,
    decoder: Decoder,
}

impl Stream {
    pub(crate) fn new(response: Response<InspectorBody>) -> Self {
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), decoder: Decoder::new() }
    }

    /// The next event: its name and its data. `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<(String, String)> {
        loop {
            while let Some(decoded) = self.decoder.pop() {
                if let Decoded::Message(message) = decoded {
                    return Some((message.name, message.data));
                }
            }
            let frame = in_time("an event for the page", self.body.frame()).await?;
            let data = frame.expect("it cannot fail").into_data().expect("data");
            self.decoder.push(&data).expect("a stream");
        }
    }

    /// The next update, after what the stream says about itself.
    pub(crate) async fn update(&mut self) -> Option<String> {
        loop {
            let (name, data) = self.next().await?;
            match &*name {
                "message" => return Some(data),
                "sse-kit:close" | "sse-kit:shutdown" => return None,
                _ => {}
            }
        }
    }

    /// The next update that has a text.
    pub(crate) async fn update_with(&mut self, text: &str) -> String {
        for _ in 0..LONG {
            let update = self.update().await.expect("an update");
            if update.contains(text) {
                return update;
            }
        }
        panic!("no update has {text}");
    }
}
