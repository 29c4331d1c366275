//! The task that records what happens.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use sse_kit_broadcast::{
    CloseReason, ConnectionEvent, ConnectionWatch, Goodbye, Hub, RecvError, Tap,
};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::newest::Newest;
use crate::recorder::Recorder;

/// The time between two looks at what has happened.
const TICK: Duration = Duration::from_millis(200);

/// The shortest time between two samples of the counters.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// The most that is recorded at one look, the newest; the rest is counted. For events it is of each
/// kind: those that an open page filters for, and the others.
const MAX_EVENTS: usize = 20;
const MAX_EVENT_BYTES: usize = 256 << 10;

/// The most that is recorded at one look of connections that opened or closed, and as much of gaps
/// and evictions.
const MAX_CONNECTION_EVENTS: usize = 64;

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
        let mut sampled: Option<Instant> = None;
        loop {
            ticks.tick().await;
            let is_open = self.take_events();
            self.take_connection_events();
            // The ticks are late if the runtime is busy, so the time is measured.
            let elapsed = sampled.map_or(SAMPLE_EVERY, |at| at.elapsed());
            if elapsed >= SAMPLE_EVERY {
                self.recorder.sample(&self.hub.stats(), elapsed);
                sampled = Some(Instant::now());
            }
            if !is_open {
                // Pages that are open go where the clients of the app go.
                return self.pages.shut_down(Goodbye::ComeBack { within: COME_BACK_WITHIN });
            }
        }
    }

    /// Records the newest events. They are decoded when all have been taken. Returns `false` after a
    /// shutdown.
    fn take_events(&mut self) -> bool {
        let filters = self.recorder.filters();
        let kind = || Newest::new(MAX_EVENTS, MAX_EVENT_BYTES);
        let (mut all, mut wanted, mut skipped) = (kind(), kind(), 0);
        let mut number = 0_u64;
        let is_open = loop {
            number += 1;
            match self.tap.recv().now_or_never() {
                None => break true,
                Some(Ok(entry)) => {
                    let is_wanted =
                        filters.iter().any(|view| view.wants_audience(entry.audience()));
                    let bytes = entry.frame().len();
                    let kind = if is_wanted { &mut wanted } else { &mut all };
                    kind.push((number, entry, is_wanted), bytes);
                }
                Some(Err(RecvError::Lagged { missed })) => skipped += missed,
                Some(Err(_closed)) => break false,
            }
        };
        skipped += all.dropped + wanted.dropped;
        let mut kept: Vec<_> = all.into_items().chain(wanted.into_items()).collect();
        kept.sort_by_key(|(number, ..)| *number);
        for (_, entry, is_wanted) in kept {
            self.recorder.event(&entry, is_wanted);
        }
        if skipped > 0 {
            self.recorder.skip(skipped);
        }
        is_open
    }

    fn take_connection_events(&mut self) {
        let kind = || Newest::new(MAX_CONNECTION_EVENTS, usize::MAX);
        let (mut visits, mut losses, mut missed) = (kind(), kind(), 0);
        for number in 0_u64.. {
            match self.watch.recv().now_or_never() {
                Some(Ok(event)) => {
                    let kind = if is_loss(&event) { &mut losses } else { &mut visits };
                    kind.push((number, event), 0);
                }
                Some(Err(RecvError::Lagged { missed: lost })) => missed += lost,
                None | Some(Err(_)) => break,
            }
        }
        missed += visits.dropped + losses.dropped;
        let mut kept: Vec<_> = visits.into_items().chain(losses.into_items()).collect();
        kept.sort_by_key(|(number, _)| *number);
        for (_, event) in kept {
            self.recorder.connection_event(&event, is_loss(&event));
        }
        if missed > 0 {
            self.recorder.miss_connection_events(missed);
        }
    }
}

/// Returns `true` if a client missed events. A crowd of others must not hide it.
fn is_loss(event: &ConnectionEvent) -> bool {
    matches!(event, ConnectionEvent::Gap(..) | ConnectionEvent::Closed(_, CloseReason::TooSlow))
}
