//! The routes of the server.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_SECURITY_POLICY};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use hyper::body::Body;
use serde_json::json;
use sse_kit::Hub;
use sse_kit::htmx::Dialect;
use sse_kit::http::{HostRules, Quota, SseRequest, SseResponse, ensure_same_site};
use sse_kit::monitor::Overlay;
use sse_kit::serve::ServeStatus;
use sse_kit::shutdown::Shutdown;

use crate::assets::Assets;
use crate::board::Board;
use crate::form::{self, Refusal};
use crate::job::JobId;
use crate::page::{self, Page, RefusalMessage};
use crate::reply::{self, Reply};
use crate::runner::Runner;

/// After how long a page comes back that finds no room: at most this, at random.
const BUSY: Duration = Duration::from_secs(5);

/// The state that all requests share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) hub: Hub,
    pub(crate) shutdown: Shutdown,
    pub(crate) board: Arc<Board>,
    pub(crate) runner: Runner,
    pub(crate) assets: Assets,
    pub(crate) limits: Quota,
    pub(crate) hosts: HostRules,
    pub(crate) server: ServeStatus,
    /// The folder that the form proposes.
    pub(crate) folder: PathBuf,
}

/// The meaning of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route<'a> {
    Page,
    Events,
    Start,
    Cancel(JobId),
    Stats,
    Health,
    Asset(&'a str),
}

impl<'a> Route<'a> {
    fn of(path: &'a str) -> Option<Self> {
        Some(match path {
            "/" => Self::Page,
            "/events" => Self::Events,
            "/jobs" => Self::Start,
            "/stats" => Self::Stats,
            "/healthz" => Self::Health,
            path if path.starts_with("/assets/") => Self::Asset(path),
            path => {
                let id = path.strip_prefix("/jobs/")?.strip_suffix("/cancel")?;
                Self::Cancel(id.parse().ok()?)
            }
        })
    }

    fn allows(self, method: &Method) -> bool {
        match self {
            Self::Start | Self::Cancel(_) => method == Method::POST,
            _ => method == Method::GET || method == Method::HEAD,
        }
    }
}

