//! The routes of the server.

use axum::extract::{FromRef, Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE};
use axum::response::{Html as HtmlPage, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use serde::Deserialize;
use sse_kit::axum::{self as live, Error, ErrorKind, Live};
use sse_kit::htmx::{Endpoint, Html, PageScripts};
use sse_kit::http::{Gate, SseResponse};
use sse_kit::{Change, Hub, Page, SseKit};

use crate::inbox::{self, Inboxes, NameError, User};
use crate::orders::{OrderError, Orders};
use crate::session::{Session, Sessions, SignedIn};

/// The greatest length of a notification, in bytes.
const MAX_TEXT: usize = 500;

/// The state that all requests share. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct App {
    kit: SseKit<Inboxes>,
    sessions: Sessions,
    gate: Gate<Sessions>,
    /// None without a database.
    orders: Option<Orders>,
}

impl App {
    pub(crate) fn new(hub: Hub) -> Self {
        let sessions = Sessions::default();
        let gate = Gate::new(hub.clone(), sessions.clone());
        Self { gate, kit: inbox::kit(hub), sessions, orders: None }
    }

    pub(crate) fn with_orders(self, orders: Orders) -> Self {
        Self { orders: Some(orders), ..self }
    }

    pub(crate) fn hub(&self) -> &Hub {
        self.kit.hub()
    }

    /// Ends a session, and with it its streams in all tabs; returns the value of `Set-Cookie`. First the
    /// session and then the streams: in the other order a page that comes back in between is let in.
    fn sign_out(&self, session: &Session) -> String {
        let cookie = self.sessions.end(session);
        self.gate.revoke(|other, _| other.id == session.id);
        cookie
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.sessions
    }
}

/// Lets [`Live`] find the hub.
impl FromRef<App> for Hub {
    fn from_ref(app: &App) -> Self {
        app.hub().clone()
    }
}

pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/events", get(events))
        .route("/notes", post(notify))
        .route("/orders", post(order))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/style.css", get(style))
        .merge(live::assets())
        .layer(live::same_site())
        .with_state(app)
}

/// Streams the topic of the user who is signed in. The client has no say in it.
async fn events(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    live: Live,
) -> Result<SseResponse, Error> {
    let session = session.ok_or(Error::new(ErrorKind::Unauthorized))?;
    let topic = session.user.topic();
    live.open_for(session, &app.gate, topic).await
}

/// The query of a page.
#[derive(Debug, Deserialize)]
struct Asked {
    /// `?htmx=2` is a page on htmx 2.
    htmx: Option<String>,
}

async fn page(
    State(app): State<App>,
    Query(asked): Query<Asked>,
    SignedIn(session): SignedIn,
) -> Result<Response, Error> {
    let Some(session) = session else { return Ok(HtmlPage(LOGIN).into_response()) };
    let read = app.kit.read(|inboxes| inboxes.get(&session.user).cloned().unwrap_or_default());
    let (inbox, cursor) = read.await;
    let notes: Vec<String> = inbox.notes().map(|note| note.item().into_string()).collect();
    // Read after the cursor, so the page may get the event of an order that it has, and never lacks one.
    let orders = match &app.orders {
        Some(orders) => orders.of(&session.user).await.map_err(Error::internal)?,
        None => Vec::new(),
    };
    let orders: Vec<String> = orders.iter().map(|order| order.item().into_string()).collect();
    let order = if app.orders.is_some() { ORDER } else { "" };
    let body = Html::trusted(format!(
        "{STYLE}<h1>{user}</h1>\n<ul id=\"notes\">{notes}</ul>\n<ul id=\"orders\">{orders}</ul>\n{order}{FORMS}{RELOAD}",
        user = Html::text(&session.user),
        notes = notes.concat(),
        orders = orders.concat(),
    ));
    let dialect = asked.htmx.and_then(|version| version.parse().ok()).unwrap_or_default();
    Ok(Page::new(Endpoint::from_static("/events"), cursor)
        .scripts(PageScripts::new(dialect))
        .title("Notifications")
        .body(body)
        .into_response())
}

/// A link to a style sheet may stand in a body.
const STYLE: &str = "<link rel=\"stylesheet\" href=\"/style.css\">\n";

