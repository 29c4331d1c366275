//! The routes of the server.

use askama::Template;
use axum::extract::{FromRef, Path, Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use axum::http::{self, HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use serde::{Deserialize, Deserializer};
use sse_kit::axum::{self as live, Error, Live};
use sse_kit::broadcast::SlowConsumer;
use sse_kit::event::Topic;
use sse_kit::event::control::ControlName;
use sse_kit::htmx::{self, Dialect, MessageFormat, Update, Updates};
use sse_kit::http::{Quota, SseResponse};
use sse_kit::shutdown::Shutdown;
use sse_kit::{Hub, SseBody};

use crate::assets::Assets;
use crate::chat::Chat;
use crate::messages;
use crate::name::{Nick, RoomName};
use crate::pages::{self, Door, Lobby, RoomPage};
use crate::refusal::Refusal;
use crate::room::Text;

/// The state that all requests share. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) chat: Chat,
    pub(crate) shutdown: Shutdown,
    pub(crate) assets: Assets,
    pub(crate) limits: Quota,
}

/// Lets [`Live`] find the hub.
impl FromRef<App> for Hub {
    fn from_ref(app: &App) -> Self {
        app.chat.hub().clone()
    }
}

pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/", get(lobby))
        .route("/enter", post(enter))
        .route("/events", get(lobby_events))
        .route("/rooms/{room}", get(room))
        .route("/rooms/{room}/events", get(room_events))
        .route("/rooms/{room}/said", post(say))
        .route("/rooms/{room}/close", post(close))
        .route("/stats", get(stats))
        .route("/healthz", live::readiness(&app.shutdown))
        .merge(app.assets.router())
        .layer(live::same_site())
        .with_state(app)
}

/// The query of every page.
#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(default, deserialize_with = "known_or_default")]
    htmx: Dialect,
    nick: Option<String>,
}

/// The form of a person who wants to enter a room.
#[derive(Debug, Deserialize)]
struct Entering {
    #[serde(default, deserialize_with = "known_or_default")]
    htmx: Dialect,
    nick: String,
    room: String,
}

async fn lobby(State(app): State<App>, Query(asked): Query<Asked>) -> Response {
    lobby_page(&app, asked.htmx, StatusCode::OK, "").await
}

async fn lobby_page(app: &App, dialect: Dialect, status: StatusCode, refusal: &str) -> Response {
    let (lines, cursor) = app.chat.lobby().await;
    let connection = pages::lobby_connection(dialect, cursor);
    let scripts = app.assets.scripts(dialect);
    let monitor = pages::monitor();
    let page = Lobby { dialect, scripts, connection, monitor, lines: &lines, refusal };
    (status, app.page(&page)).into_response()
}

/// Handles the forms of the lobby and of the door: they open the room, if it is not open, and lead
/// to it.
async fn enter(
    State(app): State<App>,
    Form(entering): Form<Entering>,
) -> Result<Response, Refusal> {
    let Entering { htmx, nick, room } = entering;
    let room = match room.parse::<RoomName>() {
        Ok(room) => room,
        Err(error) => {
            let (status, refusal) = (StatusCode::UNPROCESSABLE_ENTITY, error.to_string());
            return Ok(lobby_page(&app, htmx, status, &refusal).await);
        }
    };
    // A person without a name is asked for one at the door.
    if nick.parse::<Nick>().is_ok() {
        app.chat.open(&room).await?;
    }
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("htmx", &htmx.to_string())
        .append_pair("nick", &nick)
        .finish();
    Ok(Redirect::to(&format!("/rooms/{room}?{query}")).into_response())
}

async fn room(
    State(app): State<App>,
    Path(room): Path<RoomName>,
    Query(asked): Query<Asked>,
) -> Response {
    let dialect = asked.htmx;
    let (state, cursor) = app.chat.room(&room).await;
    let nick = asked.nick.as_deref().map(str::parse::<Nick>);
    let (Some(state), Some(Ok(nick))) = (&state, &nick) else {
        // Only a form opens a room: a link may be followed by a robot, or a hundred times.
        let status = if state.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
        let refusal = nick.as_ref().and_then(|nick| nick.as_ref().err());
        let refusal = &*refusal.map(ToString::to_string).unwrap_or_default();
        let door = Door { dialect, room: &room, is_open: state.is_some(), refusal };
        return (status, app.page(&door)).into_response();
    };
    let page = RoomPage {
        dialect,
        scripts: app.assets.scripts(dialect),
        connection: pages::room_connection(dialect, cursor, &room, nick),
        monitor: pages::monitor(),
        takes_people: pages::takes_people(dialect),
        room: &room,
        nick,
        said: state.said.iter().collect(),
        people: &state.people,
    };
    app.page(&page)
}

