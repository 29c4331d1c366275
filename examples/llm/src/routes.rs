//! The routes of the server.

use askama::Template;
use axum::extract::{FromRef, Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Form, Router};
use serde::Deserialize;
use sse_kit::Hub;
use sse_kit::axum::{self as live, Error, ErrorKind, Live};
use sse_kit::event::EventId;
use sse_kit::htmx::{ElementId, Html as Markup, PageScripts};
use sse_kit::http::{SharedStream, SseResponse};
use sse_kit::monitor::{self, MonitorConfig};

use crate::answer::{Answer, Ending};
use crate::answers::{Answers, AskError};

/// The greatest length of a question, in bytes.
const MAX_PROMPT: usize = 4_000;

/// The state that all requests share. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) answers: Answers,
    pub(crate) hub: Hub,
}

/// Lets [`Live`] find the hub.
impl FromRef<App> for Hub {
    fn from_ref(app: &App) -> Self {
        app.hub.clone()
    }
}

pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/", get(form))
        .route("/answers", post(ask))
        .route("/answers/{id}", get(answer))
        .route("/answers/{id}/events", get(events))
        .route("/answer.js", file("text/javascript", include_str!("../assets/answer.js")))
        .route("/style.css", file("text/css", include_str!("../assets/style.css")))
        .merge(live::assets())
        .layer(live::same_site())
        .with_state(app)
}

async fn form() -> Result<Response, Error> {
    page(&FormPage {})
}

#[derive(Debug, Deserialize)]
struct Asked {
    prompt: String,
}

async fn ask(State(app): State<App>, Form(asked): Form<Asked>) -> Result<Redirect, Error> {
    let prompt = asked.prompt.trim();
    if prompt.is_empty() || prompt.len() > MAX_PROMPT {
        return Err(Error::new(ErrorKind::Invalid));
    }
    match app.answers.ask(prompt.to_owned()) {
        Ok(id) => Ok(Redirect::to(&format!("/answers/{id}"))),
        Err(AskError::Busy) => Err(Error::new(ErrorKind::Unavailable)),
        Err(error) => Err(Error::internal(error)),
    }
}

/// Shows the answer so far, with the cursor from which its stream goes on.
async fn answer(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Error> {
    let (answer, cursor) = find(&app.answers, &id)?.read(Answer::clone);
    // A stream that has ended without an end was dropped, or could not be published.
    let ending = answer.ending.unwrap_or(Ending::Failed);
    let has_failed = cursor.is_none() && ending == Ending::Failed;
    let monitor = MonitorConfig::new().connection(ElementId::from_static("answer"));
    let script = monitor::script().tag(&PageScripts::FOLDER, None);
    page(&AnswerPage { id, answer, cursor, has_failed, monitor, script })
}

async fn events(
    State(app): State<App>,
    Path(id): Path<String>,
    live: Live,
) -> Result<SseResponse, Error> {
    live.open_shared(&find(&app.answers, &id)?).await
}

fn find(answers: &Answers, id: &str) -> Result<SharedStream<Answer>, Error> {
    answers.get(id).ok_or(Error::new(ErrorKind::NotFound))
}

#[derive(Debug, Template)]
#[template(path = "form.html")]
struct FormPage {}

#[derive(Debug, Template)]
#[template(path = "answer.html")]
struct AnswerPage {
    id: String,
    answer: Answer,
    /// `None` when nothing follows.
    cursor: Option<EventId>,
    has_failed: bool,
    monitor: MonitorConfig,
    script: Markup,
}

/// Answers with a page. It holds a cursor and the state of this moment: an old copy is of no use.
fn page(page: &impl Template) -> Result<Response, Error> {
    let html = page.render().map_err(Error::internal)?;
    let policy = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
    Ok(([(CACHE_CONTROL, "no-store"), (CONTENT_SECURITY_POLICY, policy)], Html(html))
        .into_response())
}

fn file(content_type: &'static str, content: &'static str) -> MethodRouter<App> {
    get(async move || ([(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-cache")], content))
}
