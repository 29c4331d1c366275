//! The handle that everybody holds who has to know.

use std::sync::Arc;

use sse_kit_broadcast::Hub;
use tokio::sync::watch;

use crate::builder::ShutdownBuilder;
use crate::phase::Phase;
use crate::progress::Progress;
use crate::tracked::{Count, Tracked, Work};

/// Knows whether the server is to stop, tells whoever asks, and stops it. Cheap to clone; all clones
/// are one.
///
/// [`Shutdown::run`] does the work. All else here is for the app: to be told, and to be waited for.
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
    /// Settings for a shutdown.
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

    /// Stops the server as a signal does. The second time nothing happens.
    pub fn trigger(&self) {
        self.shared.triggered.send_replace(true);
    }

    /// How far it has got.
    pub fn phase(&self) -> Phase {
        *self.shared.phase.borrow()
    }

    /// Whether requests should be sent here: false from the signal on. For a readiness probe.
    pub fn is_ready(&self) -> bool {
        self.phase() == Phase::Running
    }

    /// Whether what runs for long should come to an end: from [`Phase::Draining`] on.
    pub fn should_exit(&self) -> bool {
        self.phase() >= Phase::Draining
    }

    /// Waits until the server should take no more connections: what axum's `with_graceful_shutdown`
    /// asks for, and what a stream of one's own can wait for.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + Sync + 'static + use<> {
        self.reached(Phase::Draining)
    }

    /// Waits until it has got as far as `phase`.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub fn reached(
        &self,
        phase: Phase,
    ) -> impl Future<Output = ()> + Send + Sync + 'static + use<> {
        let shared = Arc::clone(&self.shared);
        async move {
            let mut changes = shared.phase.subscribe();
            // It cannot be closed while `shared` is there.
            let _ = changes.wait_for(|now| *now >= phase).await;
        }
    }

    /// Counts a connection that the streams of the hubs do not stand for, such as a WebSocket
    /// or the connection of a server: after the goodbye it is waited for, until the guard is dropped
    /// or [untracked](Tracked::untrack).
    pub fn track(&self) -> Tracked {
        Tracked::new(&self.shared.connections)
    }

    /// Holds up the goodbye until the guard is dropped, though not beyond the deadline: for a handler
    /// that has something to finish, and to publish.
    ///
    /// # Errors
    ///
    /// [`ShuttingDownError`] from [`Phase::Draining`] on: it is too late to begin.
    pub fn work(&self) -> Result<Work, ShuttingDownError> {
        // Counted first: whoever begins to drain in between then waits for it.
        let work = Work::new(&self.shared.work);
        if self.should_exit() { Err(ShuttingDownError) } else { Ok(work) }
    }

    /// What there is to be ended, or is left of it.
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
        // It cannot be closed while `self` is borrowed.
        let _ = self.shared.triggered.subscribe().wait_for(|triggered| *triggered).await;
    }

    /// Waits until no work is under way.
    pub(crate) async fn idle(&self) {
        self.shared.work.none_left().await;
    }

    /// Waits until no tracked connection is open.
    pub(crate) async fn untracked(&self) {
        self.shared.connections.none_left().await;
    }
}

/// The server is about to stop, and begins nothing new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server is shutting down")]
pub struct ShuttingDownError;
