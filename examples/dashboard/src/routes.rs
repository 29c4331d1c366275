//! What a browser meets.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{FromRef, Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use sse_kit::axum::{self as live, Error, Live};
use sse_kit::broadcast::SlowConsumer;
use sse_kit::htmx::{Attributes, Connect, Endpoint, Fragment, PageScripts};
use sse_kit::http::SseResponse;
use sse_kit::monitor::{self, MonitorConfig};
use sse_kit::{Hub, SseKit};

use crate::figures::Dashboard;
use crate::panels::{DiskList, PAGES, Panels};

/// The state that all requests share. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) kit: SseKit<Dashboard>,
    /// The name of the machine.
    pub(crate) machine: Arc<str>,
}

/// Where [`Live`] finds the hub.
impl FromRef<App> for Hub {
    fn from_ref(app: &App) -> Self {
        app.kit.hub().clone()
    }
}

pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/events", get(events))
        .route("/style.css", get(style))
        .merge(live::assets())
        .with_state(app)
}

/// The stream of a page. One that is slow gets the newest figures, and none of those before.
async fn events(live: Live) -> Result<SseResponse, Error> {
    let live = live.gzip();
    match live.subscribe(PAGES).slow_consumer(SlowConsumer::Conflate).backfill().await {
        Ok(subscription) => Ok(live.respond(subscription)),
        Err(error) => Err(live.refuse(error)),
    }
}

/// The query of a page.
#[derive(Debug, Deserialize)]
struct Asked {
    /// `?htmx=2` is a page on htmx 2.
    htmx: Option<String>,
}

#[derive(Debug, Template)]
#[template(path = "page.html")]
struct Page<'a> {
    machine: &'a str,
    scripts: PageScripts,
    connection: Attributes,
    monitor: MonitorConfig,
    panels: Panels<'a>,
    disks: DiskList<'a>,
}

/// The page, and where its stream goes on. An old copy of it is of no use.
async fn page(State(app): State<App>, Query(asked): Query<Asked>) -> Result<Response, Error> {
    let (dashboard, cursor) = app.kit.read(Dashboard::clone).await;
    let dialect = asked.htmx.and_then(|version| version.parse().ok()).unwrap_or_default();
    let connect = Connect::new(Endpoint::from_static("/events")).out_of_band().resume_from(cursor);
    let page = Page {
        machine: &app.machine,
        scripts: PageScripts::new(dialect).script(monitor::script()),
        connection: connect.attributes(dialect).map_err(Error::internal)?,
        monitor: MonitorConfig::new(),
        panels: Panels { figures: &dashboard.figures },
        disks: DiskList { disks: &dashboard.disks },
    };
    let html = page.render().map_err(Error::internal)?;
    Ok(([(CACHE_CONTROL, "no-store"), (CONTENT_SECURITY_POLICY, POLICY)], Html(html))
        .into_response())
}

/// All is from here, but for htmx, which is from its CDN.
const POLICY: &str = "default-src 'self'; script-src 'self' https://cdn.jsdelivr.net/npm/; img-src 'self' data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

async fn style() -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "no-cache")];
    (headers, include_str!("../assets/style.css"))
}
