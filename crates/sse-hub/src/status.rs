//! The status page, live on a stream of its own.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use askama::Template;
use http::StatusCode;
use sse_kit::broadcast::{HubBuildError, Stats};
use sse_kit::event::{EventName, Topic};
use sse_kit::{Event, Hub};

use crate::reply::{self, Reply};

/// The number of seconds that the chart shows.
const CHART_SECONDS: usize = 120;

/// The page, and what it shows. Apart from the topics and counters of users.
#[derive(Clone)]
pub(crate) struct Status {
    pub(crate) stream: Hub,
    /// As it was last rendered.
    panel: Arc<Mutex<String>>,
}

/// Returns the topic on which the panel is published.
pub(crate) fn topic() -> Topic {
    static TOPIC: LazyLock<Topic> = LazyLock::new(|| "status".parse().expect("it is a word"));
    TOPIC.clone()
}

const EVENT_NAME: EventName = EventName::from_static("status");

impl Status {
    pub(crate) fn new() -> Result<Self, HubBuildError> {
        let stream = Hub::builder().history(1).shards(1).build()?;
        Ok(Self { stream, panel: Arc::default() })
    }

    /// Renders the panel once, and publishes it to all who look.
    pub(crate) async fn publish(&self, stats: &Stats, evicted: u64, rate: &Rate) {
        let panel = Panel { stats, evicted, rate };
        let html = match panel.render() {
            Ok(html) => html,
            Err(error) => return tracing::error!(%error, "the status panel cannot be rendered"),
        };
        self.panel.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&html);
        if let Err(error) =
            self.stream.publish(&topic(), Event::new(html).with_name(EVENT_NAME)).await
        {
            tracing::debug!(%error, "the status is not published");
        }
    }

    /// Returns the page with the panel as it is now, and the position from which its stream goes on.
    pub(crate) fn page(&self) -> Reply {
        let cursor = self.stream.cursor().to_string();
        let panel = self.panel.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (Page { panel, cursor }).render() {
            Ok(html) => reply::text(StatusCode::OK, "text/html; charset=utf-8", html),
            Err(error) => reply::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }

    pub(crate) fn script() -> Reply {
        let script = include_str!("../templates/status.js");
        reply::text(StatusCode::OK, "text/javascript; charset=utf-8", script)
    }

    pub(crate) fn icon() -> Reply {
        reply::text(StatusCode::OK, "image/svg+xml", include_str!("../templates/icon.svg"))
    }

    pub(crate) fn style() -> Reply {
        let style = include_str!("../templates/status.css");
        reply::text(StatusCode::OK, "text/css; charset=utf-8", style)
    }
}

#[derive(Template)]
#[template(path = "page.html")]
struct Page {
    panel: String,
    cursor: String,
}

#[derive(Template)]
#[template(path = "panel.html")]
struct Panel<'a> {
    stats: &'a Stats,
    evicted: u64,
    rate: &'a Rate,
}

/// Messages a second, over the last two minutes. The inspector has the same of more counters; its own is not
/// used here, as a chart would then belong to the public API of a library.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    /// Newest last.
    seconds: VecDeque<u64>,
    /// The counter at the last sample.
    before: Option<u64>,
}

impl Rate {
    /// Takes the count of published messages, this long after the last sample. A sample that comes late
    /// stands for several seconds.
    pub(crate) fn sample(&mut self, published: u64, elapsed: Duration) {
        let Some(before) = self.before.replace(published) else { return };
        let millis = elapsed.as_millis().max(1);
        let rate = u128::from(published.saturating_sub(before)) * 1_000 / millis;
        let rate = u64::try_from(rate).unwrap_or(u64::MAX);
        let seconds = usize::try_from((millis + 500) / 1_000).unwrap_or(CHART_SECONDS);
        for _ in 0..seconds.clamp(1, CHART_SECONDS) {
            self.seconds.push_back(rate);
            if self.seconds.len() > CHART_SECONDS {
                self.seconds.pop_front();
            }
        }
    }

    fn now(&self) -> u64 {
        self.seconds.back().copied().unwrap_or(0)
    }

    fn highest(&self) -> u64 {
        self.seconds.iter().copied().max().unwrap_or(0)
    }

    /// Returns the points of a line in a box of 119 by 30, the newest at the right.
    fn line(&self) -> String {
        let from = CHART_SECONDS - self.seconds.len();
        let highest = self.highest().max(1);
        let mut points = String::new();
        for (second, messages) in self.seconds.iter().enumerate() {
            // A tenth of a unit is finer than anybody sees.
            let depth = 290 - 280 * messages / highest;
            let separator = if second == 0 { "" } else { " " };
            let x = from + second;
            write!(points, "{separator}{x},{}.{}", depth / 10, depth % 10)
                .expect("memory takes any text");
        }
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chart_keeps_to_its_box() {
        let mut rate = Rate::default();
        for published in [0, 0, 50, 150, 150] {
            rate.sample(published, Duration::from_secs(1));
        }
        assert_eq!(rate.line(), "116,29.0 117,15.0 118,1.0 119,29.0");
        assert_eq!((rate.now(), rate.highest()), (0, 100));
        for second in 0..1000 {
            rate.sample(150 + second, Duration::from_secs(1));
        }
        assert_eq!(rate.seconds.len(), CHART_SECONDS);
    }
}
