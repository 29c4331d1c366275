//! A page that is live.

use std::fmt;

use sse_kit_event::EventId;
use sse_kit_htmx::{Connect, Dialect, Endpoint, Html, PageScripts};
use sse_kit_monitor::MonitorConfig;

/// A page that is live: htmx from its CDN, its connection, and a monitor that shows the connection's state
/// and reloads the page when events are missing.
///
/// Our own scripts come from the folder [`PageScripts::FOLDER`], where `sse_kit::axum::assets` serves them.
/// A page with a layout of its own has the same parts, written by hand or by a template:
/// [`PageScripts`], [`Connect`] and [`MonitorConfig`].
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
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Page {
    title: Html,
    scripts: PageScripts,
    connect: Connect,
    monitor: MonitorConfig,
    body: Html,
}

impl Page {
    /// Makes a page for htmx 4 whose stream is at `endpoint`, and goes on from the cursor that its
    /// content was read with.
    pub fn new(endpoint: Endpoint, cursor: EventId) -> Self {
        Self {
            title: Html::default(),
            scripts: PageScripts::new(Dialect::V4),
            connect: Connect::new(endpoint).out_of_band().resume_from(cursor),
            monitor: MonitorConfig::new(),
            body: Html::default(),
        }
    }

    /// Sets the scripts: the version of htmx, the folders, a nonce, scripts of the app or of the tabs. The page
    /// has that of the monitor too.
    pub fn scripts(self, scripts: PageScripts) -> Self {
        Self { scripts, ..self }
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
        let Self { title, scripts, connect, monitor, body } = self;
        let connection = connect.attributes(scripts.dialect());
        let connection = connection.expect("both versions take updates out of band");
        let scripts = scripts.clone().script(sse_kit_monitor::script());
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
