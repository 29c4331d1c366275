//! The task that records what happens.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use sse_kit_broadcast::{ConnectionWatch, Goodbye, Hub, RecvError, Tap};
use tokio::time::{MissedTickBehavior, interval};

use crate::recorder::Recorder;

/// The time between two looks at what has happened.
const TICK: Duration = Duration::from_millis(200);

/// The number of looks between two samples of the counters, which are a second apart.
const SAMPLE_EVERY: u32 = 5;

/// The most that is recorded at one look; the rest is counted. For events it is of each kind: those that
/// an open page filters for, and the others.
const MAX_EVENTS: usize = 20;
const MAX_EVENT_BYTES: usize = 256 << 10;
const MAX_HAPPENINGS: usize = 64;

/// The time within which open pages reconnect after the hub has shut down.
const COME_BACK_WITHIN: Duration = Duration::from_secs(2);

/// Reads what happens in a hub, and records it.
#[derive(Debug)]
pub(crate) struct Collector {
    hub: Hub,
    /// The hub of the inspector's own pages.
    pages: Hub,
    recorder: Arc<Recorder>,
    tap: Tap,
    watch: ConnectionWatch,
}

impl Collector {
    pub(crate) fn new(hub: Hub, pages: Hub, recorder: Arc<Recorder>) -> Self {
        let (tap, watch) = (hub.tap(), hub.watch_connections());
        Self { hub, pages, recorder, tap, watch }
    }

    /// Runs until the hub has shut down. It wakes by the clock and not by each event, so that its
    /// cost does not grow with their rate.
    pub(crate) async fn run(mut self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut until_sample = 0;
        loop {
            ticks.tick().await;
            let is_open = self.take_events();
            self.take_happenings();
            if until_sample == 0 {
                self.recorder.sample(&self.hub.stats());
                until_sample = SAMPLE_EVERY;
            }
            until_sample -= 1;
            if !is_open {
                // Pages that are open go where the clients of the app go.
                return self.pages.shut_down(Goodbye::ComeBack { within: COME_BACK_WITHIN });
            }
        }
    }

    /// Records the newest events, some of them if there are many. Returns `false` after a shutdown.
    fn take_events(&mut self) -> bool {
        let filters = self.recorder.filters();
        let (mut all, mut wanted, mut skipped) = (Budget::default(), Budget::default(), 0);
        let is_open = loop {
            match self.tap.recv().now_or_never() {
                None => break true,
                Some(Ok(entry)) => {
                    let is_wanted =
                        filters.iter().any(|view| view.wants_audience(entry.audience()));
                    let budget = if is_wanted { &mut wanted } else { &mut all };
                    if budget.spend(entry.frame().len()) {
                        self.recorder.event(&entry, is_wanted);
                    } else {
                        skipped += 1;
                    }
                }
                Some(Err(RecvError::Lagged { missed })) => skipped += missed,
                Some(Err(_closed)) => break false,
            }
        };
        if skipped > 0 {
            self.recorder.skip(skipped);
        }
        is_open
    }

    fn take_happenings(&mut self) {
        let mut missed = 0;
        let mut taken = 0;
        while let Some(event) = self.watch.recv().now_or_never() {
            match event {
                Ok(event) if taken < MAX_HAPPENINGS => {
                    self.recorder.happening(&event);
                    taken += 1;
                }
                Ok(_) => missed += 1,
                Err(RecvError::Lagged { missed: lost }) => missed += lost,
                Err(_closed) => break,
            }
        }
        if missed > 0 {
            self.recorder.miss_happenings(missed);
        }
    }
}

/// The events that were recorded at one look.
#[derive(Debug, Default)]
struct Budget {
    events: usize,
    bytes: usize,
}

impl Budget {
    /// Returns `true` if there is room for an event of this size; then it counts.
    fn spend(&mut self, bytes: usize) -> bool {
        let has_room = self.events < MAX_EVENTS && self.bytes < MAX_EVENT_BYTES;
        if has_room {
            self.events += 1;
            self.bytes += bytes;
        }
        has_room
    }
}
