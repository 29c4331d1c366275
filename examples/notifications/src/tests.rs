//! Two users, their browsers, and a logout.

mod converging;
mod orders;

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use http_body_util::BodyExt;
use sse_kit::Hub;
use sse_kit_test_support::in_time;
use tower::ServiceExt;

use crate::inbox::KEPT;
use crate::routes::{App, router};
use crate::session::LASTING;

async fn send(app: &Router, request: Request<Body>) -> Response {
    let Ok(response) = app.clone().oneshot(request).await;
    response
}

/// A browser in which a user is signed in.
struct Browser {
    app: Router,
    cookie: String,
}

impl Browser {
    async fn sign_in(app: &Router, user: &str) -> Self {
        let nobody = Self { app: app.clone(), cookie: String::new() };
        let response = nobody.post("/login", &format!("user={user}")).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        let cookie = response.headers()["set-cookie"].to_str().expect("text");
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"));
        let cookie = cookie.split(';').next().expect("a cookie").to_owned();
        Self { app: app.clone(), cookie }
    }

    async fn post(&self, path: &str, form: &str) -> Response {
        self.post_from(path, form, "same-origin").await
    }

    async fn post_from(&self, path: &str, form: &str, site: &str) -> Response {
        let request = Request::post(path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", site)
            .header("cookie", &self.cookie)
            .body(Body::from(form.to_owned()));
        send(&self.app, request.expect("a request")).await
    }

    async fn get(&self, path: &str) -> Response {
        let request = Request::get(path).header("cookie", &self.cookie).body(Body::empty());
        send(&self.app, request.expect("a request")).await
    }

    async fn page(&self) -> String {
        let body = self.get("/").await.into_body().collect().await.expect("a body").to_bytes();
        String::from_utf8(body.into()).expect("text")
    }

    /// Opens the stream of the page.
    async fn listen(&self) -> Body {
        let response = self.get("/events").await;
        assert_eq!(response.status(), StatusCode::OK);
        let mut body = response.into_body();
        assert!(frame(&mut body).await.expect("a hello").contains("sse-kit:hello"));
        body
    }
}

async fn frame(body: &mut Body) -> Option<String> {
    let frame = in_time("a frame", body.frame()).await?.expect("it never fails");
    Some(String::from_utf8(frame.into_data().expect("data").into()).expect("text"))
}

fn app() -> Router {
    router(App::new(Hub::new()))
}

#[tokio::test]
async fn a_notification_comes_to_its_user_alone() {
    let app = app();
    let (ada, bob) = (Browser::sign_in(&app, "ada").await, Browser::sign_in(&app, "bob").await);
    let (mut adas, mut bobs) = (ada.listen().await, bob.listen().await);
    assert_eq!(bob.post("/notes", "to=ada&text=first").await.status(), StatusCode::OK);
    assert_eq!(ada.post("/notes", "to=bob&text=second").await.status(), StatusCode::OK);
    assert!(frame(&mut adas).await.expect("a note").contains("bob: first"));
    assert!(frame(&mut bobs).await.expect("a note").contains("ada: second"), "and no other");
    assert!(ada.page().await.contains("bob: first"));
    assert!(!ada.page().await.contains("second"));
}

#[tokio::test]
async fn a_client_cannot_choose_its_topic() {
    let app = app();
    let (ada, bob) = (Browser::sign_in(&app, "ada").await, Browser::sign_in(&app, "bob").await);
    let mut adas = ada.get("/events?topic=users:bob&topic=**").await.into_body();
    frame(&mut adas).await.expect("a hello");
    bob.post("/notes", "to=bob&text=private").await;
    bob.post("/notes", "to=ada&text=hello").await;
    assert!(frame(&mut adas).await.expect("a note").contains("bob: hello"));
}

#[tokio::test]
async fn a_logout_ends_the_streams_of_that_browser_at_once() {
    let app = app();
    let (phone, laptop) =
        (Browser::sign_in(&app, "ada").await, Browser::sign_in(&app, "ada").await);
    let (mut lost, mut other) = (phone.listen().await, phone.listen().await);
    let mut kept = laptop.listen().await;
    assert_eq!(phone.post("/logout", "").await.status(), StatusCode::SEE_OTHER);
    for body in [&mut lost, &mut other] {
        assert!(frame(body).await.expect("a goodbye").contains("sse-kit:close"));
        assert_eq!(frame(body).await, None);
    }
    assert_eq!(phone.get("/events").await.status(), StatusCode::UNAUTHORIZED);
    assert!(!phone.page().await.contains("notes"), "it is the page to sign in");
    laptop.post("/notes", "to=ada&text=still+there").await;
    assert!(frame(&mut kept).await.expect("a note").contains("still there"));
}

/// Two tabs show the form to sign in, and both are used.
#[tokio::test]
async fn a_login_ends_the_session_before_it_and_its_streams() {
    let app = app();
    let ada = Browser::sign_in(&app, "ada").await;
    let mut adas = ada.listen().await;
    assert_eq!(ada.post("/login", "user=**").await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(ada.page().await.contains("ada"), "nothing has changed");
    let response = ada.post("/login", "user=bob").await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert!(frame(&mut adas).await.expect("a goodbye").contains("sse-kit:close"));
    assert_eq!(frame(&mut adas).await, None);
    assert_eq!(ada.get("/events").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_expires_ends_its_streams() {
    let app = app();
    let ada = Browser::sign_in(&app, "ada").await;
    let mut adas = ada.listen().await;
    tokio::time::sleep(LASTING.saturating_sub(Duration::from_secs(1))).await;
    assert_eq!(ada.get("/events").await.status(), StatusCode::OK);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut last = String::new();
    while let Some(frame) = frame(&mut adas).await {
        last = frame;
    }
    assert!(last.contains("sse-kit:close"), "{last}");
    assert_eq!(ada.get("/events").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_page_that_is_open_shows_no_more_than_one_that_loads() {
    let app = app();
    let ada = Browser::sign_in(&app, "ada").await;
    let mut stream = ada.listen().await;
    let mut deleted = Vec::new();
    for n in 1..=KEPT + 2 {
        ada.post("/notes", &format!("to=ada&text=note{n}x")).await;
        let update = frame(&mut stream).await.expect("a note");
        assert!(update.contains(&format!("id=\"note-{n}\"")), "{update}");
        deleted.extend((1..n).filter(|old| update.contains(&format!("#note-{old}\""))));
    }
    assert_eq!(deleted, [1, 2]);
    let page = ada.page().await;
    assert!(!page.contains("note2x") && page.contains("note3x"), "{page}");
}

#[tokio::test]
async fn nobody_and_other_sites_do_nothing() {
    let app = app();
    let nobody = Browser { app: app.clone(), cookie: "session=guessed".into() };
    assert_eq!(nobody.get("/events").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(nobody.post("/notes", "to=ada&text=x").await.status(), StatusCode::UNAUTHORIZED);
    let ada = Browser::sign_in(&app, "ada").await;
    let foreign = ada.post_from("/notes", "to=ada&text=x", "cross-site").await;
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    for form in ["to=&text=x", "to=a:b&text=x", "to=Ada&text=x", "to=ada&text="] {
        let response = ada.post("/notes", form).await;
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY, "{form}");
    }
    assert_eq!(ada.post("/login", "user=**").await.status(), StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_text_is_no_markup() {
    let app = app();
    let ada = Browser::sign_in(&app, "ada").await;
    let mut stream = ada.listen().await;
    ada.post("/notes", "to=ada&text=%3Cscript%3E").await;
    let update = frame(&mut stream).await.expect("a note");
    assert!(update.contains("&lt;script&gt;") && !update.contains("<script>"), "{update}");
    assert!(ada.page().await.contains("ada: &lt;script&gt;"));
}
