//! The viewers of the inspector, and the builds in which it is on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use sse_kit_broadcast::Hub;
use sse_kit_inspector::{AccessPolicy, Inspector, InspectorBuildError};

use super::TestResult;
use super::site::{HERE, Site, Stream};

const ROUTES: [(&str, &str); 6] = [
    ("GET", "/inspector"),
    ("GET", "/inspector/live"),
    ("GET", "/inspector/events/0"),
    ("GET", "/inspector/files/htmx.min.js"),
    ("POST", "/inspector/publish"),
    ("POST", "/inspector/disconnect"),
];

#[tokio::test(start_paused = true)]
async fn every_route_is_for_viewers_alone() -> TestResult {
    let site = Site::new();
    for (method, path) in ROUTES {
        let request = || Request::builder().method(method).uri(path).header("host", "localhost");
        let body = Empty::<Bytes>::new;
        let answer = site.inspector.answer(request().body(body())?, HERE).await;
        assert_ne!(answer.status(), StatusCode::FORBIDDEN, "{path}");
        for client in [None, Some("192.0.2.7".parse()?)] {
            let answer = site.inspector.answer(request().body(body())?, client).await;
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
        }
        let foreign = Request::builder().method(method).uri(path).header("host", "evil.example");
        let answer = site.inspector.answer(foreign.body(body())?, HERE).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_open_page_stops_when_its_viewer_may_no_longer_look() -> TestResult {
    let may_look = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&may_look);
    let viewers = AccessPolicy::when(move |_| asked.load(Ordering::Relaxed));
    let hub = Hub::new();
    let inspector = Inspector::builder(hub.clone(), viewers).in_release_builds().build()?;
    let site = Site { hub, inspector };
    let mut stream = Stream::new(site.send(Request::get("/inspector/live"), "").await);
    assert!(stream.update().await.is_some());
    may_look.store(false, Ordering::Relaxed);
    assert_eq!(stream.update().await, None);
    assert_eq!(site.get("/inspector").await.0, StatusCode::FORBIDDEN);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn it_is_off_in_release_builds_unless_it_is_asked_for() -> TestResult {
    let builder = || Inspector::builder(Hub::new(), AccessPolicy::checked_by_the_app());
    let hub = Hub::new();
    let inspector = Inspector::builder(hub.clone(), AccessPolicy::checked_by_the_app()).build()?;
    #[cfg(debug_assertions)]
    assert!(inspector.is_on());
    #[cfg(not(debug_assertions))]
    assert!(!inspector.is_on());
    assert!(builder().in_release_builds().build()?.is_on());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn its_path_is_its_own_and_plain() -> TestResult {
    let site = Site::with(|builder| builder.path("/admin/events"));
    assert_eq!(site.get("/admin/events").await.0, StatusCode::OK);
    assert_eq!(site.get("/admin/events/").await.0, StatusCode::OK);
    assert_eq!(site.get("/admin/events/none").await.0, StatusCode::NOT_FOUND);
    assert!(site.inspector.serves("/admin/events/live"));
    for path in ["/inspector", "/admin", "/admin/eventsx", "/"] {
        assert!(!site.inspector.serves(path), "{path}");
    }
    for path in ["", "/", "inspector", "/inspector/", "/a b", "/a?b", "/\u{e9}", "/a\"b"] {
        let builder = Inspector::builder(Hub::new(), AccessPolicy::on_this_machine()).path(path);
        assert!(matches!(builder.build(), Err(InspectorBuildError::Path(_))), "{path}");
    }
    Ok(())
}

#[test]
fn without_a_runtime_it_is_an_error() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let hub = {
        let _entered = runtime.enter();
        Hub::new()
    };
    let builder = Inspector::builder(hub, AccessPolicy::on_this_machine()).in_release_builds();
    assert!(matches!(builder.build(), Err(InspectorBuildError::Hub(_))));
}

#[tokio::test(start_paused = true)]
async fn every_answer_has_the_headers_that_keep_scripts_and_frames_of_others_out() {
    let site = Site::new();
    for (method, path) in ROUTES {
        let answer = site.send(Request::builder().method(method).uri(path), "").await;
        if answer.headers()["content-type"] == "text/event-stream" {
            continue;
        }
        let policy = answer.headers()["content-security-policy"].to_str().expect("text");
        assert!(policy.contains("default-src 'none'; script-src 'self'"), "{path}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{path}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{path}");
    }
    let page = site.page("").await;
    for inline in [" style=", "<style", "<script>", " onclick=", "javascript:", "https://"] {
        assert!(!page.contains(inline), "{inline}");
    }
}

#[cfg(feature = "axum")]
#[tokio::test(start_paused = true)]
async fn axum_serves_it_with_the_address_of_the_client() -> TestResult {
    use std::net::SocketAddr;

    use axum::extract::ConnectInfo;
    use tower::ServiceExt;

    let site = Site::new();
    let app: axum::Router = axum::Router::new().merge(site.inspector.routes());
    let get = |path: &str, client: Option<&str>| {
        let mut request = Request::get(path).header("host", "localhost");
        if let Some(client) = client {
            let client: SocketAddr = client.parse().expect("an address");
            request = request.extension(ConnectInfo(client));
        }
        request.body(axum::body::Body::empty())
    };
    for path in ["/inspector", "/inspector/", "/inspector/files/htmx.min.js", "/inspector/live"] {
        let here = app.clone().oneshot(get(path, Some("127.0.0.1:5000"))?).await?;
        assert_eq!(here.status(), StatusCode::OK, "{path}");
        for client in [None, Some("192.0.2.7:5000")] {
            let answer = app.clone().oneshot(get(path, client)?).await?;
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
        }
    }
    Ok(())
}
