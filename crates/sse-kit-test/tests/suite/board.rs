//! A small app: notes that are added and removed, and how many there are. It can have faults.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use sse_kit_broadcast::{Hub, SlowConsumer};
use sse_kit_event::control::ControlName;
use sse_kit_event::{Event, LastEventId, Topic};
use sse_kit_htmx::{Connect, Dialect, Element, Html, Tag, Update, Updates};
use sse_kit_http::{SseBody, SseRequest, SseResponse, ensure_same_site};
use sse_kit_test::{TestBody, TestClient};
use tokio::sync::Mutex;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Body = Either<SseBody, Full<Bytes>>;

/// The fault of the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Nothing,
    /// Every third event is not published.
    LosesEvents,
    /// The pages have nothing that loads them anew.
    IgnoresGaps,
    /// Of each two events the second comes first.
    SwapsEvents,
}

#[derive(Clone)]
pub(crate) struct Board {
    pub(crate) hub: Hub,
    fault: Fault,
    notes: Arc<Mutex<Notes>>,
}

#[derive(Default)]
struct Notes {
    all: Vec<(u32, String)>,
    added: u32,
    published: u32,
    held_back: Option<Event>,
}

impl Board {
    pub(crate) fn new(fault: Fault) -> Self {
        let hub = Hub::builder().history(3).queue(4).log(sse_kit_test::seeded(7)).build();
        Self { hub: hub.expect("settings that fit"), fault, notes: Arc::default() }
    }

    pub(crate) fn client(&self) -> TestClient {
        let board = self.clone();
        TestClient::new(tower::service_fn(move |request| {
            let board = board.clone();
            async move { Ok::<_, Infallible>(board.answer(request).await) }
        }))
    }

    async fn answer(&self, request: Request<TestBody>) -> Response<Body> {
        self.route(request).await.unwrap_or_else(|error| {
            let mut response = Response::new(Either::Right(Full::from(error.to_string())));
            *response.status_mut() = StatusCode::BAD_REQUEST;
            response
        })
    }

    async fn route(&self, request: Request<TestBody>) -> Result<Response<Body>, Error> {
        let uri = request.uri();
        let dialect = match uri.query() {
            Some("htmx=2") => Dialect::V2,
            _ => Dialect::V4,
        };
        let html = |html: String| Response::new(Either::Right(Full::from(html)));
        match (request.method(), uri.path()) {
            (&Method::GET, "/") => Ok(html(self.page(dialect).await?)),
            (&Method::GET, "/events") => {
                let events = self.events(SseRequest::from(&request).last_event_id(), dialect)?;
                Ok(events.map(Either::Left))
            }
            (&Method::POST, "/notes") => {
                ensure_same_site(uri, request.headers())?;
                let text = field(request.body(), "text").ok_or("a note has a text")?;
                self.add(text).await?;
                Ok(html(String::new()))
            }
            (&Method::POST, "/remove") => {
                let id = field(request.body(), "id").ok_or("which note?")?.parse()?;
                self.remove(id).await?;
                Ok(html(String::new()))
            }
            (&Method::GET, "/login") => {
                let mut response = html(String::new());
                *response.status_mut() = StatusCode::SEE_OTHER;
                response.headers_mut().insert("location", "/".parse()?);
                response.headers_mut().insert("set-cookie", "who=ada; HttpOnly".parse()?);
                Ok(response)
            }
            (&Method::GET, "/who") => Ok(html(cookie(request.headers()).unwrap_or_default())),
            _ => Err("there is no such page".into()),
        }
    }

    async fn page(&self, dialect: Dialect) -> Result<String, Error> {
        let notes = self.notes.lock().await;
        let list: String = notes.all.iter().map(|(id, text)| note(*id, text).to_string()).collect();
        let (count, cursor) = (notes.all.len(), self.hub.cursor());
        let version = match dialect {
            Dialect::V2 => "?htmx=2",
            _ => "?htmx=4",
        };
        let close = ControlName::Close.event().name().cloned().ok_or("a name")?;
        let connect = Connect::new(format!("/events{version}").parse()?)
            .out_of_band()
            .close(close)
            .resume_from(cursor)
            .attributes(dialect)?;
        let monitor = match self.fault {
            Fault::IgnoresGaps => "",
            _ => {
                "<script type=\"application/json\" data-sse-kit-monitor>{\"gap\":\"reload\"}</script>"
            }
        };
        Ok(format!(
            "<!DOCTYPE html><title>Notes</title>{monitor}
            <p>There are <b id=\"count\">{count}</b>.</p><ul id=\"notes\">{list}</ul>
            <form id=\"new\" hx-post=\"/notes\" hx-swap=\"none\"><input name=\"text\"><button>Add</button></form>
            <a href=\"/login\">Log in</a><div id=\"events\"{connect}></div>"
        ))
    }

    fn events(
        &self,
        seen: Option<LastEventId>,
        dialect: Dialect,
    ) -> Result<Response<SseBody>, Error> {
        let topic: Topic = format!("notes:{dialect}").parse()?;
        let subscription = self.hub.subscribe(topic).resume(seen);
        let subscription = subscription.slow_consumer(SlowConsumer::Heal).open()?;
        Ok(SseResponse::new(subscription).retry(Duration::from_secs(2)).into_response())
    }

    pub(crate) async fn add(&self, text: String) -> Result<(), Error> {
        let mut notes = self.notes.lock().await;
        notes.added += 1;
        let id = notes.added;
        notes.all.push((id, text.clone()));
        self.tell(&mut notes, Update::append("notes".parse()?, &note(id, &text))?).await
    }

    async fn remove(&self, id: u32) -> Result<(), Error> {
        let mut notes = self.notes.lock().await;
        notes.all.retain(|(known, _)| *known != id);
        self.tell(&mut notes, Update::delete(format!("note-{id}").parse()?)).await
    }

    async fn tell(&self, notes: &mut Notes, update: Update) -> Result<(), Error> {
        let count = Update::fill("count".parse()?, &Html::text(notes.all.len()))?;
        let updates = Updates::from_iter([update, count]);
        notes.published += 1;
        if self.fault == Fault::LosesEvents && notes.published.is_multiple_of(3) {
            return Ok(());
        }
        for dialect in Dialect::ALL {
            let topic: Topic = format!("notes:{dialect}").parse()?;
            let event = Event::new(updates.render(dialect)?.as_str());
            if self.fault != Fault::SwapsEvents {
                self.hub.publish(&topic, event).await?;
            } else if dialect == Dialect::V4 {
                match notes.held_back.take() {
                    Some(first) => {
                        self.hub.publish(&topic, event).await?;
                        self.hub.publish(&topic, first).await?;
                    }
                    None => notes.held_back = Some(event),
                }
            }
        }
        Ok(())
    }
}

fn note(id: u32, text: &str) -> Element {
    let button = format!(
        " <button hx-post=\"/remove\" hx-vals='{{\"id\":\"{id}\"}}' hx-swap=\"none\">x</button>"
    );
    Element::new("li".parse::<Tag>().expect("a name"))
        .id(&format!("note-{id}").parse().expect("an id"))
        .child(text)
        .child(Html::trusted(button))
}

fn field(body: &TestBody, name: &str) -> Option<String> {
    form_urlencoded::parse(body.bytes())
        .find_map(|(found, value)| (found == name).then(|| value.into_owned()))
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    Some(headers.get("cookie")?.to_str().ok()?.to_owned())
}
