//! The handle of a shutdown.

use std::sync::Arc;
use std::time::Duration;

use sse_kit_broadcast::Hub;
use tokio::sync::watch;

use crate::builder::ShutdownBuilder;
use crate::phase::Phase;
use crate::progress::Progress;
use crate::tracked::{Count, Tracked, Work};

/// The interval between looks at the number of streams that are left.
const STREAMS_INTERVAL: Duration = Duration::from_millis(10);

/// The handle of a shutdown: it stops the server, and reports whether the server is stopping.
/// Cloning is cheap; all clones are the same shutdown.
///
/// [`Shutdown::run`] does the work. The other methods connect the rest of the app: to observe the
/// shutdown, and to make it wait.
#[derive(Clone, Debug)]
pub struct Shutdown {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: ShutdownBuilder,
    phase: watch::Sender<Phase>,
    triggered: watch::Sender<bool>,
    connections: Arc<Count>,
    work: Arc<Count>,
}

impl Shutdown {
    /// Returns a builder for a shutdown.
    pub fn builder() -> ShutdownBuilder {
        ShutdownBuilder::new()
    }

    pub(crate) fn from_settings(settings: ShutdownBuilder) -> Self {
        Self {
            shared: Arc::new(Shared {
                settings,
                phase: watch::Sender::new(Phase::Running),
                triggered: watch::Sender::new(false),
                connections: Arc::default(),
                work: Arc::default(),
            }),
        }
    }

    /// Stops the server as a signal does. Further calls do nothing.
    pub fn trigger(&self) {
        self.shared.triggered.send_replace(true);
    }

    /// Returns the current phase.
    pub fn phase(&self) -> Phase {
        *self.shared.phase.borrow()
    }

    /// Returns `true` until the signal: requests may be sent here. Use it for a readiness probe.
    pub fn is_ready(&self) -> bool {
        self.phase() == Phase::Running
    }

    /// Returns `true` from [`Phase::Draining`] on: long-running tasks should end.
    pub fn should_exit(&self) -> bool {
        self.phase() >= Phase::Draining
    }

    /// Waits until the server should stop accepting connections. Pass it to axum's
    /// `with_graceful_shutdown`, or await it in a stream of the app.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe. The future does not borrow the handle.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + Sync + 'static + use<> {
        self.reached(Phase::Draining)
    }

    /// Waits until the shutdown has reached `phase`.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe. The future does not borrow the handle.
    pub fn reached(
        &self,
        phase: Phase,
    ) -> impl Future<Output = ()> + Send + Sync + 'static + use<> {
        let shared = Arc::clone(&self.shared);
        async move {
            let mut changes = shared.phase.subscribe();
            // Cannot fail: `shared` keeps the channel open.
            let _ = changes.wait_for(|now| *now >= phase).await;
        }
    }

    /// Counts a connection that is not a stream of a hub, such as a WebSocket or a server's
    /// connection. After the goodbye the shutdown waits until the guard is dropped or
    /// [untracked](Tracked::untrack).
    pub fn track(&self) -> Tracked {
        Tracked::new(&self.shared.connections)
    }

    /// Delays the goodbye until the guard is dropped, but not beyond the deadline. Use it in a
    /// handler that must finish and publish something.
    ///
    /// # Errors
    ///
    /// [`ShuttingDownError`] from [`Phase::Draining`] on: new work is too late.
    pub fn work(&self) -> Result<Work, ShuttingDownError> {
        // Count first: a drain that begins in between then waits for this work.
        let work = Work::new(&self.shared.work);
        if self.should_exit() { Err(ShuttingDownError) } else { Ok(work) }
    }

    /// Returns the numbers of streams, connections and work that are still open.
    pub fn progress(&self) -> Progress {
        Progress {
            phase: self.phase(),
            streams: self.streams(),
            connections: self.shared.connections.get(),
            work: self.shared.work.get(),
        }
    }

    pub(crate) fn settings(&self) -> &ShutdownBuilder {
        &self.shared.settings
    }

    pub(crate) fn hubs(&self) -> &[Hub] {
        &self.settings().hubs
    }

    pub(crate) fn streams(&self) -> usize {
        self.hubs().iter().map(Hub::connection_count).sum()
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.shared.phase.send_modify(|now| *now = phase.max(*now));
    }

    pub(crate) async fn triggered(&self) {
        // Cannot fail: `self` keeps the channel open.
        let _ = self.shared.triggered.subscribe().wait_for(|triggered| *triggered).await;
    }

    /// Waits until no work is in progress.
    pub(crate) async fn idle(&self) {
        self.shared.work.none_left().await;
    }

    /// Waits until no stream is open.
    pub(crate) async fn without_streams(&self) {
        while self.streams() > 0 {
            tokio::time::sleep(STREAMS_INTERVAL).await;
        }
    }

    /// Waits until no tracked connection is open.
    pub(crate) async fn untracked(&self) {
        self.shared.connections.none_left().await;
    }
}

/// The error for work that would begin while the server is stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server is shutting down; retry on another node")]
pub struct ShuttingDownError;
