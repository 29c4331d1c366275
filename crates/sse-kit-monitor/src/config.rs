//! What is watched, and how.

use std::time::Duration;

use sse_kit_htmx::{ElementId, Html, Reconnect};

use crate::data_block;
use crate::indicator::{Indicator, Indicators};
use crate::state::State;

/// How one connection of a page is watched.
///
/// | | default |
/// |---|---|
/// | the element that holds the connection | `sse-connection` |
/// | the element that shows its state | `connection-status` |
/// | reconnect | on |
/// | reconnect delay | 3 s |
/// | heartbeat timeout | 2.5 times as long as the server's heartbeats take, 30 s until it says |
/// | gaps | reload the page |
/// | indicators | a word for each state |
/// | debug, overlay | off |
///
/// Setters take and return it; what is not set keeps its default.
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

/// What a page does when events are missing for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnGap {
    /// The page loads itself anew, once it is five seconds old, and so every five seconds at most.
    ///
    /// Fields that people have edited keep their values, by their ids. If one cannot be kept (it has no
    /// id, it is a password or a file, or the browser refuses storage) the page waits as with
    /// [`Wait`](Self::Wait).
    #[default]
    Reload,
    /// As [`Reload`](Self::Reload), but the page waits until no field is edited any more: until its form
    /// is sent or reset, or the field is as it was. Until then the status element has
    /// `data-reload="waiting"`, and the element of the connection gets an event `sse-kit:reload`.
    Wait,
    /// It does nothing. Scripts of yours hear of the gap by the event `sse-kit:gap`.
    Report,
}

/// Whether the browser's console is told of each change of state, at its level "debug" or "verbose".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConsoleLog {
    /// It is.
    On,
    /// It is not.
    #[default]
    Off,
}

/// Whether a panel at the foot of the page shows developers the state and why, the last event and its
/// id, how late the last heartbeat was, and how often the page has reconnected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlay {
    /// It does.
    On,
    /// There is no panel.
    #[default]
    Off,
}

impl MonitorConfig {
    /// The id of the element that holds the connection, by default.
    pub const CONNECTION: &str = "sse-connection";
    /// The id of the element that shows its state, by default.
    pub const STATUS: &str = "connection-status";

    /// Shorter times would do harm: a page would ask without end. In scripts longer ones are none.
    const TIMES: (Duration, Duration) =
        (Duration::from_millis(100), Duration::from_millis(i32::MAX as u64));

    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The element that holds the connection. It need not be on the page yet.
    pub fn connection(mut self, id: ElementId) -> Self {
        self.connection = id;
        self
    }

    /// The element that shows the state; several connections can do without one, or have one each.
    pub fn status(mut self, id: ElementId) -> Self {
        self.status = id;
        self
    }

    /// Whether a connection that was lost is made again.
    pub fn auto_reconnect(mut self, reconnect: Reconnect) -> Self {
        self.auto_reconnect = reconnect;
        self
    }

    /// How long it takes at most until a lost connection is tried again for the first time; then half
    /// as long again each time, until it is half a minute. At random: at least half of that.
    ///
    /// A server that says goodbye says when to come back, and that holds. At least 100 ms.
    pub fn reconnect_delay(mut self, delay: Duration) -> Self {
        self.reconnect_delay = Self::in_bounds(delay);
        self
    }

    /// How long a stream may be silent until it is stale. A second later it is dropped, and tried
    /// again. At least 100 ms.
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.heartbeat_timeout = Some(Self::in_bounds(timeout));
        self
    }

    /// What the page does when events are missing for good.
    pub fn on_gap(mut self, on_gap: OnGap) -> Self {
        self.on_gap = on_gap;
        self
    }

    /// Whether the console is told of each change.
    pub fn console_log(mut self, debug: ConsoleLog) -> Self {
        self.debug = debug;
        self
    }

    /// Whether there is a panel for developers.
    pub fn overlay(mut self, overlay: Overlay) -> Self {
        self.overlay = overlay;
        self
    }

    /// What the status element shows in a state; the other states keep theirs.
    pub fn indicator(mut self, state: State, indicator: impl Into<Indicator>) -> Self {
        self.indicators.set(state, indicator.into());
        self
    }

    /// The element that shows the state: a `<span>` that screen readers announce when they have time.
    ///
    /// Any element does that has its id; give it `role="status"` too.
    pub fn status_element(&self) -> Html {
        Html::trusted(format!(
            "<span id=\"{}\" role=\"status\" aria-live=\"polite\" data-state=\"{}\">{}</span>",
            Html::text(&self.status),
            State::Connecting,
            self.indicators.html(State::Connecting),
        ))
    }

    /// What the script reads, as a block of data that runs nothing: it needs no nonce, and can stand
    /// anywhere in the page.
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
