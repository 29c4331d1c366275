//! A live page by hand: the app, without a web framework.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sse_kit::broadcast::{Goodbye, PublishError, SlowConsumer, SubscribeError, Subscription};
use sse_kit::event::{EventKey, LastEventId, Topic};
use sse_kit::{Event, Hub};

/// The state that all requests and tasks share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App {
    hub: Hub,
    topic: Topic,
    key: EventKey,
    percent: Arc<AtomicU32>,
}

impl App {
    /// Makes the app, with nothing done yet.
    ///
    /// # Errors
    ///
    /// If a setting, the topic or the key is not valid.
    pub fn new() -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            hub: Hub::builder().history(200).build()?,
            topic: "jobs:1".parse()?,
            key: "bar".parse()?,
            percent: Arc::default(),
        })
    }

    /// Does the work repeatedly, and publishes its progress.
    ///
    /// # Errors
    ///
    /// If the hub has shut down, or its log refuses an event.
    pub async fn work(self) -> Result<(), PublishError> {
        loop {
            for percent in 0..=100 {
                tokio::time::sleep(Duration::from_millis(100)).await;
                self.percent.store(percent, Ordering::Relaxed); // first the state …
                let event = Event::new(self.bar()).with_key(self.key.clone());
                self.hub.publish(&self.topic, event).await?; // … then the event
            }
        }
    }

    /// Renders the part of the page that changes.
    fn bar(&self) -> String {
        let percent = self.percent.load(Ordering::Relaxed);
        format!(
            r#"<progress id="bar" max="100" value="{percent}" hx-swap-oob="true">{percent} %</progress>"#
        )
    }

    /// Renders the page, with the cursor from which its stream continues.
    pub fn page(&self, live: &str) -> String {
        let cursor = self.hub.cursor().to_string(); // first the cursor …
        let bar = self.bar(); // … then the state
        let live = live.replace("CURSOR", &cursor);
        format!("<!DOCTYPE html><title>Live</title><h1>Job 1</h1>{bar}{live}")
    }

    /// Opens the stream of one page.
    ///
    /// # Errors
    ///
    /// If the hub has shut down.
    pub fn watch(&self, seen: Option<LastEventId>) -> Result<Subscription, SubscribeError> {
        let subscribe = self.hub.subscribe(&self.topic).resume(seen);
        subscribe.slow_consumer(SlowConsumer::Conflate).open()
    }

    /// Returns the hub, for a server that ends the streams itself.
    pub fn hub(&self) -> Hub {
        self.hub.clone()
    }

    /// Ends all streams; their pages come back within five seconds.
    pub fn shut_down(&self) {
        self.hub.shut_down(Goodbye::ComeBack { within: Duration::from_secs(5) });
    }
}

/// A page without htmx.
pub const EVENT_SOURCE: &str = "<script>
  const events = new EventSource('/events?last_event_id=CURSOR');
  events.addEventListener('message', (event) => {
    document.getElementById('bar').outerHTML = event.data;
  });
  events.addEventListener('sse-kit:gap', () => location.reload());
  events.addEventListener('sse-kit:close', () => events.close());
</script>";

/// A page with htmx 4.
pub const HTMX_4: &str = r#"
<script src="https://cdn.jsdelivr.net/npm/htmx.org@4.0.1/dist/htmx.min.js" crossorigin="anonymous"
  integrity="sha384-Qp9rdC8H7EqOoX+nR0P3RPG2Noji+qdwJlGpfzwQJsfOpp3sGwIdSP9xO3+UlEhn"></script>
<script src="https://cdn.jsdelivr.net/npm/htmx.org@4.0.1/dist/ext/hx-sse.min.js" crossorigin="anonymous"
  integrity="sha384-v8HvucQ+ohQhMg0arboXc5049yNR46QKMjphs7YDch+Wm7zpfK5XVS01f26mQDJV"></script>
<div id="live" hx-sse:connect="/events?last_event_id=CURSOR" hx-sse:close="sse-kit:close"
  hx-swap="none" hx-status:4xx="swap:none" hx-status:5xx="swap:none"></div>
<script>
  document.getElementById('live').addEventListener('sse-kit:gap', () => location.reload());
</script>"#;

/// A page with htmx 2.
pub const HTMX_2: &str = r#"
<script src="https://cdn.jsdelivr.net/npm/htmx.org@2.0.11/dist/htmx.min.js" crossorigin="anonymous"
  integrity="sha384-2OatzQy1H+Zd/IIrjr1TcuDGqLXeHhbooAyJY1KdQMKnr4LZ22k31GBLdYKHmVjg"></script>
<script src="https://cdn.jsdelivr.net/npm/htmx-ext-sse@2.2.4/dist/sse.min.js" crossorigin="anonymous"
  integrity="sha384-A986SAtodyH8eg8x8irJnYUk7i9inVQqYigD6qZ9evobksGNIXfeFvDwLSHcp31N"></script>
<div id="live" hx-ext="sse" sse-connect="/events?last_event_id=CURSOR" sse-close="sse-kit:close"
  sse-swap="message" hx-swap="none"></div>
<script>
  document.getElementById('live').addEventListener('htmx:sseOpen', ({ detail }) => {
    detail.source.addEventListener('sse-kit:gap', () => location.reload());
  });
</script>"#;