impl App {
    pub(crate) async fn answer<B>(&self, request: Request<B>, client: IpAddr) -> Reply
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let (parts, body) = request.into_parts();
        if let Err(error) = self.hosts.ensure(&parts.uri, &parts.headers) {
            return reply::text(StatusCode::FORBIDDEN, &format!("{error}; see `--host`"));
        }
        let path = parts.uri.path();
        let Some(route) = Route::of(path) else {
            return reply::text(StatusCode::NOT_FOUND, "There is nothing here.");
        };
        if !route.allows(&parts.method) {
            return not_allowed(route);
        }
        match route {
            Route::Page => self.page(StatusCode::OK, View::of(&parts.uri), "").await,
            Route::Events => self.events(SseRequest::from(&parts), client).await,
            Route::Start => {
                let outcome = self.start(&parts.uri, &parts.headers, body).await;
                self.posted(outcome, &parts.headers).await
            }
            Route::Cancel(id) => {
                let outcome = self.cancel(&parts.uri, &parts.headers, id).await;
                self.posted(outcome, &parts.headers).await
            }
            Route::Stats => self.stats().await,
            Route::Health if !self.shutdown.is_ready() => {
                reply::text(StatusCode::SERVICE_UNAVAILABLE, "draining")
            }
            Route::Health => reply::text(StatusCode::OK, "ok"),
            Route::Asset(path) => match self.assets.file(path) {
                Some(file) => reply::file(file),
                None => reply::text(StatusCode::NOT_FOUND, "There is no such file."),
            },
        }
    }

    async fn page(&self, status: StatusCode, view: View, refusal: &str) -> Reply {
        let View { dialect, overlay } = view;
        let snapshot = self.board.snapshot().await;
        let page = Page {
            dialect,
            scripts: self.assets.scripts(dialect),
            connection: page::connection(dialect, snapshot.cursor),
            monitor: page::monitor(overlay),
            folder: &self.folder,
            refusal,
            jobs: &snapshot.newest_first,
        };
        let mut response = rendered(status, &page);
        let policy = HeaderValue::from_static(self.assets.content_security_policy());
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
        response
    }

    async fn events(&self, request: SseRequest<'_>, client: IpAddr) -> Reply {
        let Ok(permit) = self.limits.admit(client) else {
            tracing::debug!(%client, "there is no room for another page");
            return reply::stream(SseResponse::busy(BUSY));
        };
        reply::stream(match self.board.watch(request.last_event_id(), client).await {
            Ok(subscription) => SseResponse::new(subscription).keep(permit).into_response(),
            Err(error) => {
                tracing::debug!(%error, "a page is asked to come back later");
                SseResponse::busy(BUSY)
            }
        })
    }

    async fn start<B>(&self, uri: &Uri, headers: &HeaderMap, body: B) -> Result<JobId, Refusal>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        ensure_same_site(uri, headers)?;
        let folder = form::read_folder(body).await?;
        Ok(self.runner.start(folder).await?)
    }

    async fn cancel(&self, uri: &Uri, headers: &HeaderMap, id: JobId) -> Result<JobId, Refusal> {
        ensure_same_site(uri, headers)?;
        self.board.cancel(id).await?;
        Ok(id)
    }

    /// Answers a form. The changes come by the stream, on this page as on all others, so htmx only
    /// learns whether the form is refused; a browser without script loads the page again.
    async fn posted(&self, outcome: Result<JobId, Refusal>, headers: &HeaderMap) -> Reply {
        let by_htmx = headers.contains_key("hx-request");
        match outcome {
            Ok(_) if by_htmx => rendered(StatusCode::OK, &RefusalMessage { refusal: "" }),
            Ok(id) => reply::to_job(id),
            Err(refusal) => {
                let (status, refusal) = (refusal.status(), refusal.to_string());
                if by_htmx {
                    rendered(status, &RefusalMessage { refusal: &refusal })
                } else {
                    self.page(status, View::default(), &refusal).await
                }
            }
        }
    }

    async fn stats(&self) -> Reply {
        let (jobs, unfinished) = self.board.count().await;
        let events = self.hub.stats();
        let mut stats = json!(events);
        // No page is too slow for a queue that conflates; but one may read nothing at all.
        stats["evicted"] = (events.evicted + self.server.stats().write_timeouts).into();
        // The board's own connection, on which it receives the messages of other nodes, is no page.
        stats["connections"] =
            (events.connections.saturating_sub(self.board.own_connections())).into();
        stats["refused"] = (events.refused + self.limits.refused()).into();
        stats["jobs"] = jobs.into();
        stats["unfinished"] = unfinished.into();
        reply::json(&stats)
    }
}

/// The query of a page.
#[derive(Clone, Copy, Debug, Default)]
struct View {
    dialect: Dialect,
    overlay: Overlay,
}

impl View {
    /// Reads `?htmx=2`, and `?overlay=1` for the panel for developers.
    fn of(uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        let value = |name: &str| {
            form_urlencoded::parse(query.as_bytes())
                .find_map(|(found, value)| (found == name).then_some(value))
        };
        let dialect = value("htmx").and_then(|version| version.parse().ok()).unwrap_or_default();
        let overlay = if value("overlay").is_some_and(|value| value == "1") {
            Overlay::On
        } else {
            Overlay::Off
        };
        Self { dialect, overlay }
    }
}

fn rendered(status: StatusCode, template: &impl Template) -> Reply {
    match template.render() {
        Ok(html) => reply::html(status, html),
        Err(error) => {
            tracing::error!(%error, "a template cannot be rendered");
            reply::text(StatusCode::INTERNAL_SERVER_ERROR, "The page cannot be rendered.")
        }
    }
}

fn not_allowed(route: Route<'_>) -> Reply {
    let allowed = if route.allows(&Method::POST) { "POST" } else { "GET, HEAD" };
    let mut response = reply::text(StatusCode::METHOD_NOT_ALLOWED, "Not by this method.");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

#[cfg(test)]
mod tests;
