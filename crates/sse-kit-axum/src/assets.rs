//! The scripts that pages load.

use std::sync::Arc;

use axum::Router;
use axum::http::HeaderName;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sse_kit_htmx::{PageScripts, Script};

/// Serves our own scripts from the folder [`PageScripts::FOLDER`]: those that the markup for htmx needs, and
/// those of the monitor and the tabs where their features are on.
///
/// A file's name has a hash of its content, so browsers keep it without a limit. With the feature `gzip` each
/// file is compressed, once.
///
/// ```
/// use axum::Router;
/// use sse_kit_axum::assets;
/// use sse_kit_htmx::{Dialect, PageScripts};
///
/// let app: Router = Router::new().merge(assets());
/// let scripts = PageScripts::new(Dialect::V4); // which load from there
/// ```
pub fn assets<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let scripts = [
        Script::connection(),
        Script::swap(),
        #[cfg(feature = "monitor")]
        sse_kit_monitor::script(),
        #[cfg(feature = "tabs")]
        sse_kit_tabs::script(),
    ];
    assets_in(PageScripts::FOLDER.as_str(), scripts)
}

/// Serves scripts from a folder, as [`assets`] does: such as those of the app with those of sse-kit, by
/// [`PageScripts::files`].
///
/// # Panics
///
/// When `folder` does not begin with `/`, as [`Router::route`] does.
pub fn assets_in<S: Clone + Send + Sync + 'static>(
    folder: &str,
    scripts: impl IntoIterator<Item = Script>,
) -> Router<S> {
    let folder = folder.trim_end_matches('/');
    scripts.into_iter().fold(Router::new(), |router, script| {
        let path = format!("{folder}/{}", script.file_name());
        let file = Arc::new(File::new(&script));
        router.route(
            &path,
            get(move |request: axum::extract::Request| async move { file.respond(&request) }),
        )
    })
}

/// A script as it is sent.
struct File {
    source: axum::body::Bytes,
    #[cfg(feature = "gzip")]
    compressed: axum::body::Bytes,
}

impl File {
    fn new(script: &Script) -> Self {
        Self {
            source: script.source().to_owned().into(),
            #[cfg(feature = "gzip")]
            compressed: compress(script.source().as_bytes()).into(),
        }
    }

    #[cfg(feature = "gzip")]
    fn respond(&self, request: &axum::extract::Request) -> Response {
        use axum::http::header::{CONTENT_ENCODING, VARY};

        let varies = [(VARY, "accept-encoding")];
        if sse_kit_http::SseRequest::from(request).accepts_gzip() {
            let encoding = [(CONTENT_ENCODING, "gzip")];
            return (HEADERS, varies, encoding, self.compressed.clone()).into_response();
        }
        (HEADERS, varies, self.source.clone()).into_response()
    }

    #[cfg(not(feature = "gzip"))]
    fn respond(&self, _: &axum::extract::Request) -> Response {
        (HEADERS, self.source.clone()).into_response()
    }
}

const HEADERS: [(HeaderName, &str); 3] = [
    (CONTENT_TYPE, "text/javascript; charset=utf-8"),
    (CACHE_CONTROL, "public, max-age=31536000, immutable"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

#[cfg(feature = "gzip")]
fn compress(source: &[u8]) -> Vec<u8> {
    use std::io::Read;

    let mut compressed = Vec::new();
    let mut encoder = flate2::read::GzEncoder::new(source, flate2::Compression::best());
    encoder.read_to_end(&mut compressed).expect("memory can be read");
    compressed
}
