//! A room that shows on every page who is there.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{FromRef, Path, State};
use axum::routing::get;
use sse_kit::axum::{self as live, Error, Live};
use sse_kit::broadcast::PublishError;
use sse_kit::event::{EventKey, TextError, Topic};
use sse_kit::htmx::{Dialect, ElementId, Endpoint, Html, Update, Updates};
use sse_kit::http::SseResponse;
use sse_kit::{BoxError, Event, Hub, Page};
use tokio::sync::watch;

#[derive(Clone)]
struct App {
    hub: Hub,
    /// The newest list of people, for pages that are opened.
    people: watch::Sender<Html>,
}

impl FromRef<App> for Hub {
    fn from_ref(app: &App) -> Self {
        app.hub.clone()
    }
}

/// Attached to each connection. An app takes it from the session.
struct User(String);

fn room() -> Result<Topic, TextError> {
    Topic::new("room")
}

/// Renders the people in the room. The map has the number of tabs of each.
fn people(present: &BTreeMap<String, usize>) -> Html {
    Html::trusted(present.keys().map(|name| person(name).into_string()).collect::<String>())
}

fn person(name: &str) -> Html {
    Html::trusted(format!("<li>{}</li>", Html::text(name)))
}

/// Publishes who is there, whenever it changes. Spawn it once, when the app starts.
async fn follow(app: App) -> Result<(), BoxError> {
    let mut presence = app.hub.presence_by_key([room()?], |connection| {
        connection.metadata::<User>().map(|User(name)| name.clone())
    });
    while let Ok(present) = presence.changed().await {
        let people = people(&present);
        let update = Update::fill(ElementId::from_static("people"), &people)?;
        app.people.send_replace(people);
        let html = Updates::from(update).render(Dialect::V4)?.into_string();
        // Only the newest list matters, so a slow page may skip the others.
        let event = Event::new(html).with_key(EventKey::new("people")?);
        match app.hub.publish(room()?, event).await {
            Ok(_) => {}
            Err(PublishError::Closed) => break,
            // The next change publishes the whole list again.
            Err(error) => tracing::warn!(%error, "the list of people was not published"),
        }
    }
    Ok(())
}

async fn page(State(app): State<App>, Path(name): Path<String>) -> Result<Page, Error> {
    // The cursor comes first: a list that is published from now on reaches the page by its stream.
    let cursor = app.hub.cursor();
    let people = app.people.borrow().clone().into_string();
    let events = Endpoint::from_segments(["events", &*name])?;
    Ok(Page::new(events, cursor).body(Html::trusted(format!("<ul id=people>{people}</ul>"))))
}

async fn events(Path(name): Path<String>, live: Live) -> Result<SseResponse, Error> {
    match live.subscribe(room()?).metadata(User(name)).open() {
        Ok(subscription) => Ok(live.respond(subscription)),
        Err(error) => Err(live.refuse(error)),
    }
}

#[tokio::main]
async fn main() -> std::io::Result<std::process::ExitCode> {
    let hub = Hub::new();
    let app = App { hub: hub.clone(), people: watch::Sender::default() };
    let following = app.clone();
    tokio::spawn(async {
        if let Err(error) = follow(following).await {
            tracing::error!(error, "nobody follows who is there any more");
        }
    });
    live::serve("127.0.0.1:8080", router(app), &hub).await
}

fn router(app: App) -> Router {
    Router::new()
        .route("/room/{name}", get(page))
        .route("/events/{name}", get(events))
        .merge(live::assets())
        .with_state(app)
}

#[cfg(test)]
mod tests {
    use sse_kit_test::{TestClient, TestPage};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn people_count_once_and_leave_with_their_last_tab() {
        let app = App { hub: Hub::new(), people: watch::Sender::default() };
        tokio::spawn(follow(app.clone()));
        let client = TestClient::new(router(app));
        let mut ada = TestPage::open(&client, "/room/ada").await;
        let _second_tab = TestPage::open(&client, "/room/ada").await;
        let mut bob = TestPage::open(&client, "/room/bob").await;
        ada.expect_text("#people", "adabob").await;

        bob.disconnect();
        ada.expect_text("#people", "ada").await;
        // A page has the people from its first byte, and need not wait for a report.
        let late = TestPage::open(&client, "/room/ada").await;
        assert_eq!(late.text("#people").as_deref(), Some("ada"));
    }
}
