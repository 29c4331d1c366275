//! The settings of a shutdown.

use std::num::NonZero;
use std::time::Duration;

use sse_kit_broadcast::Hub;

use crate::goodbye_policy::GoodbyePolicy;
use crate::settings_error::SettingsError;
use crate::shutdown::Shutdown;

/// The settings of a [`Shutdown`].
///
/// ```
/// use std::num::NonZero;
/// use std::time::Duration;
///
/// use sse_kit_broadcast::Hub;
/// use sse_kit_shutdown::{GoodbyePolicy, Shutdown, ReconnectSpread};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let shutdown = Shutdown::builder()
///     .hub(Hub::new())
///     .pre_drain(Duration::from_secs(5))
///     .goodbye(GoodbyePolicy::ComeBack(ReconnectSpread::Within(Duration::from_secs(10))))
///     .build();
/// assert!(shutdown.is_ready());
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "settings make a shutdown when `build` is called"]
pub struct ShutdownBuilder {
    pub(crate) hubs: Vec<Hub>,
    pub(crate) goodbye: GoodbyePolicy,
    pub(crate) pre_drain: Duration,
    pub(crate) delay: Duration,
    pub(crate) deadline: Duration,
    pub(crate) per_second: Option<NonZero<u32>>,
    pub(crate) progress_line: ProgressLine,
}

/// Whether progress shows as a line that is written over and over, on stderr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProgressLine {
    /// When stderr is a terminal.
    #[default]
    OnTerminal,
    /// Never; progress is logged all the same.
    Never,
}

impl ShutdownBuilder {
    pub(crate) fn new() -> Self {
        Self {
            hubs: Vec::new(),
            goodbye: GoodbyePolicy::default(),
            pre_drain: Duration::ZERO,
            delay: Duration::from_secs(1),
            deadline: Duration::from_secs(25),
            per_second: None,
            progress_line: ProgressLine::default(),
        }
    }

    /// Whose streams are to be ended; there may be several.
    pub fn hub(mut self, hub: Hub) -> Self {
        self.hubs.push(hub);
        self
    }

    /// What clients are told. Default: to come back, 500 in a second.
    pub fn goodbye(self, goodbye: GoodbyePolicy) -> Self {
        Self { goodbye, ..self }
    }

    /// How long it keeps serving after the signal, while it says that it is not ready. Default: not at
    /// all. Kubernetes goes on sending requests for some seconds: give it five to ten.
    pub fn pre_drain(self, time: Duration) -> Self {
        Self { pre_drain: time, ..self }
    }

    /// How long clients have for reading their goodbye, at most. When all have read it, it ends at
    /// once. Default: 1 s. The [deadline](Self::deadline) cuts it short.
    pub fn shutdown_delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// When all of it is over at the latest, counted from the signal. The goodbye is given so early
    /// that the delay after it fits in. Default: 25 s, as Kubernetes kills after 30 s.
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Ends only so many streams in a second, as long as the deadline allows, so that not all clients
    /// are without a stream at once. Default: all at once.
    pub fn streams_per_second(self, streams: NonZero<u32>) -> Self {
        Self { per_second: Some(streams), ..self }
    }

    /// Whether progress shows as a line on stderr. Default: when it is a terminal.
    pub fn progress_line(self, progress_line: ProgressLine) -> Self {
        Self { progress_line, ..self }
    }

    /// Checks that all of its times fit into the deadline.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] says which do not. A shutdown keeps the deadline all the same.
    pub fn check(&self) -> Result<(), SettingsError> {
        let Self { pre_drain, delay, deadline, .. } = *self;
        if delay > deadline {
            return Err(SettingsError::Delay { delay, deadline });
        }
        if pre_drain > deadline.saturating_sub(delay) {
            return Err(SettingsError::PreDrain { pre_drain, delay, deadline });
        }
        Ok(())
    }

    /// Makes the handle. What [`check`](Self::check) has against the settings is logged as a warning.
    pub fn build(self) -> Shutdown {
        if let Err(contradiction) = self.check() {
            tracing::warn!("{contradiction}");
        }
        Shutdown::from_settings(self)
    }
}
