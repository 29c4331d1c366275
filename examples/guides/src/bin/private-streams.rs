//! An inbox for each user, with a login, and a logout that ends the streams.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::request::Parts;
use axum::response::{Html as HtmlPage, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use serde::{Deserialize, Serialize};
use sse_kit::axum::{self as live, Error, ErrorKind, Live};
use sse_kit::event::{ConnectionId, TextError, Topic};
use sse_kit::htmx::{ElementId, Endpoint, Html, Update};
use sse_kit::http::{Access, Authorizer, DeniedError, Gate, Grant, Resource, SseResponse};
use sse_kit::{Change, EventData, Hub, Page, SseKit};

/// A user who is signed in, in one browser.
#[derive(Clone)]
struct Session {
    id: String,
    user: String,
}

impl Session {
    fn topic(&self) -> Result<Topic, TextError> {
        user_topic(&self.user)
    }
}

fn user_topic(user: &str) -> Result<Topic, TextError> {
    Topic::from_segments(["users", user])
}

/// The sessions by the random text of their cookie. An app keeps them in a database.
#[derive(Clone, Default)]
struct Sessions(Arc<Mutex<HashMap<String, String>>>);

impl Sessions {
    fn begin(&self, user: String) -> Result<String, Error> {
        let id = ConnectionId::random().map_err(Error::internal)?.to_string();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), user);
        Ok(id)
    }

    fn end(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    fn find(&self, id: &str) -> Option<Session> {
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Session { id: id.to_owned(), user: sessions.get(id)?.clone() })
    }
}

/// Decides which topics a session may read. The gate asks again every five minutes.
impl Authorizer for Sessions {
    type Principal = Session;

    async fn authorize(
        &self,
        session: &Session,
        wanted: Resource<'_>,
        _: Access,
    ) -> Result<Grant, DeniedError> {
        let session = self.find(&session.id).ok_or(DeniedError)?;
        let own = session.topic().map_err(|_| DeniedError)?;
        match wanted {
            Resource::Topic(topic) if *topic == own => Ok(Grant::lasting(Duration::from_secs(300))),
            _ => Err(DeniedError),
        }
    }
}

/// The texts that each user got.
type Inboxes = HashMap<String, Vec<String>>;

#[derive(Clone)]
struct App {
    kit: SseKit<Inboxes>,
    sessions: Sessions,
    gate: Gate<Sessions>,
}

/// Lets `Live` find the hub.
impl FromRef<App> for Hub {
    fn from_ref(app: &App) -> Self {
        app.kit.hub().clone()
    }
}

/// Finds the session by the cookie, and answers with 401 if there is none.
impl FromRequestParts<App> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let cookies = parts.headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut cookies = cookies.flat_map(|list| list.split("; "));
        let id = cookies.find_map(|cookie| cookie.strip_prefix("session="));
        let session = id.and_then(|id| app.sessions.find(id));
        session.ok_or(Error::new(ErrorKind::Unauthorized))
    }
}

/// Somebody sent a user a text.
#[derive(Serialize, Deserialize)]
struct Received {
    text: String,
}

impl EventData for Received {
    const TYPE: &'static str = "inbox:received";
}

fn item(text: &str) -> Html {
    Html::trusted(format!("<li>{}</li>", Html::text(text)))
}

/// The page of a browser in which nobody is signed in.
const SIGN_IN: &str = "<!DOCTYPE html><html lang=en><title>Sign in</title>\
    <form method=post action=/login><label>Name <input name=user required></label> <button>Sign in</button></form>";

/// The forms of a user who is signed in.
const FORMS: &str = "<form hx-post=/send hx-swap=none><label>To <input name=to required></label> \
    <label>Text <input name=text required></label> <button>Send</button></form>\
    <form method=post action=/logout><button>Sign out</button></form>";

/// Loads the page again when its stream ends for good, as at a logout in another tab. A page that was never live stays:
/// if its stream is always refused, it would load again and again.
const RELOAD: &str = "<script>
let wasLive = false;
document.addEventListener('sse-kit:state', ({ detail }) => {
  if (detail.to === 'live') wasLive = true;
  if (detail.to === 'closed' && wasLive) location.reload();
});
</script>";

