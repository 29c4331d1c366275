//! The inspector, and its routes.

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use sse_kit_broadcast::Hub;
use sse_kit_event::Topics;
use sse_kit_htmx::{Fragment, Html};
use sse_kit_http::{Quota, SseResponse, ensure_same_site};
use tokio::task::JoinHandle;

use crate::access_policy::AccessPolicy;
use crate::action::{self, Refusal};
use crate::body::InspectorBody;
use crate::builder::{InspectorBuildError, InspectorBuilder};
use crate::collector::Collector;
use crate::detail::Detail;
use crate::files::Files;
use crate::filter::View;
use crate::form::Form;
use crate::links::{Links, Route};
use crate::live::LivePage;
use crate::page::Page;
use crate::recorder::Recorder;
use crate::renders::Renders;
use crate::reply::{self, Reply};
use crate::sections::PageSource;
use crate::viewer::Viewer;

/// The maximum number of pages that are updated at a time.
const MAX_LIVE_PAGES: usize = 8;

/// The delay after which a page that finds no room reconnects, at most.
const BUSY: Duration = Duration::from_secs(10);

/// The inspector of a hub. Cloning is cheap; all clones are the same inspector.
///
/// It records until the last clone is dropped. It keeps the hub alive, as a handle of the app's does.
#[derive(Clone, Debug)]
pub struct Inspector {
    links: Links,
    /// `None` if it is off.
    active: Option<Arc<Active>>,
}

#[derive(Debug)]
struct Active {
    source: Arc<PageSource>,
    access: AccessPolicy,
    /// The hub of the pages' own streams, apart from the connections of the app.
    pages: Hub,
    live_pages: Quota,
    collecting: JoinHandle<()>,
}

impl Drop for Active {
    fn drop(&mut self) {
        self.collecting.abort();
    }
}

impl Inspector {
    /// Begins to build the inspector of a hub, for the viewers that a policy allows.
    pub fn builder(hub: Hub, access: AccessPolicy) -> InspectorBuilder {
        InspectorBuilder::new(hub, access)
    }

    pub(crate) fn off(links: Links) -> Self {
        Self { links, active: None }
    }

    pub(crate) fn start(
        settings: InspectorBuilder,
        links: Links,
    ) -> Result<Self, InspectorBuildError> {
        let InspectorBuilder { hub, access, describe, is_read_only, .. } = settings;
        // Within a runtime, or it fails; so the task can be spawned.
        let pages = Hub::builder().shards(1).history(0).build()?;
        let recorder = Arc::new(Recorder::new(describe));
        let collector = Collector::new(hub.clone(), pages.clone(), Arc::clone(&recorder));
        let active = Active {
            source: Arc::new(PageSource {
                hub,
                recorder,
                links: links.clone(),
                is_read_only,
                renders: Renders::new(),
            }),
            access,
            pages,
            live_pages: Quota::new().total(MAX_LIVE_PAGES),
            collecting: tokio::spawn(collector.run()),
        };
        Ok(Self { links, active: Some(Arc::new(active)) })
    }

    /// Returns the path of the page.
    pub fn path(&self) -> &str {
        self.links.page()
    }

    /// Returns `true` if the inspector is on; otherwise it answers each request with status 404.
    pub fn is_on(&self) -> bool {
        self.active.is_some()
    }

    /// Returns `true` if a request for this path is for the inspector.
    pub fn serves(&self, path: &str) -> bool {
        self.links.strip(path).is_some()
    }

    #[cfg(feature = "dispatch")]
    pub(crate) fn recorder(&self) -> Option<Arc<Recorder>> {
        self.active.as_ref().map(|active| Arc::clone(&active.source.recorder))
    }

