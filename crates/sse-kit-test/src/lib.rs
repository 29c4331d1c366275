//! Tests of live pages: an app in the test's own process, pages that apply what they are sent, and the
//! property that matters, that a live page shows what a fresh one does.
//!
//! The app is any [`tower::Service`], such as an axum `Router`. No socket is opened and no browser is
//! started. With Tokio's clock paused, waiting takes no time, and silence is a fact.
//!
//! ```
//! use std::convert::Infallible;
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
//!
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{Either, Full};
//! use sse_kit_broadcast::Hub;
//! use sse_kit_event::{Event, Topic};
//! use sse_kit_htmx::{Connect, Dialect, Html, Update, Updates};
//! use sse_kit_http::{SseBody, SseRequest, SseResponse};
//! use sse_kit_test::{TestBody, TestClient, TestPage};
//!
//! type Error = Box<dyn std::error::Error + Send + Sync>;
//!
//! /// An app: a button, and how often it was clicked, on every open page.
//! #[derive(Clone)]
//! struct Counter {
//!     hub: Hub,
//!     count: Arc<AtomicU32>,
//! }
//!
//! impl Counter {
//!     async fn answer(
//!         self,
//!         request: Request<TestBody>,
//!     ) -> Result<Response<Either<SseBody, Full<Bytes>>>, Error> {
//!         let topic: Topic = "count".parse()?;
//!         if request.uri().path() == "/events" {
//!             let seen = SseRequest::from(&request).last_event_id();
//!             let stream = SseResponse::new(self.hub.subscribe(topic).resume(seen).open()?);
//!             return Ok(stream.into_response().map(Either::Left));
//!         }
//!         if request.method() == "POST" {
//!             let count = self.count.fetch_add(1, SeqCst) + 1;
//!             let update = Updates::from(Update::fill("count".parse()?, &Html::text(count))?);
//!             self.hub.publish(&topic, Event::new(update.render(Dialect::V4)?.as_str())).await?;
//!         }
//!         let connect = Connect::new("/events".parse()?).out_of_band().resume_from(self.hub.cursor());
//!         let page = format!(
//!             "<div{}></div><b id=count>{}</b> <button hx-post=/ hx-swap=none>+1</button>",
//!             connect.attributes(Dialect::V4)?,
//!             self.count.load(SeqCst),
//!         );
//!         Ok(Response::new(Either::Right(page.into())))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let app = Counter { hub: Hub::new(), count: Arc::default() };
//! let client = TestClient::new(tower::service_fn(move |request| app.clone().answer(request)));
//!
//! let mut alice = TestPage::open(&client, "/").await;
//! let mut bob = TestPage::open(&client, "/").await;
//! alice.click("button").await;
//! bob.expect_text("#count", "1").await;
//!
//! bob.disconnect();
//! alice.click("button").await;
//! bob.reconnect().await;
//! bob.expect_text("#count", "2").await;
//! # }
//! ```
//!
//! - [`TestClient`]: a browser's side of HTTP, with cookies. Its [`TestStream`]s are read message by
//!   message, reconnect with their last id, and can be slow, be cut anywhere, or forget.
//! - [`TestPage`]: a document with its streams, as htmx 2 or htmx 4 has it. It is clicked, and filled in.
//! - [`assert_converges`]: random runs of what users do and networks suffer, by a [`Scenario`].
//! - [`Recorder`]: what a hub publishes, as events and as changes of pages.
//! - [`seeded`]: ids and waits that are the same in each run.
//!
//! # Cancel safety
//!
//! The waiting methods of [`TestStream`] are cancel safe but `reconnect`. Await the futures of [`TestClient`]
//! and [`TestPage`] to their end: one that is dropped may have sent its request, and its answer is lost.
//!
//! What fails, fails by a panic that names the line of the test and lists what came instead. The guide is
//! `docs/src/testing.md` in the repository.

mod body;
mod client;
mod clock;
mod converge;
mod cookies;
mod dom;
mod failure;
mod page;
mod recorder;
mod response;
mod scenario;
mod seed;
mod service;
mod stream;

pub use crate::body::TestBody;
pub use crate::client::TestClient;
pub use crate::converge::{assert_converges, converges};
pub use crate::dom::DomChange;
pub use crate::page::{GapHandling, TestPage};
pub use crate::recorder::{Published, Recorder};
pub use crate::response::TestResponse;
pub use crate::scenario::Scenario;
pub use crate::seed::seeded;
pub use crate::stream::TestStream;
