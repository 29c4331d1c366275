//! A list of tasks: append, remove and reorder.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Form, Router};
use serde::{Deserialize, Serialize};
use sse_kit::axum::{self as live, Error, ErrorKind, Live};
use sse_kit::event::StaticTopic;
use sse_kit::htmx::{ElementId, Endpoint, Html, TextError, Update};
use sse_kit::{BoxError, EventData, Hub, Page, SseKit};

const LIST: ElementId = ElementId::from_static("tasks");

/// The topic of all three events.
const TASKS: StaticTopic = StaticTopic::new("tasks");

#[derive(Clone, Serialize, Deserialize)]
struct Task {
    id: u32,
    text: String,
}

impl Task {
    fn html(&self) -> Html {
        let Self { id, text } = self;
        Html::trusted(format!(
            "<li id=task-{id}>{text} \
             <button hx-post=/up hx-vals='{{\"id\":{id}}}' hx-swap=none>Up</button> \
             <button hx-post=/remove hx-vals='{{\"id\":{id}}}' hx-swap=none>Remove</button></li>",
            text = Html::text(text)
        ))
    }
}

fn element(id: u32) -> Result<ElementId, TextError> {
    ElementId::new(&format!("task-{id}"))
}

#[derive(Serialize, Deserialize)]
struct Added(Task);

impl EventData for Added {
    const TYPE: &'static str = "task:added";
}

#[derive(Serialize, Deserialize)]
struct Removed {
    id: u32,
}

impl EventData for Removed {
    const TYPE: &'static str = "task:removed";
}

/// A task has moved up, before another one.
#[derive(Serialize, Deserialize)]
struct Moved {
    task: Task,
    before: u32,
}

impl EventData for Moved {
    const TYPE: &'static str = "task:moved";
}

/// The state: the tasks in their order, and the next id.
#[derive(Clone, Default)]
struct Tasks {
    list: Vec<Task>,
    next: u32,
}

impl Tasks {
    fn add(&mut self, text: String) -> Added {
        let task = Task { id: self.next, text };
        self.next += 1;
        self.list.push(task.clone());
        Added(task)
    }

    fn remove(&mut self, id: u32) -> Option<Removed> {
        let at = self.list.iter().position(|task| task.id == id)?;
        Some(Removed { id: self.list.remove(at).id })
    }

    /// Moves a task up by one; the first stays where it is.
    fn move_up(&mut self, id: u32) -> Option<Moved> {
        let at = self.list.iter().position(|task| task.id == id)?;
        let above = at.checked_sub(1)?;
        self.list.swap(above, at);
        Some(Moved { task: self.list[above].clone(), before: self.list[at].id })
    }
}

async fn page(State(kit): State<SseKit<Tasks>>) -> Page {
    let (tasks, cursor) = kit.read(Tasks::clone).await;
    let items: String = tasks.list.iter().map(|task| task.html().into_string()).collect();
    let body = format!(
        "<ol id=tasks>{items}</ol>\
         <form hx-post=/add hx-swap=none>\
         <input id=text name=text aria-label=Task required> <button>Add</button></form>"
    );
    Page::new(Endpoint::from_static("/events"), cursor).body(Html::trusted(body))
}

#[derive(Deserialize)]
struct New {
    text: String,
}

async fn add(State(kit): State<SseKit<Tasks>>, Form(new): Form<New>) -> Result<(), Error> {
    Ok(kit.change(|tasks| tasks.add(new.text)).await?)
}

#[derive(Deserialize)]
struct Chosen {
    id: u32,
}

async fn remove(State(kit): State<SseKit<Tasks>>, Form(chosen): Form<Chosen>) -> Result<(), Error> {
    // Decide first and change then: after an `Err` nothing is emitted.
    let removed = kit.change(|tasks| tasks.remove(chosen.id).ok_or(ErrorKind::NotFound)).await?;
    removed.map_err(Error::new)
}

async fn move_up(
    State(kit): State<SseKit<Tasks>>,
    Form(chosen): Form<Chosen>,
) -> Result<(), Error> {
    // `None` changes nothing and emits nothing.
    kit.change(|tasks| tasks.move_up(chosen.id)).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> std::io::Result<std::process::ExitCode> {
    let hub = Hub::new();
    live::serve("127.0.0.1:8080", app(hub.clone()), &hub).await
}

fn app(hub: Hub) -> Router {
    let kit = SseKit::with_state(hub, Tasks::default()).topic(|_event| TASKS);
    kit.on(|Added(task)| Update::append(LIST, &task.html()));
    kit.on(|Removed { id }| Ok::<_, TextError>(Update::delete(element(id)?)));
    kit.on(|Moved { task, before }| -> Result<_, BoxError> {
        let gone = Update::delete(element(task.id)?);
        Ok((gone, Update::before(element(before)?, &task.html())?))
    });
    Router::new()
        .route("/", get(page))
        .route("/events", get(|live: Live| live.open(TASKS)))
        .route("/add", post(add))
        .route("/remove", post(remove))
        .route("/up", post(move_up))
        .merge(live::assets())
        .layer(live::same_site())
        .with_state(kit)
}

#[cfg(test)]
mod tests {
    use sse_kit_test::{Scenario, TestClient, TestPage, assert_converges, seeded};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tasks_are_added_moved_and_removed() {
        let client = TestClient::new(app(Hub::new()));
        let mut page = TestPage::open(&client, "/").await;
        for text in ["one", "two", "three"] {
            page.fill("#text", text);
            page.submit("form").await;
        }
        page.expect_count("#tasks li", 3).await;
        page.click("#task-2 button").await;
        client.post("/remove", &[("id", "0")]).await;
        page.expect_count("#tasks li", 2).await;
        page.expect_text("#tasks li:first-child", "three Up Remove").await;
        page.expect_text("#tasks li:last-child", "two Up Remove").await;
        client.post("/remove", &[("id", "0")]).await.expect_status(404);
    }

    /// Tries many orders of changes and lost connections.
    #[test]
    fn every_page_ends_as_a_fresh_one_would() {
        let scenario = Scenario::page("/")
            .and_page("/")
            .action("add", async |page: &mut TestPage, choice| {
                page.client().post("/add", &[("text", &choice.to_string())]).await;
            })
            .action("up", async |page: &mut TestPage, choice| {
                page.client().post("/up", &[("id", &(choice % 5).to_string())]).await;
            })
            .action("remove", async |page: &mut TestPage, choice| {
                page.client().post("/remove", &[("id", &(choice % 5).to_string())]).await;
            })
            .seed(17);
        let hub = || Hub::builder().history(3).log(seeded(17)).build().expect("settings that fit");
        assert_converges(async || TestClient::new(app(hub())), &scenario);
    }
}
