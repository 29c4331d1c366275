//! A counter that every open page shows.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use sse_kit::axum::{self as live, Error, Live};
use sse_kit::htmx::{ElementId, Endpoint, Html, Update};
use sse_kit::{EventData, Hub, Page, SseKit};

/// An event: the new count. The type names its event type once, and its topic has the same name.
#[derive(Serialize, Deserialize)]
struct Counted(u64);

impl EventData for Counted {
    const TYPE: &'static str = "count:changed";
}

#[tokio::main]
async fn main() -> std::io::Result<std::process::ExitCode> {
    let kit = SseKit::with_state(Hub::new(), 0);
    // Ctrl-C says goodbye to every page; they come back when the server does.
    live::serve("127.0.0.1:8080", app(&kit), kit.hub()).await
}

fn app(kit: &SseKit<u64>) -> Router {
    // What an event changes on every open page.
    kit.on(|Counted(count)| Update::fill(ElementId::from_static("count"), &Html::text(count)));
    Router::new()
        .route("/", get(page).post(click))
        .route("/events", get(|live: Live| live.open(Counted::topic())))
        .merge(live::assets())
        .layer(live::same_site())
        .with_state(kit.clone())
}

/// Changes the state and emits the event in one step, so pages get all changes in order.
async fn click(State(kit): State<SseKit<u64>>) -> Result<(), Error> {
    kit.change(|count| {
        *count += 1;
        Counted(*count)
    })
    .await?;
    Ok(())
}

/// Reads the state and the cursor of the same moment: the page's stream goes on from there.
async fn page(State(kit): State<SseKit<u64>>) -> Page {
    let (count, cursor) = kit.read(|count| *count).await;
    let body = format!("<b id=count>{count}</b> <button hx-post=/ hx-swap=none>+1</button>");
    Page::new(Endpoint::from_static("/events"), cursor).title("Counter").body(Html::trusted(body))
}

#[cfg(test)]
mod tests;
