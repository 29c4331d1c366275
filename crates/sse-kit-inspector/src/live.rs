//! The stream of one page.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use http::request::Parts;
use sse_kit_event::Event;
use sse_kit_htmx::{Dialect, Updates};
use tokio::time::{Instant, sleep_until};

use crate::access_policy::AccessPolicy;
use crate::filter::View;
use crate::sections::{CONNECTIONS, PageSource, Sections};

/// The shortest time between two updates of a page.
const EVERY: Duration = Duration::from_millis(500);

/// A page rests for this many times as long as its last update took, if that is longer.
const REST: u32 = 9;

/// The shortest and the longest time after which the connections are sent again although they have not changed.
const REPEAT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The stream of one page: what has changed on it, at most twice a second.
#[derive(Debug)]
pub(crate) struct LivePage {
    pub(crate) source: Arc<PageSource>,
    pub(crate) view: Arc<View>,
    pub(crate) access: AccessPolicy,
    /// The request of the viewer, by which the right to look is checked again.
    pub(crate) request: Parts,
    pub(crate) client: Option<IpAddr>,
}

/// The state of a stream between two updates.
struct Progress {
    page: LivePage,
    shown: Sections,
    next: Instant,
    repeat: Repeat,
}

/// The time to send the connections again: a page skips them while the pointer or the focus is at an action, and
/// does not tell. The less has happened since, the longer it is.
struct Repeat {
    at: Instant,
    pause: Duration,
}

impl Repeat {
    fn after_change() -> Self {
        Self { at: Instant::now() + REPEAT.0, pause: REPEAT.0 }
    }

    fn after_repeat(&self) -> Self {
        let pause = REPEAT.1.min(self.pause * 2);
        Self { at: Instant::now() + pause, pause }
    }
}

impl LivePage {
    /// Returns the updates of the page. They end when the viewer loses the right to look.
    pub(crate) fn updates(self) -> impl Stream<Item = Event> + Send + 'static {
        self.source.recorder.watch_for(&self.view);
        let (next, repeat) = (Instant::now(), Repeat::after_change());
        let progress = Progress { page: self, shown: Sections::default(), next, repeat };
        stream::unfold(progress, |mut progress| async {
            let event = progress.next().await?;
            Some((event, progress))
        })
    }
}

impl Progress {
    async fn next(&mut self) -> Option<Event> {
        loop {
            sleep_until(self.next).await;
            let LivePage { source, view, access, request, client } = &self.page;
            if !access.allow(request, *client) {
                return None;
            }
            let began = Instant::now();
            let sections = Sections::render(source, view).await;
            let changes = sections.and_then(|sections| {
                let is_due = Instant::now() >= self.repeat.at;
                let changes = sections.changes(&self.shown, is_due)?;
                if sections.changed(&self.shown, CONNECTIONS) {
                    self.repeat = Repeat::after_change();
                } else if is_due {
                    self.repeat = self.repeat.after_repeat();
                }
                self.shown = sections;
                Ok(changes)
            });
            let event = match changes {
                Ok(changes) => event(&changes),
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(error, "the inspector cannot be rendered");
                    return None;
                }
            };
            self.next = Instant::now() + EVERY.max(began.elapsed() * REST);
            if event.is_some() {
                return event;
            }
        }
    }
}

fn event(changes: &Updates) -> Option<Event> {
    if changes.is_empty() {
        return None;
    }
    match changes.render(Dialect::V4) {
        Ok(html) => Some(Event::new(html.into_string())),
        Err(error) => {
            tracing::error!(%error, "a part of the inspector cannot be updated");
            None
        }
    }
}
