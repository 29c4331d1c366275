//! A page that is live.

use std::fmt;

use sse_kit_event::EventId;
use sse_kit_htmx::{Connect, Dialect, Endpoint, Html, PageScripts, ScriptFolder};
use sse_kit_monitor::MonitorConfig;

/// A page that is live: htmx from its CDN, its connection, and a monitor that shows the connection's state
/// and reloads the page when events are missing.
///
/// Our own scripts come from the folder [`Page::SCRIPTS`], where `sse_kit::axum::assets` serves them. A
/// page that needs more than this is written by hand or by a template: see the guides to markup and
/// monitoring.
///
/// ```
/// use sse_kit::htmx::{Endpoint, Html};
/// use sse_kit::{Hub, Page};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let page = Page::new(Endpoint::from_static("/events"), Hub::new().cursor()).title("Count");
/// let html = page.body(Html::trusted("<b id=\"count\">0</b>")).to_string();
/// assert!(html.contains("<title>Count</title>") && html.contains("/events?last_event_id="));
/// assert!(html.contains("htmx.org@4"));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Page {
    title: Html,
    dialect: Dialect,
    connect: Connect,
    monitor: MonitorConfig,
    body: Html,
}

impl Page {
    /// The folder from which the page loads our own scripts.
    pub const SCRIPTS: &str = "/sse-kit";

    /// Makes a page for htmx 4 whose stream is at `endpoint`, and goes on from the cursor that its
    /// content was read with.
    pub fn new(endpoint: Endpoint, cursor: EventId) -> Self {
        Self {
            title: Html::default(),
            dialect: Dialect::V4,
            connect: Connect::new(endpoint).out_of_band().resume_from(cursor),
            monitor: MonitorConfig::new(),
            body: Html::default(),
        }
    }

    /// Sets which htmx the page loads; htmx 4 unless set. The kit must write messages that it can read:
    /// see [`SseKit::message_format`](crate::SseKit::message_format).
    pub fn htmx(self, dialect: Dialect) -> Self {
        Self { dialect, ..self }
    }

    /// Sets the title.
    pub fn title(self, title: impl fmt::Display) -> Self {
        Self { title: Html::text(title), ..self }
    }

    /// Sets how the connection is watched.
    pub fn monitor(self, monitor: MonitorConfig) -> Self {
        Self { monitor, ..self }
    }

    /// Sets the content.
    pub fn body(self, body: impl Into<Html>) -> Self {
        Self { body: body.into(), ..self }
    }
}

/// The page as HTML.
impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { title, dialect, connect, monitor, body } = self;
        let scripts = PageScripts::cdn(*dialect)
            .own_from(ScriptFolder::from_static(Self::SCRIPTS))
            .script(sse_kit_monitor::script());
        let connection = connect.attributes(*dialect).expect("each has out-of-band updates");
        let (status, settings) = (monitor.status_element(), monitor.data_block());
        write!(
            f,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n{scripts}</head>\n<body>\n{body}\n{status}\n\
             <div id=\"{id}\"{connection}></div>\n{settings}\n</body>\n</html>\n",
            id = MonitorConfig::CONNECTION,
        )
    }
}

/// A response that no cache keeps: it holds a cursor, and the state of one moment.
#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for Page {
    fn into_response(self) -> axum_core::response::Response {
        let headers = [("content-type", "text/html; charset=utf-8"), ("cache-control", "no-store")];
        axum_core::response::IntoResponse::into_response((headers, self.to_string()))
    }
}
