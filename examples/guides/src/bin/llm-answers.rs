//! The answer of a language model, which every page joins, leaves and resumes.

use std::time::Duration;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::routing::get;
use futures_util::{Stream, StreamExt, stream};
use sse_kit::axum::{self as live, Error, Live};
use sse_kit::event::Topic;
use sse_kit::htmx::Html;
use sse_kit::http::{SharedProgress, SharedStream, SseResponse};
use sse_kit::{BoxError, Event, Hub};

/// The text so far.
struct Answer(String);

impl SharedProgress for Answer {
    type Item = String;

    /// Returns the event for pages that are open.
    fn event(&self, token: &String) -> Event {
        Event::new(Html::text(token).into_string())
    }

    /// Adds the token for pages that load later.
    fn apply(&mut self, token: String) {
        self.0.push_str(&token);
    }
}

/// Asks the model once. The task continues when every page is closed.
fn begin(
    hub: &Hub,
    id: &str,
    tokens: impl Stream<Item = String> + Send + 'static,
) -> Result<SharedStream<Answer>, BoxError> {
    let topic = Topic::from_segments(["answers", id])?;
    let (answer, produce) = SharedStream::new(hub.clone(), topic, Answer(String::new()), tokens);
    tokio::spawn(async move {
        if let Err(error) = produce.await {
            tracing::warn!(%error, "an answer was not published");
        }
    });
    Ok(answer)
}

#[derive(Clone)]
struct App {
    hub: Hub,
    answer: SharedStream<Answer>,
}

/// Lets `Live` find the hub.
impl FromRef<App> for Hub {
    fn from_ref(app: &App) -> Self {
        app.hub.clone()
    }
}

/// Shows the text so far. An answer that is complete has no cursor, and its page needs no stream.
async fn page(State(app): State<App>) -> axum::response::Html<String> {
    let (text, cursor) = app.answer.read(|answer| Html::text(&answer.0));
    let stream = cursor.map(|cursor| {
        format!(
            "<script>const answer = document.getElementById('answer');
             const events = new EventSource('/events?last_event_id={cursor}');
             events.onmessage = ({{ data }}) => answer.insertAdjacentHTML('beforeend', data);
             events.addEventListener('sse-kit:gap', () => location.reload());
             events.addEventListener('sse-kit:close', () => events.close());</script>"
        )
    });
    axum::response::Html(format!("<p id=answer>{text}</p>{}", stream.unwrap_or_default()))
}

async fn events(State(app): State<App>, live: Live) -> Result<SseResponse, Error> {
    live.open_shared(&app.answer).await
}

/// Stands in for the client of your model: a word every tenth of a second, for half a minute.
fn ask() -> impl Stream<Item = String> + Send + 'static {
    let words =
        "To be, or not to be, that is the question. ".split_inclusive(' ').cycle().take(300);
    Box::pin(stream::iter(words).then(async |word| {
        tokio::time::sleep(Duration::from_millis(100)).await;
        word.to_owned()
    }))
}

#[tokio::main]
async fn main() -> Result<std::process::ExitCode, BoxError> {
    let hub = Hub::new();
    let answer = begin(&hub, "17", ask())?;
    Ok(live::serve("127.0.0.1:8080", app(hub.clone(), answer), &hub).await?)
}

fn app(hub: Hub, answer: SharedStream<Answer>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/events", get(events))
        .with_state(App { hub, answer })
}

#[cfg(test)]
mod tests {
    use sse_kit_test::TestClient;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_page_that_comes_back_gets_the_rest() {
        let hub = Hub::new();
        // A model that says two words.
        let tokens = stream::iter(["To ", "be"]).then(async |token| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            token.to_owned()
        });
        let answer = begin(&hub, "17", Box::pin(tokens)).expect("a topic");
        let client = TestClient::new(app(hub, answer));

        let mut stream = client.stream("/events").await;
        assert_eq!(stream.next().await.data, "To ");
        stream.disconnect();
        stream.reconnect().await;
        assert_eq!(stream.next().await.data, "be");
        assert_eq!(stream.next().await.name, "sse-kit:close");
        assert!(client.get("/").await.text().contains("<p id=answer>To be</p>"));
    }
}