async fn lobby_events(State(app): State<App>, live: Live) -> Result<SseResponse, Error> {
    app.open(live, messages::LOBBY.into(), None).await
}

/// The query of a stream: the person who listens.
#[derive(Debug, Deserialize)]
struct Listener {
    nick: Nick,
}

async fn room_events(
    State(app): State<App>,
    Path(room): Path<RoomName>,
    Query(listener): Query<Listener>,
    live: Live,
) -> Result<http::Response<SseBody>, Error> {
    // In this order: a room that is closed in between has ended the stream.
    let stream = app.open(live, room.topic(), Some(listener.nick)).await?;
    if app.chat.is_open(&room).await {
        Ok(stream.into_response())
    } else {
        Ok(SseResponse::only(&ControlName::Close.event()))
    }
}

/// The form of a message.
#[derive(Debug, Deserialize)]
struct Typed {
    nick: Nick,
    text: String,
}

/// Adds a message. It comes by the stream, also to the page where it was typed.
async fn say(
    State(app): State<App>,
    Path(room): Path<RoomName>,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Result<Response, Refusal> {
    let text: Text = typed.text.parse()?;
    let said = app.chat.say(&room, typed.nick.clone(), text).await?;
    if headers.contains_key("hx-request") {
        return Ok(Html(nothing_refused()?.into_string()).into_response());
    }
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("nick", &typed.nick.to_string())
        .finish();
    Ok(Redirect::to(&format!("/rooms/{room}?{query}#said-{}", said.number)).into_response())
}

/// Returns the empty refusal, which replaces the one before.
fn nothing_refused() -> anyhow::Result<htmx::Html> {
    let update = Update::fill("refusal".parse()?, &htmx::Html::default())?;
    Ok(Updates::from(update).render(MessageFormat::Both)?)
}

async fn close(State(app): State<App>, Path(room): Path<RoomName>) -> Result<Redirect, Refusal> {
    app.chat.close(&room).await?;
    Ok(Redirect::to("/"))
}

async fn stats(State(app): State<App>) -> impl IntoResponse {
    ([(CACHE_CONTROL, "no-store")], axum::Json(app.chat.hub().stats()))
}

impl App {
    /// Answers with a page. It holds a cursor and the state of this moment: an old copy is of no
    /// use.
    fn page(&self, page: &impl Template) -> Response {
        let html = page.render().map(Html).map_err(|error| {
            tracing::error!(%error, "a template cannot be rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, "The page cannot be rendered.")
        });
        let policy = self.assets.content_security_policy();
        ([(CACHE_CONTROL, "no-store"), (CONTENT_SECURITY_POLICY, policy)], html).into_response()
    }

    /// Opens a stream of everything that happens in a room, or in the lobby. A page that cannot
    /// keep up gets every message, but of the lists of people only the newest.
    async fn open(
        &self,
        live: Live,
        topic: Topic,
        who: Option<Nick>,
    ) -> Result<SseResponse, Error> {
        let client = live.client().ok_or_else(|| Error::internal("the client has no address"))?;
        let live = live.admit(&self.limits, client)?;
        let subscribe = live.subscribe(topic).slow_consumer(SlowConsumer::Conflate);
        let subscribe = match who {
            Some(nick) => subscribe.metadata(nick),
            None => subscribe,
        };
        match subscribe.backfill().await {
            Ok(subscription) => Ok(live.respond(subscription)),
            Err(error) => Err(live.refuse(error)),
        }
    }
}

/// Reads a version of htmx; one that is not known counts as none.
fn known_or_default<'de, D: Deserializer<'de>>(version: D) -> Result<Dialect, D::Error> {
    Ok(String::deserialize(version)?.parse().unwrap_or_default())
}
