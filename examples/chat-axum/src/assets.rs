//! The files that pages load: our own, those of sse-kit, and htmx's.

use std::path::{Path, PathBuf};

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use sse_kit::axum as live;
use sse_kit::htmx::{Dialect, PageScripts, Script};
use sse_kit::monitor;
use tower_http::services::ServeFile;

/// The source of htmx and our own scripts for pages.
#[derive(Clone, Debug)]
pub(crate) struct Assets {
    /// A folder `node_modules`; without one htmx comes from its CDN.
    node_modules: Option<PathBuf>,
}

/// The paths of htmx's files, on the server and in `node_modules`.
const LIBRARIES: [(&str, &str); 4] = [
    ("/assets/htmx4/htmx.min.js", "htmx.org/dist/htmx.min.js"),
    ("/assets/htmx4/hx-sse.min.js", "htmx.org/dist/ext/hx-sse.min.js"),
    ("/assets/htmx2/htmx.min.js", "htmx2/dist/htmx.min.js"),
    ("/assets/htmx2/sse.min.js", "htmx-ext-sse/dist/sse.min.js"),
];

impl Assets {
    pub(crate) fn new(node_modules: Option<&Path>) -> Self {
        Self { node_modules: node_modules.map(Path::to_owned) }
    }

    /// Returns the scripts of a page.
    pub(crate) fn scripts(&self, dialect: Dialect) -> PageScripts {
        let scripts = PageScripts::new(dialect).script(monitor::script()).script(chat());
        if self.node_modules.is_none() {
            return scripts;
        }
        let folder = format!("/assets/htmx{dialect}");
        scripts.htmx_from(folder.parse().expect("it is a path"))
    }

    /// Returns the policy of a page: it may load everything from here, and scripts from the CDN if
    /// they come from there.
    pub(crate) fn content_security_policy(&self) -> &'static str {
        match self.node_modules {
            Some(_) => {
                "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
            }
            None => {
                "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
                 script-src 'self' https://cdn.jsdelivr.net/npm/"
            }
        }
    }

    /// Returns the routes that serve the files.
    pub(crate) fn router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let style = file("text/css; charset=utf-8", include_str!("../assets/chat.css"));
        let icon = file("image/svg+xml", include_str!("../assets/icon.svg"));
        let mut router = Router::new()
            .route("/assets/chat.css", get(|| async { style }))
            .route("/assets/icon.svg", get(|| async { icon }))
            .merge(live::assets())
            .merge(live::assets_in(PageScripts::FOLDER.as_str(), [chat()]));
        for (path, file) in LIBRARIES {
            if let Some(folder) = &self.node_modules {
                router = router.route_service(path, ServeFile::new(folder.join(file)));
            }
        }
        router
    }
}

/// Serves a file that a browser asks for each time.
fn file(content_type: &'static str, content: &'static str) -> impl IntoResponse + Clone {
    ([(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-cache")], content)
}

/// Empties the field when what was typed in it is said.
fn chat() -> Script {
    Script::new("chat", include_str!("../assets/chat.js"))
}
