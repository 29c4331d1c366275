//! Statistics of a kit.

use std::sync::Arc;

use serde::Serialize;
use sse_kit_broadcast::{Distribution, Histogram};

/// A snapshot of the statistics of a kit: see [`SseKit::stats`](crate::SseKit::stats).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KitStats {
    /// The time that the updater took to make the updates of an event.
    pub render: Distribution,
}

impl KitStats {
    /// Writes the statistics in the text format of Prometheus, as
    /// [`Stats::prometheus`](crate::broadcast::Stats::prometheus) does, to be put behind those of the hub.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use sse_kit::{Hub, SseKit};
    ///
    /// let kit = SseKit::new(Hub::new());
    /// let metrics = kit.hub().stats().prometheus("app") + &kit.stats().prometheus("app");
    /// assert!(metrics.ends_with("app_render_seconds_count 0\n"));
    /// # }
    /// ```
    pub fn prometheus(&self, prefix: &str) -> String {
        let help = "Time to make the updates of an event.";
        self.render.prometheus(&format!("{prefix}_render_seconds"), help)
    }
}

/// The counters behind [`KitStats`], which all clones of a kit share.
#[derive(Clone, Debug)]
pub(super) struct Counters {
    pub(super) render: Arc<Histogram>,
}

impl Counters {
    pub(super) fn new() -> Self {
        Self { render: Arc::default() }
    }

    pub(super) fn snapshot(&self) -> KitStats {
        KitStats { render: self.render.snapshot() }
    }
}