    /// Answers a request. `client` is the address of the connection that the request came by, if it
    /// is known; [`AccessPolicy::on_this_machine`] allows nobody whose address is not.
    ///
    /// The response ends by itself when the hub of the app shuts down: an open page then reconnects
    /// within 2 s.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, the event that the request publishes may or may
    /// not be published.
    pub async fn answer<B>(
        &self,
        request: Request<B>,
        client: Option<IpAddr>,
    ) -> Response<InspectorBody>
    where
        B: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
    {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let (Some(active), Some(route)) = (&self.active, self.links.route(&path)) else {
            return reply::text(StatusCode::NOT_FOUND, "there is nothing here");
        };
        let viewer = Viewer::of(&parts, client);
        if !active.access.allow(&parts, client) {
            return refuse(viewer, &path, "the inspector is not for this client");
        }
        // Also to look: a page of another site could keep the server busy with what it embeds.
        if let Err(error) = ensure_same_site(&parts.uri, &parts.headers)
            && !(is_navigation(&parts) && route.is_page())
        {
            return refuse(viewer, &path, &error.to_string());
        }
        match (&parts.method, route) {
            (&Method::POST, route) if route.is_action() => {
                active.act(&parts, viewer, body, route).await
            }
            (_, route) if route.is_action() => reply::not_allowed("POST"),
            (&Method::GET | &Method::HEAD, route) => active.show(parts, client, route).await,
            _ => reply::not_allowed("GET, HEAD"),
        }
    }
}

impl Active {
    async fn show(&self, request: Parts, client: Option<IpAddr>, route: Route<'_>) -> Reply {
        let PageSource { links, .. } = &*self.source;
        if let Route::File(name) = route {
            return match Files::find(links, name) {
                Some(file) => reply::file(file),
                None => reply::text(StatusCode::NOT_FOUND, "there is no such file"),
            };
        }
        let view = match View::of(request.uri.query()) {
            Ok(view) => view,
            Err(error) => return reply::text(StatusCode::BAD_REQUEST, &error.to_string()),
        };
        if let Route::Live = route {
            return self.live(request, client, view);
        }
        let Ok(_permit) = self.source.renders.admit() else { return reply::busy() };
        match route {
            Route::Event(number) => self.event(&request, &view, number).await,
            Route::NoEvent => {
                // It takes the focus, which else would go to the top of the page.
                let closed = "<p class=\"visually-hidden\" tabindex=\"-1\" autofocus>Closed</p>";
                reply::html(StatusCode::OK, &Html::trusted(closed))
            }
            _ => {
                let notice = self.notice(&view);
                self.page(StatusCode::OK, &view, |page| page.with_notice(notice)).await
            }
        }
    }

    /// Returns the outcome of the last action, or the error of the filter.
    fn notice(&self, view: &View) -> Html {
        let done = view.notice.and_then(|number| self.source.recorder.notice(number));
        match (done, &view.problem) {
            (Some(done), _) => notice("done", &done),
            (None, Some(problem)) => notice("refused", problem),
            (None, None) => Html::default(),
        }
    }

