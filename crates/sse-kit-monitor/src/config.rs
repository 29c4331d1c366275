//! The settings of the monitor.

use std::time::Duration;

use sse_kit_htmx::{ElementId, Html, Reconnect};

use crate::data_block;
use crate::indicator::{Indicator, Indicators};
use crate::state::State;

/// The settings of the monitor for one connection of a page.
///
/// | | default |
/// |---|---|
/// | the element that holds the connection | `sse-connection` |
/// | the element that shows its state | `connection-status` |
/// | reconnect | on |
/// | reconnect delay | 3 s |
/// | heartbeat timeout | 2.5 times the server's heartbeat interval; 30 s until it is known |
/// | gaps | reload the page |
/// | indicators | one word per state |
/// | console log, overlay | off |
///
/// Setters consume and return the value; settings that are not set keep their defaults.
///
/// ```
/// use std::time::Duration;
/// use sse_kit_monitor::{MonitorConfig, State};
///
/// let monitor = MonitorConfig::new()
///     .reconnect_delay(Duration::from_secs(1))
///     .indicator(State::Live, "Up to date");
/// assert!(monitor.status_element().as_str().contains("id=\"connection-status\""));
/// ```
#[derive(Clone, Debug)]
pub struct MonitorConfig {
    pub(crate) connection: ElementId,
    pub(crate) status: ElementId,
    pub(crate) auto_reconnect: Reconnect,
    pub(crate) reconnect_delay: Duration,
    pub(crate) heartbeat_timeout: Option<Duration>,
    pub(crate) on_gap: OnGap,
    pub(crate) debug: ConsoleLog,
    pub(crate) overlay: Overlay,
    pub(crate) indicators: Indicators,
}

/// The reaction of a page to a gap: events are missing and will not be delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnGap {
    /// The page reloads itself, but not before it is five seconds old, so at most once in five
    /// seconds.
    ///
    /// Fields that people have edited keep their values, by their ids. If a value cannot be kept
    /// (the field has no id, is a password or a file, or the browser refuses storage), the page
    /// waits as with [`Wait`](Self::Wait).
    #[default]
    Reload,
    /// The page reloads itself as with [`Reload`](Self::Reload), but waits until no field has
    /// unsaved edits: its form was sent or reset, or the field has its original value again. Until
    /// then the status element has `data-reload="waiting"`, and the element of the connection
    /// receives an event `sse-kit:reload`.
    Wait,
    /// The page does nothing. Scripts can react to the event `sse-kit:gap`.
    Report,
}

/// The logging of state changes to the browser's console, at the level "debug" or "verbose".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConsoleLog {
    /// State changes are logged.
    On,
    /// State changes are not logged.
    #[default]
    Off,
}

/// The developer overlay: a panel at the foot of the page with the state and its reason, the last
/// event and its id, the delay of the last heartbeat, and the number of reconnects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overlay {
    /// The panel is shown.
    On,
    /// The panel is not shown.
    #[default]
    Off,
}

impl MonitorConfig {
    /// The default id of the element that holds the connection.
    pub const CONNECTION: &str = "sse-connection";
    /// The default id of the element that shows the state.
    pub const STATUS: &str = "connection-status";

    /// The bounds of durations. A shorter one would make pages retry continuously; a longer one
    /// does not fit into a script's timer.
    const TIMES: (Duration, Duration) =
        (Duration::from_millis(100), Duration::from_millis(i32::MAX as u64));

    /// Creates the default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the element that holds the connection. It may be added to the page later.
    pub fn connection(mut self, id: ElementId) -> Self {
        self.connection = id;
        self
    }

    /// Sets the element that shows the state. With several connections, each may have its own or
    /// none.
    pub fn status(mut self, id: ElementId) -> Self {
        self.status = id;
        self
    }

    /// Sets whether the page reconnects after a lost connection.
    pub fn auto_reconnect(mut self, reconnect: Reconnect) -> Self {
        self.auto_reconnect = reconnect;
        self
    }

    /// Sets the upper bound of the delay before the first reconnect. Each retry waits 1.5 times as
    /// long, up to 30 s. The actual delay is random, at least half of that. The minimum is 100 ms.
    ///
    /// If the server sends a goodbye with a delay, that delay applies instead.
    pub fn reconnect_delay(mut self, delay: Duration) -> Self {
        self.reconnect_delay = Self::in_bounds(delay);
        self
    }

    /// Sets how long a stream may be silent before it counts as stale. One second later the page
    /// drops it and reconnects. The minimum is 100 ms.
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.heartbeat_timeout = Some(Self::in_bounds(timeout));
        self
    }

    /// Sets the reaction of the page to a gap.
    pub fn on_gap(mut self, on_gap: OnGap) -> Self {
        self.on_gap = on_gap;
        self
    }

    /// Sets whether state changes are logged to the browser's console.
    pub fn console_log(mut self, debug: ConsoleLog) -> Self {
        self.debug = debug;
        self
    }

    /// Sets whether the developer overlay is shown.
    pub fn overlay(mut self, overlay: Overlay) -> Self {
        self.overlay = overlay;
        self
    }

    /// Sets the content of the status element in one state.
    pub fn indicator(mut self, state: State, indicator: impl Into<Indicator>) -> Self {
        self.indicators.set(state, indicator.into());
        self
    }

    /// Returns the element that shows the state: a `<span>` that screen readers announce politely.
    ///
    /// Any other element with its id works too; give it `role="status"`.
    pub fn status_element(&self) -> Html {
        Html::trusted(format!(
            "<span id=\"{}\" role=\"status\" aria-live=\"polite\" data-state=\"{}\">{}</span>",
            Html::text(&self.status),
            State::Connecting,
            self.indicators.html(State::Connecting),
        ))
    }

    /// Returns the settings for the script, as a data block. It is not executed, so it needs no
    /// nonce and may be anywhere in the page.
    pub fn data_block(&self) -> Html {
        data_block::data_block(self)
    }

    fn in_bounds(time: Duration) -> Duration {
        let (shortest, longest) = Self::TIMES;
        time.clamp(shortest, longest)
    }
}

impl Default for MonitorConfig {
    fn default() -> Self {
        let id = |id| ElementId::new(id).expect("the default ids are right");
        Self {
            connection: id(Self::CONNECTION),
            status: id(Self::STATUS),
            auto_reconnect: Reconnect::On,
            reconnect_delay: Duration::from_secs(3),
            heartbeat_timeout: None,
            on_gap: OnGap::Reload,
            debug: ConsoleLog::Off,
            overlay: Overlay::Off,
            indicators: Indicators::default(),
        }
    }
}
