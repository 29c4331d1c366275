//! A guest book: a form that changes every open page.

use axum::extract::State;
use axum::response::Html as HtmlPage;
use axum::routing::{get, post};
use axum::{Form, Router};
use serde::{Deserialize, Serialize};
use sse_kit::axum::{self as live, Error, Live};
use sse_kit::htmx::{ElementId, Endpoint, Html, RenderError, Update};
use sse_kit::{EventData, Hub, Page, SseKit};

const MAX_TEXT: usize = 200;

/// Somebody has signed the guest book.
#[derive(Clone, Serialize, Deserialize)]
struct Signed {
    number: usize,
    text: String,
}

impl EventData for Signed {
    const TYPE: &'static str = "book:signed";
}

fn entry(signed: &Signed) -> Html {
    let Signed { number, text } = signed;
    Html::trusted(format!("<li id=entry-{number}>{}</li>", Html::text(text)))
}

/// Renders the form, with the text that was typed and the reason why it was refused.
fn form(text: &str, problem: &str) -> Html {
    Html::trusted(format!(
        "<form id=sign hx-post=/entries hx-target=this hx-swap=outerHTML \
         hx-status:4xx=\"swap:none\" hx-status:5xx=\"swap:none\">\
         <input id=text name=text value=\"{}\" aria-label=Text> <button>Sign</button> \
         <span id=problem role=alert>{}</span></form>",
        Html::text(text),
        Html::text(problem),
    ))
}

/// Shows in the form that its request failed: by the events of htmx 4, and by those of htmx 2.
const FAILURES: &str = "<script>
for (const name of ['htmx:response:error', 'htmx:error', 'htmx:responseError', 'htmx:sendError']) {
  document.addEventListener(name, ({ target }) => {
    const problem = target.querySelector('[role=alert]');
    if (problem) problem.textContent = 'That did not work. Your text is still here: try again.';
  });
}
</script>";

async fn page(State(kit): State<SseKit<Vec<Signed>>>) -> Page {
    let (entries, cursor) = kit.read(Vec::clone).await;
    let entries: String = entries.iter().map(|signed| entry(signed).into_string()).collect();
    let body = format!("{}<ol id=entries>{entries}</ol>{FAILURES}", form("", ""));
    Page::new(Endpoint::from_static("/events"), cursor).body(Html::trusted(body))
}

#[derive(Deserialize)]
struct Sent {
    text: String,
}

/// Refuses a bad text by the form itself; otherwise changes the state, and answers with an empty form.
async fn sign(
    State(kit): State<SseKit<Vec<Signed>>>,
    Form(sent): Form<Sent>,
) -> Result<HtmlPage<String>, Error> {
    let text = sent.text.trim().to_owned();
    if text.is_empty() || text.chars().count() > MAX_TEXT {
        let problem = format!("Write between 1 and {MAX_TEXT} characters.");
        return Ok(HtmlPage(form(&sent.text, &problem).into_string()));
    }
    kit.change(|entries| {
        let signed = Signed { number: entries.len(), text };
        entries.push(signed.clone());
        signed
    })
    .await?;
    Ok(HtmlPage(form("", "").into_string()))
}

#[tokio::main]
async fn main() -> std::io::Result<std::process::ExitCode> {
    let kit = SseKit::with_state(Hub::new(), Vec::new());
    live::serve("127.0.0.1:8080", app(&kit), kit.hub()).await
}

fn app(kit: &SseKit<Vec<Signed>>) -> Router {
    kit.on(|signed: Signed| -> Result<_, RenderError> {
        Update::append(ElementId::from_static("entries"), &entry(&signed))
    });
    Router::new()
        .route("/", get(page))
        .route("/entries", post(sign))
        .route("/events", get(|live: Live| live.open(Signed::topic())))
        .merge(live::assets())
        .layer(live::same_site())
        .with_state(kit.clone())
}

#[cfg(test)]
mod tests {
    use sse_kit::broadcast::Goodbye;
    use sse_kit_test::{TestClient, TestPage};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_entry_shows_on_every_page_and_a_refusal_on_one() {
        let client = TestClient::new(app(&SseKit::with_state(Hub::new(), Vec::new())));
        let mut ada = TestPage::open(&client, "/").await;
        let mut bob = TestPage::open(&client, "/").await;

        bob.fill("#text", "half-writ");
        ada.fill("#text", " ");
        ada.submit("#sign").await;
        ada.expect_text("#problem", "Write between 1 and 200 characters.").await;

        ada.fill("#text", "I was <here>");
        ada.submit("#sign").await;
        ada.expect_text("#entries li", "I was <here>").await;
        ada.expect_text("#problem", "").await;
        bob.expect_text("#entries li", "I was <here>").await;
        assert_eq!(ada.count("#entries li"), 1);

        // The update left Bob's form alone.
        bob.submit("#sign").await;
        ada.expect_text("#entries li:last-child", "half-writ").await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_leaves_the_form_as_it_is() {
        let kit = SseKit::with_state(Hub::new(), Vec::new());
        let client = TestClient::new(app(&kit));
        let mut page = TestPage::open(&client, "/").await;
        kit.hub().shut_down(Goodbye::StayAway);
        client.post("/entries", &[("text", "too late")]).await.expect_status(503);
        page.fill("#text", "too late");
        page.submit("#sign").await;
        assert_eq!(page.count("#sign #text"), 1);
    }
}