    async fn page(
        &self,
        status: StatusCode,
        view: &View,
        with: impl FnOnce(Page<'_>) -> Page<'_>,
    ) -> Reply {
        match Page::new(&self.source, view).await {
            Ok(page) => reply::html(status, &with(page)),
            Err(error) => {
                let error: &dyn Error = &error;
                tracing::error!(error, "the inspector cannot be rendered");
                reply::text(StatusCode::INTERNAL_SERVER_ERROR, "see the log of the server")
            }
        }
    }

    fn live(&self, request: Parts, client: Option<IpAddr>, view: View) -> Reply {
        let Ok(permit) = self.live_pages.admit("viewer") else {
            return SseResponse::busy(BUSY).map(InspectorBody::from);
        };
        let subscription = match self.pages.subscribe(Topics::none()).open() {
            Ok(subscription) => subscription,
            Err(_shutting_down) => return SseResponse::busy(BUSY).map(InspectorBody::from),
        };
        let (source, access) = (Arc::clone(&self.source), self.access.clone());
        let view = Arc::new(view);
        let updates = LivePage { source, view, access, request, client }.updates();
        let response = SseResponse::new(subscription).stream(updates).keep(permit);
        response.into_response().map(InspectorBody::from)
    }

    async fn event(&self, request: &Parts, view: &View, number: u64) -> Reply {
        let found = self.source.recorder.recorded.lock().events.get(number).cloned();
        let detail = match &found {
            Some(event) => Detail::new(&self.source.links, view, event).to_html(),
            None => Ok(Html::trusted("<p class=\"note\">This event is not recorded any more.</p>")),
        };
        let Ok(detail) = detail else {
            return reply::text(StatusCode::INTERNAL_SERVER_ERROR, "the event cannot be shown");
        };
        let status = if found.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
        if is_by_htmx(request) {
            return reply::html(status, &detail);
        }
        // A browser without script, or a link that was shared: a page that stays as it is.
        self.page(status, &view.paused(), |page| page.with_detail(detail)).await
    }

    async fn act<B>(&self, request: &Parts, viewer: Viewer<'_>, body: B, route: Route<'_>) -> Reply
    where
        B: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
    {
        if self.source.is_read_only {
            return refuse(viewer, request.uri.path(), &Refusal::ReadOnly.to_string());
        }
        let outcome = self.try_to_act(viewer, body, route).await;
        let (status, notice) = match &outcome {
            // The button that was used may be gone with its row.
            Ok(done) if matches!(route, Route::Disconnect) => (StatusCode::OK, focused(done)),
            Ok(done) => (StatusCode::OK, notice("done", done)),
            Err(refusal) => (refusal.status(), notice("refused", &refusal.to_string())),
        };
        if is_by_htmx(request) {
            return reply::html(status, &notice);
        }
        let view = View::of(request.uri.query()).unwrap_or_default();
        if let Ok(done) = outcome {
            let page = view.at(self.source.links.page(), view.is_paused);
            let separator = if page.contains('?') { '&' } else { '?' };
            let number = self.source.recorder.keep_notice(&done);
            return reply::see(&format!("{page}{separator}notice={number}"));
        }
        let Ok(_permit) = self.source.renders.admit() else { return reply::busy() };
        self.page(status, &view, |page| page.with_notice(notice)).await
    }

    async fn try_to_act<B>(
        &self,
        viewer: Viewer<'_>,
        body: B,
        route: Route<'_>,
    ) -> Result<String, Refusal>
    where
        B: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
    {
        let form = Form::read(body).await?;
        match route {
            Route::Publish => action::publish(&self.source.hub, &form, viewer).await,
            _ => action::disconnect(&self.source.hub, &form, viewer),
        }
    }
}

/// Refuses a request before anything is read or rendered for it.
fn refuse(viewer: Viewer<'_>, path: &str, reason: &str) -> Reply {
    let Viewer { name, address } = viewer;
    tracing::info!(
        path,
        reason,
        viewer = name,
        client = address.map(display),
        "a request to the inspector was refused"
    );
    reply::text(StatusCode::FORBIDDEN, reason)
}

/// Returns `true` if a browser shows the answer in a window of its own: the user has followed a link.
fn is_navigation(request: &Parts) -> bool {
    let is = |name: &str, value: &str| request.headers.get(name).is_some_and(|said| said == value);
    request.method != Method::POST
        && is("sec-fetch-mode", "navigate")
        && is("sec-fetch-dest", "document")
}

fn is_by_htmx(request: &Parts) -> bool {
    request.headers.contains_key("hx-request")
}

/// Returns the outcome of an action, which takes the focus.
fn focused(text: &str) -> Html {
    let text = Html::text(text);
    Html::trusted(format!("<p data-kind=\"done\" tabindex=\"-1\" autofocus>{text}</p>"))
}

fn notice(kind: &str, text: &str) -> Html {
    let (kind, text) = (Html::text(kind), Html::text(text));
    Html::trusted(format!("<p data-kind=\"{kind}\">{text}</p>"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::Empty;

    use super::*;

    #[tokio::test]
    async fn one_that_is_off_answers_nothing_and_keeps_no_hub() {
        let hub = Hub::new();
        let mut page = hub.subscribe(Topics::none()).open().unwrap();
        let builder = Inspector::builder(hub, AccessPolicy::checked_by_the_app());
        let inspector = builder.released().build().unwrap();
        assert!(!inspector.is_on());
        for path in ["/inspector", "/inspector/live", "/inspector/files/htmx.min.js"] {
            let request = Request::get(path).body(Empty::<Bytes>::new()).unwrap();
            let answer = inspector.answer(request, Some([127, 0, 0, 1].into())).await;
            assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        }
        let ended = sse_kit_test_support::in_time("the hub is gone", page.recv()).await;
        assert!(ended.is_none());
    }
}
