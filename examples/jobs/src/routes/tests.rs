mod converging;

use std::net::Ipv4Addr;

use http::header::LOCATION;
use http_body_util::{BodyExt, Full};

use super::*;

fn app() -> App {
    app_on(Hub::new())
}

fn app_on(hub: Hub) -> App {
    let board = Arc::new(Board::new(hub.clone(), None));
    let runner = Runner::new(Arc::clone(&board));
    let assets = Assets::load(None).unwrap();
    let limits = Quota::new().total(10).per_client(1);
    let folder = "/tmp/\"><script>".into();
    let shutdown = Shutdown::builder().hub(hub.clone()).build();
    let (hosts, server) = (HostRules::default(), ServeStatus::default());
    App { hub, shutdown, board, runner, assets, limits, hosts, server, folder }
}

async fn send(app: &App, request: http::request::Builder, body: &str) -> (StatusCode, Reply) {
    let request = request.body(Full::<Bytes>::new(body.to_owned().into())).unwrap();
    let response = app.answer(request, Ipv4Addr::LOCALHOST.into()).await;
    (response.status(), response)
}

async fn text(response: Reply) -> String {
    let body = response.into_body().collect().await.unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn the_page_names_its_cursor_and_escapes_what_it_is_given() {
    let app = app();
    for (path, attribute) in [
        ("/", "hx-sse:connect=\"/events?last_event_id="),
        ("/?htmx=4", "hx-sse:connect=\"/events?last_event_id="),
        ("/?htmx=2", " sse-connect=\"/events?last_event_id="),
    ] {
        let (status, response) = send(&app, Request::get(path), "").await;
        assert_eq!(status, StatusCode::OK);
        assert!(response.headers().contains_key(CONTENT_SECURITY_POLICY));
        let page = text(response).await;
        assert!(page.contains(&format!("{attribute}{}\"", app.hub.cursor())), "{path}");
        assert!(page.contains("value=\"/tmp/&#34;&#62;&#60;script&#62;\""));
        assert!(!page.contains(" style=") && !page.contains("<script>"), "{path}");
    }
}

#[tokio::test]
async fn a_form_without_script_leads_back_to_the_page() {
    let app = app();
    let (status, response) = send(&app, Request::post("/jobs"), "path=%2Fno%2Fsuch").await;
    assert_eq!(
        (status, &response.headers()[LOCATION]),
        (StatusCode::SEE_OTHER, &"/#job-1".parse().unwrap())
    );
    let (status, response) = send(&app, Request::post("/jobs/1/cancel"), "").await;
    assert_eq!(
        (status, &response.headers()[LOCATION]),
        (StatusCode::SEE_OTHER, &"/#job-1".parse().unwrap())
    );

    let (status, response) = send(&app, Request::post("/jobs"), "path=").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(text(response).await.contains("role=\"alert\">Which folder?"));
}

#[tokio::test]
async fn a_form_of_htmx_gets_the_refusal_alone() {
    let app = app();
    let post = |path: &str| Request::post(path).header("hx-request", "true");
    let (status, response) = send(&app, post("/jobs"), "path=%2Fno%2Fsuch").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(text(response).await, "<p id=\"refusal\" hx-swap-oob=\"innerHTML\"></p>");
    let (status, response) = send(&app, post("/jobs/7/cancel"), "").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(text(response).await.contains("There is no such job any more."));
}

#[tokio::test]
async fn another_site_changes_nothing() {
    let app = app();
    for path in ["/jobs", "/jobs/1/cancel"] {
        let request = Request::post(path).header("sec-fetch-site", "cross-site");
        assert_eq!(send(&app, request, "path=/").await.0, StatusCode::FORBIDDEN);
        let request = Request::post(path).header("host", "localhost").header("origin", "http://b");
        assert_eq!(send(&app, request, "path=/").await.0, StatusCode::FORBIDDEN);
    }
    assert_eq!(app.board.count().await, (0, 0));
}

#[tokio::test]
async fn paths_and_methods() {
    let app = app();
    for (request, expected) in [
        (Request::get("/healthz"), StatusCode::OK),
        (Request::head("/stats"), StatusCode::OK),
        (Request::get("/events"), StatusCode::OK),
        (Request::get("/assets/style.css"), StatusCode::OK),
        (Request::get("/assets/../Cargo.toml"), StatusCode::NOT_FOUND),
        (Request::get("/jobs"), StatusCode::METHOD_NOT_ALLOWED),
        (Request::get("/jobs/1/cancel"), StatusCode::METHOD_NOT_ALLOWED),
        (Request::post("/"), StatusCode::METHOD_NOT_ALLOWED),
        (Request::post("/jobs/x/cancel"), StatusCode::NOT_FOUND),
        (Request::get("/nothing"), StatusCode::NOT_FOUND),
    ] {
        let path = format!("{:?}", request.uri_ref());
        assert_eq!(send(&app, request, "").await.0, expected, "{path}");
    }
    app.shutdown.trigger();
    app.shutdown.run(None, app.shutdown.stopping()).await;
    assert_eq!(send(&app, Request::get("/healthz"), "").await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_page_too_many_is_asked_to_come_back() {
    let app = app();
    let (_, first) = send(&app, Request::get("/events"), "").await;
    let (status, second) = send(&app, Request::get("/events"), "").await;
    assert_eq!(status, StatusCode::OK);
    let second = text(second).await;
    assert!(second.contains("event: sse-kit:busy") && second.contains("retry: "), "{second}");
    let (_, stats) = send(&app, Request::get("/stats"), "").await;
    let stats: serde_json::Value = serde_json::from_str(&text(stats).await).unwrap();
    assert_eq!(stats["refused"], 1);
    drop(first);
    let _third = send(&app, Request::get("/events"), "").await;
    assert_eq!(app.hub.stats().connections, 1);
}

#[tokio::test]
async fn a_page_that_has_its_own_name_lead_here_gets_nothing() {
    let app = app();
    for (host, status) in [("localhost:8080", 200), ("127.0.0.1", 200), ("evil.example", 403)] {
        let (answered, _) = send(&app, Request::get("/").header("host", host), "").await;
        assert_eq!(answered, status, "{host}");
    }
}

#[test]
fn ids_are_numbers() {
    assert_eq!(Route::of("/jobs/17/cancel"), Some(Route::Cancel("17".parse().unwrap())));
    for path in ["/jobs//cancel", "/jobs/-1/cancel", "/jobs/1", "/jobs/1/cancel/", "jobs"] {
        assert_eq!(Route::of(path), None, "{path}");
    }
}