async fn page(State(app): State<App>, session: Result<Session, Error>) -> Response {
    let Ok(session) = session else {
        return (StatusCode::UNAUTHORIZED, HtmlPage(SIGN_IN)).into_response();
    };
    let (texts, cursor) =
        app.kit.read(|inboxes| inboxes.get(&session.user).cloned().unwrap_or_default()).await;
    let items: String = texts.iter().map(|text| item(text).into_string()).collect();
    let user = Html::text(&session.user);
    let body = format!("<h1>{user}</h1><ul id=inbox>{items}</ul>{FORMS}{RELOAD}");
    Page::new(Endpoint::from_static("/events"), cursor).body(Html::trusted(body)).into_response()
}

/// Opens the stream of the user who is signed in. The client does not choose the topic.
async fn events(
    State(app): State<App>,
    session: Session,
    live: Live,
) -> Result<SseResponse, Error> {
    let own = session.topic()?;
    live.open_for(session, &app.gate, own).await
}

#[derive(Deserialize)]
struct Login {
    user: String,
}

/// A real app checks a password. Add `Secure` to the cookie where the app is served over HTTPS.
async fn login(State(app): State<App>, Form(login): Form<Login>) -> Result<Response, Error> {
    user_topic(&login.user)?;
    let cookie =
        format!("session={}; Path=/; HttpOnly; SameSite=Lax", app.sessions.begin(login.user)?);
    Ok(([(SET_COOKIE, cookie)], Redirect::to("/")).into_response())
}

/// Ends the session first, and its streams second.
async fn logout(State(app): State<App>, session: Session) -> impl IntoResponse {
    app.sessions.end(&session.id);
    app.gate.revoke(|other, _| other.id == session.id);
    ([(SET_COOKIE, "session=; Path=/; Max-Age=0")], Redirect::to("/"))
}

#[derive(Deserialize)]
struct Text {
    to: String,
    text: String,
}

/// Sends a text to another user: to the topic of that user alone.
async fn send(State(app): State<App>, _: Session, Form(sent): Form<Text>) -> Result<(), Error> {
    let topic = user_topic(&sent.to)?;
    app.kit
        .change(move |inboxes| {
            inboxes.entry(sent.to).or_default().push(sent.text.clone());
            Change::new(()).emit_to(topic, Received { text: sent.text })
        })
        .await?;
    Ok(())
}

#[tokio::main]
async fn main() -> std::io::Result<std::process::ExitCode> {
    let hub = Hub::new();
    live::serve("127.0.0.1:8080", router(hub.clone()), &hub).await
}

fn router(hub: Hub) -> Router {
    let kit = SseKit::with_state(hub, Inboxes::new());
    kit.on(|Received { text }| Update::append(ElementId::from_static("inbox"), &item(&text)));
    let sessions = Sessions::default();
    let gate = Gate::new(kit.hub().clone(), sessions.clone());
    Router::new()
        .route("/", get(page))
        .route("/events", get(events))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/send", post(send))
        .merge(live::assets())
        .layer(live::same_site())
        .with_state(App { kit, sessions, gate })
}

#[cfg(test)]
mod tests {
    use sse_kit_test::{TestClient, TestPage};

    use super::*;

    async fn sign_in(browser: &TestClient, user: &str) -> TestPage {
        let mut page = TestPage::open(browser, "/").await;
        assert_eq!(page.status(), 401);
        page.fill("[name=user]", user);
        page.submit("form").await;
        page
    }

    #[tokio::test(start_paused = true)]
    async fn users_get_their_own_texts_until_they_sign_out() {
        // Two browsers, made before anybody signs in, so each has a cookie of its own.
        let browser = TestClient::new(router(Hub::new()));
        let other_browser = browser.other_browser();
        let mut ada = sign_in(&browser, "ada").await;
        let mut ada_second_tab = TestPage::open(&browser, "/").await;
        let mut bob = sign_in(&other_browser, "bob").await;

        bob.fill("[name=to]", "ada");
        bob.fill("[name=text]", "Tea?");
        bob.click("[hx-post] button").await;
        ada.expect_text("#inbox li", "Tea?").await;
        bob.settle().await;
        assert_eq!(bob.count("#inbox li"), 0);

        ada.submit("[action='/logout']").await;
        assert_eq!(ada.status(), 401);
        ada_second_tab.settle().await;
        assert!(ada_second_tab.is_closed());
        browser.get("/events").await.expect_status(401);
    }
}