const LOGIN: &str = "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\">\
    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
    <link rel=\"stylesheet\" href=\"/style.css\"><title>Sign in</title>\n<h1>Notifications</h1>\n\
    <form method=\"post\" action=\"/login\"><label>Name <input name=\"user\" pattern=\"[a-z]{1,20}\" \
    title=\"1 to 20 small letters\" autocapitalize=\"none\" autocomplete=\"username\" required autofocus></label>\
    <button>Sign in</button></form></html>\n";

const FORMS: &str = "<form hx-post=\"/notes\" hx-swap=\"none\">\
    <label>To <input name=\"to\" pattern=\"[a-z]{1,20}\" title=\"1 to 20 small letters\" autocapitalize=\"none\" \
    autocomplete=\"off\" required></label>\
    <label>Text <input name=\"text\" maxlength=\"500\" autocomplete=\"off\" required></label><button>Notify</button></form>\n\
    <form method=\"post\" action=\"/logout\"><button>Sign out</button></form>";

const ORDER: &str = "<form hx-post=\"/orders\" hx-swap=\"none\">\
    <button name=\"item\" value=\"tea\">Order tea</button> \
    <button name=\"item\" value=\"cake\">Order cake</button></form>\n";

/// Loads the page again when its stream ends for good, as at a logout in another tab: it is then the page to sign in. A
/// page that was never live stays: if its stream is always refused, it would load again and again.
const RELOAD: &str = "\n<script>
let wasLive = false;
document.addEventListener('sse-kit:state', ({ detail }) => {
  if (detail.to === 'live') wasLive = true;
  if (detail.to === 'closed' && wasLive) location.reload();
});
</script>";

async fn style() -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "no-cache")];
    (headers, include_str!("../assets/style.css"))
}

#[derive(Debug, Deserialize)]
struct Login {
    user: String,
}

/// Signs a user in. A real app asks for a password, or another proof.
///
/// The new cookie replaces the one before, so the session of that one ends: nobody could sign it out any more,
/// and its streams would go on in other tabs.
async fn login(
    State(app): State<App>,
    SignedIn(before): SignedIn,
    Form(login): Form<Login>,
) -> Result<Response, Error> {
    let user = user(&login.user)?;
    if let Some(before) = before {
        app.sign_out(&before);
    }
    let cookie = app.sessions.begin(user).map_err(Error::internal)?;
    Ok(([(SET_COOKIE, cookie)], Redirect::to("/")).into_response())
}

async fn logout(State(app): State<App>, SignedIn(session): SignedIn) -> Result<Response, Error> {
    let session = session.ok_or(Error::new(ErrorKind::Unauthorized))?;
    let cookie = app.sign_out(&session);
    Ok(([(SET_COOKIE, cookie)], Redirect::to("/")).into_response())
}

#[derive(Debug, Deserialize)]
struct Note {
    to: String,
    text: String,
}

/// Notifies another user: the state and the user's pages change in one step.
async fn notify(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    Form(note): Form<Note>,
) -> Result<(), Error> {
    let from = session.ok_or(Error::new(ErrorKind::Unauthorized))?.user;
    let to = user(&note.to)?;
    if note.text.is_empty() || note.text.len() > MAX_TEXT {
        return Err(Error::new(ErrorKind::Invalid));
    }
    let text = format!("{from}: {}", note.text);
    app.kit
        .change(move |inboxes| {
            let added = inboxes.entry(to.clone()).or_default().add(text);
            Change::new(()).emit_to(to.topic(), added)
        })
        .await?;
    Ok(())
}

#[derive(Debug, Deserialize)]
struct Wanted {
    item: String,
}

/// Orders an item. The pages of the user get the order from the log, if the transaction commits.
async fn order(
    State(app): State<App>,
    SignedIn(session): SignedIn,
    Form(wanted): Form<Wanted>,
) -> Result<(), Error> {
    let customer = session.ok_or(Error::new(ErrorKind::Unauthorized))?.user;
    let orders = app.orders.ok_or(Error::new(ErrorKind::NotFound))?;
    orders.place(&customer, &wanted.item).await.map_err(|error| match error {
        OrderError::SoldOut => Error::new(ErrorKind::Conflict),
        OrderError::Failed(error) => Error::internal(error),
    })
}

fn user(name: &str) -> Result<User, Error> {
    name.parse().map_err(|NameError| Error::new(ErrorKind::Invalid))
}
