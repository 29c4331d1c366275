//! The app itself: its state, its event, and its page, without a web framework.

use serde::{Deserialize, Serialize};
use sse_kit::htmx::{Dialect, ElementId, Endpoint, Html, PageScripts, Update};
use sse_kit::{ChangeError, EventData, Hub, Page, SseKit};

/// The htmx of the pages.
const HTMX: Dialect = Dialect::V4;

/// An event: the new count. The type names its event type once, and its topic has the same name.
#[derive(Serialize, Deserialize)]
pub(crate) struct Counted(u64);

impl EventData for Counted {
    const TYPE: &'static str = "count:changed";
}

/// Makes the app: the state, and what an event changes on every open page.
pub(crate) fn counter(hub: Hub) -> SseKit<u64> {
    let kit = SseKit::with_state(hub, 0).message_format(HTMX);
    kit.on(|Counted(count)| Update::fill(ElementId::from_static("count"), &Html::text(count)));
    kit
}

/// Changes the state and emits the event in one step, so pages get all changes in order.
pub(crate) async fn click(kit: &SseKit<u64>) -> Result<(), ChangeError> {
    kit.change(|count| {
        *count += 1;
        Counted(*count)
    })
    .await
}

/// Returns the scripts of a page: htmx from its CDN, and those that this app serves.
pub(crate) fn scripts() -> PageScripts {
    PageScripts::new(HTMX).script(sse_kit::monitor::script())
}

/// Reads the state and the cursor of the same moment: the page's stream goes on from there.
pub(crate) async fn page(kit: &SseKit<u64>) -> Page {
    let (count, cursor) = kit.read(|count| *count).await;
    let body = format!(
        r#"<h1>Counter</h1>
<p><b id="count">{count}</b> <button hx-post="/" hx-swap="none">+1</button></p>"#
    );
    Page::new(Endpoint::from_static("/events"), cursor)
        .scripts(scripts())
        .title("Counter")
        .body(Html::trusted(body))
}
