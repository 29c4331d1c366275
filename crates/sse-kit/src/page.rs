//! A page that is live.

use std::error::Error;
use std::fmt;

use sse_kit_event::EventId;
use sse_kit_htmx::{Connect, Dialect, Endpoint, Html, PageScripts};
use sse_kit_monitor::MonitorConfig;

type BoxError = Box<dyn Error + Send + Sync>;

/// A page that is live: htmx from its CDN, its connection, and a monitor that shows the connection's state
/// and loads the page anew when events are missing.
///
/// Our own scripts come from the folder [`Page::SCRIPTS`], where `sse_kit::axum::assets` serves them. A
/// page that needs more than this is written by hand or by a template: see the guides to markup and
/// monitoring.
///
/// ```
/// use sse_kit::htmx::Html;
/// use sse_kit::{Hub, Page};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let page = Page::new("/events", Hub::new().cursor())?.title("Count");
/// let html = page.body(Html::trusted("<b id=\"count\">0</b>")).to_string();
/// assert!(html.contains("<title>Count</title>") && html.contains("/events?last_event_id="));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Page {
    title: Html,
    scripts: PageScripts,
    connection: String,
    monitor: MonitorConfig,
    body: Html,
}

impl Page {
    /// The folder from which the page loads our own scripts.
    pub const SCRIPTS: &str = "/sse-kit";

    /// Makes a page for htmx 4 whose stream is at `endpoint`, and goes on from the cursor that its
    /// content was read with.
    ///
    /// # Errors
    ///
    /// [`PageError`] when `endpoint` is no path or URL.
    pub fn new(endpoint: &str, cursor: EventId) -> Result<Self, PageError> {
        let fail = |source: BoxError| PageError { endpoint: endpoint.to_owned(), source };
        let url: Endpoint = endpoint.parse().map_err(|error| fail(BoxError::from(error)))?;
        let folder = Self::SCRIPTS.parse().map_err(|error| fail(BoxError::from(error)))?;
        let connect = Connect::new(url).out_of_band().resume_from(cursor);
        let attributes = connect.attributes(Dialect::V4).map_err(|error| fail(error.into()))?;
        Ok(Self {
            title: Html::default(),
            scripts: PageScripts::cdn(Dialect::V4)
                .own_from(folder)
                .script(sse_kit_monitor::script()),
            connection: attributes.to_string(),
            monitor: MonitorConfig::new(),
            body: Html::default(),
        })
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
        let Self { title, scripts, connection, monitor, body } = self;
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

/// The reason why there is no page: its endpoint is no path or URL.
#[derive(Debug, thiserror::Error)]
#[error("`{endpoint}` is no path or URL of a stream")]
pub struct PageError {
    endpoint: String,
    source: BoxError,
}

#[cfg(feature = "axum")]
impl From<PageError> for sse_kit_axum::Error {
    fn from(error: PageError) -> Self {
        Self::internal(error)
    }
}
