//! A model for people who have none: it speaks the protocol, and knows one answer.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, Sse};
use axum::routing::post;
use axum::{Json, Router};
use futures_util::{Stream, StreamExt, stream};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The time between two tokens.
const PACE: Duration = Duration::from_millis(80);

/// Starts it on a free port of this machine, for as long as the process runs; returns its address.
pub(crate) async fn start() -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base_url = format!("http://{}/v1", listener.local_addr()?);
    tracing::info!("a stand-in answers; set LLM_BASE_URL for a real model");
    tokio::spawn(async move { axum::serve(listener, router(PACE)).await });
    Ok(base_url)
}

pub(crate) fn router(pace: Duration) -> Router {
    let completions = async move |Json(request): Json<Value>| Sse::new(chunks(&request, pace));
    Router::new().route("/v1/chat/completions", post(completions))
}

fn chunks(
    request: &Value,
    pace: Duration,
) -> impl Stream<Item = Result<Event, Infallible>> + Send + use<> {
    let prompt = request["messages"][0]["content"].as_str().unwrap_or_default();
    let answer = answer(prompt);
    let tokens: Vec<String> = answer.split_inclusive(' ').map(str::to_owned).collect();
    let role = json!({ "role": "assistant", "content": "" });
    let deltas = tokens.into_iter().map(|token| json!({ "content": token }));
    let deltas = std::iter::once(role).chain(deltas).chain([json!({})]);
    let chunks = deltas.map(|delta| json!({ "choices": [{ "index": 0, "delta": delta }] }));
    let data = chunks.map(|chunk| chunk.to_string()).chain(["[DONE]".to_owned()]);
    stream::iter(data.collect::<Vec<_>>()).then(move |data| async move {
        tokio::time::sleep(pace).await;
        Ok(Event::default().data(data))
    })
}

/// Returns the one answer that it knows.
pub(crate) fn answer(prompt: &str) -> String {
    format!(
        "You asked: {prompt}\n\nI am a stand-in, and this is all that I can say. While I say it, reload the \
         page, or open its address on another device: the answer goes on where it is. Cut the \
         connection, and the browser comes back and asks for what it missed. When I have said \
         everything, the stream ends, and the page asks for nothing more."
    )
}
