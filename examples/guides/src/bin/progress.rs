//! Jobs whose progress shows as a bar on every open page.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use sse_kit::axum::{self as live, Error, Live};
use sse_kit::broadcast::SlowConsumer;
use sse_kit::htmx::{ElementId, Endpoint, Html, Update};
use sse_kit::http::SseResponse;
use sse_kit::{BoxError, Change, ChangeError, EventData, Hub, Page, SseKit};

/// The percentage of each job.
type Jobs = BTreeMap<u32, u8>;

/// A job was started.
#[derive(Serialize, Deserialize)]
struct Started {
    id: u32,
}

impl EventData for Started {
    const TYPE: &'static str = "job:started";
}

/// A job has come further.
#[derive(Serialize, Deserialize)]
struct Progressed {
    id: u32,
    percent: u8,
}

impl EventData for Progressed {
    const TYPE: &'static str = "job:progressed";
}

fn bar(id: u32, percent: u8) -> Html {
    Html::trusted(format!("<progress id=job-{id} max=100 value={percent}>{percent} %</progress>"))
}

async fn page(State(kit): State<SseKit<Jobs>>) -> Page {
    let (jobs, cursor) = kit.read(Jobs::clone).await;
    let bars: String = jobs.iter().map(|(id, percent)| bar(*id, *percent).into_string()).collect();
    let body =
        format!("<button hx-post=/jobs hx-swap=none>Start</button><div id=jobs>{bars}</div>");
    Page::new(Endpoint::from_static("/events"), cursor).body(Html::trusted(body))
}

/// Adds a job, and spawns the task that does it.
async fn start(State(kit): State<SseKit<Jobs>>) -> Result<(), Error> {
    let id = kit
        .change(|jobs| {
            let id = jobs.len().try_into().unwrap_or(u32::MAX);
            jobs.insert(id, 0);
            Change::new(id).emit(Started { id })
        })
        .await?;
    tokio::spawn(work(kit, id));
    Ok(())
}

/// Does the job. A step that cannot be published does not stop it: the state has changed, and the next step shows it.
async fn work(kit: SseKit<Jobs>, id: u32) {
    for percent in 1..=100 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let change = kit.change(|jobs| {
            jobs.insert(id, percent);
            Progressed { id, percent }
        });
        // `change` has logged the failure.
        change.await.unwrap_or_else(ChangeError::into_value);
    }
}

/// Streams everything about jobs; a slow page skips steps.
async fn events(live: Live) -> Result<SseResponse, Error> {
    let topics = live.subscribe("job:*".parse::<sse_kit::event::TopicPattern>()?);
    match topics.slow_consumer(SlowConsumer::Conflate).open() {
        Ok(subscription) => Ok(live.respond(subscription)),
        Err(error) => Err(live.refuse(error)),
    }
}

#[tokio::main]
async fn main() -> std::io::Result<std::process::ExitCode> {
    let kit = SseKit::with_state(Hub::new(), Jobs::new());
    live::serve("127.0.0.1:8080", app(&kit), kit.hub()).await
}

fn app(kit: &SseKit<Jobs>) -> Router {
    kit.on(|Started { id }| Update::append(ElementId::from_static("jobs"), &bar(id, 0)));
    kit.on(|Progressed { id, percent }| -> Result<_, BoxError> {
        Ok(Update::replace(ElementId::new(&format!("job-{id}"))?, &bar(id, percent))?)
    });
    Router::new()
        .route("/", get(page))
        .route("/jobs", post(start))
        .route("/events", get(events))
        .merge(live::assets())
        .layer(live::same_site())
        .with_state(kit.clone())
}

#[cfg(test)]
mod tests {
    use sse_kit_test::{TestClient, TestPage};

    use super::*;

    /// The clock is paused, so the job takes no time.
    #[tokio::test(start_paused = true)]
    async fn a_job_that_is_started_comes_to_its_end_on_every_page() {
        let client = TestClient::new(app(&SseKit::with_state(Hub::new(), Jobs::new())));
        let mut page = TestPage::open(&client, "/").await;
        page.click("button").await;
        page.expect_text("#job-0", "100 %").await;

        let late = TestPage::open(&client, "/").await;
        assert_eq!(late.attribute("#job-0", "value").as_deref(), Some("100"));
    }
}
