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

/// The display of progress as a single updating line on stderr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProgressLine {
    /// Show the line if stderr is a terminal.
    #[default]
    OnTerminal,
    /// Never show the line. Progress is still logged.
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

    /// Adds a hub whose streams the shutdown ends. Call it once per hub.
    pub fn hub(mut self, hub: Hub) -> Self {
        self.hubs.push(hub);
        self
    }

    /// Sets the goodbye for clients. Default: reconnect, spread so that 500 clients return per
    /// second.
    pub fn goodbye(self, goodbye: GoodbyePolicy) -> Self {
        Self { goodbye, ..self }
    }

    /// Sets how long the server keeps serving after the signal while it reports not ready. Default:
    /// 0. Kubernetes keeps sending requests for some seconds after SIGTERM; use five to ten seconds
    /// there.
    pub fn pre_drain(self, time: Duration) -> Self {
        Self { pre_drain: time, ..self }
    }

    /// Sets the maximum time that clients have to read their goodbye; the shutdown ends earlier if
    /// all have read it. Default: 1 s. The [deadline](Self::deadline) may cut it short.
    pub fn shutdown_delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Sets the hard limit for the whole shutdown, measured from the signal. The goodbye is sent
    /// early enough that the delay after it fits in. Default: 25 s, because Kubernetes kills after
    /// 30 s.
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Limits the number of streams ended per second, as far as the deadline allows, so that not
    /// all clients lose their streams at once. Default: no limit.
    pub fn streams_per_second(self, streams: NonZero<u32>) -> Self {
        Self { per_second: Some(streams), ..self }
    }

    /// Sets whether progress is shown as a line on stderr. Default: if stderr is a terminal.
    pub fn progress_line(self, progress_line: ProgressLine) -> Self {
        Self { progress_line, ..self }
    }

    /// Checks that all durations fit into the deadline.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] for the first that does not fit. A shutdown keeps the deadline in any
    /// case.
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

    /// Builds the handle. It logs a warning if [`check`](Self::check) fails.
    pub fn build(self) -> Shutdown {
        if let Err(contradiction) = self.check() {
            tracing::warn!("{contradiction}");
        }
        Shutdown::from_settings(self)
    }
}
