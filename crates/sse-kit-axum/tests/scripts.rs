//! The scripts that pages load.
#![cfg(all(feature = "monitor", feature = "tabs"))]

use std::io::Read;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use http_body_util::BodyExt;
use sse_kit_axum::{assets, assets_in};
use sse_kit_htmx::{Dialect, PageScripts, Script};
use sse_kit_tabs::{Identity, TabsConfig};
use sse_kit_test_support::TestResult;
use tower::ServiceExt;

#[tokio::test]
async fn every_script_of_a_page_is_there_and_kept_for_ever() -> TestResult {
    let app: Router = assets();
    for dialect in Dialect::ALL {
        let tabs = TabsConfig::new(["/events".parse()?], Identity::anyone()).script();
        let scripts = PageScripts::new(dialect).script(sse_kit_monitor::script()).script(tabs);
        let tags = scripts.to_string();
        for script in scripts.files() {
            let path = PageScripts::FOLDER.file(&script.file_name());
            assert!(tags.contains(&format!("src=\"{path}\"")), "{tags}");
            let response = app.clone().oneshot(Request::get(&path).body(Body::empty())?).await?;
            assert_eq!(response.status(), 200, "{path}");
            let headers = response.headers();
            assert_eq!(headers["content-type"], "text/javascript; charset=utf-8");
            assert_eq!(headers["cache-control"], "public, max-age=31536000, immutable");
            assert_eq!(headers["x-content-type-options"], "nosniff");
            let body = response.into_body().collect().await?.to_bytes();
            assert_eq!(body, script.source());

            let head = Request::builder().method(Method::HEAD).uri(&path).body(Body::empty())?;
            let response = app.clone().oneshot(head).await?;
            assert_eq!(response.headers()["content-length"], script.source().len().to_string());
        }
    }
    let other =
        Request::get(PageScripts::FOLDER.file("sse-kit-connection.js")).body(Body::empty())?;
    assert_eq!(app.oneshot(other).await?.status(), 404, "without its hash");
    Ok(())
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn a_script_is_compressed_where_the_browser_accepts_it() -> TestResult {
    let script = Script::new("own", "let a = 1;\n".repeat(100));
    let app: Router = assets_in("/files/", [script.clone()]);
    let request = Request::get(format!("/files/{}", script.file_name()));
    let request = request.header("accept-encoding", "gzip").body(Body::empty())?;
    let response = app.oneshot(request).await?;
    assert_eq!(response.headers()["content-encoding"], "gzip");
    assert_eq!(response.headers()["vary"], "accept-encoding");
    let body = response.into_body().collect().await?.to_bytes();
    assert!(body.len() < 100);
    let mut source = String::new();
    flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut source)?;
    assert_eq!(source, script.source());
    Ok(())
}
