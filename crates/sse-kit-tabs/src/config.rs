//! What the script is told.

use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::json;
use sse_kit_htmx::{Html, Nonce, Script, ScriptFolder};

use crate::identity::Identity;
use crate::stream_path::StreamPath;

/// Which streams the tabs of a browser share, and how.
///
/// ```
/// use sse_kit_tabs::TabsConfig;
///
/// // The stream at `/events`, whatever its query, and all below `/jobs/`.
/// let tabs = TabsConfig::new(["/events".parse()?, "/jobs/".parse()?]);
/// # Ok::<(), sse_kit_tabs::StreamPathError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TabsConfig {
    streams: Vec<StreamPath>,
    identity: Identity,
    replay_events: NonZeroU32,
    replay_characters: NonZeroU32,
    reconnect_delay: Duration,
    heartbeat_timeout: Option<Duration>,
}

impl TabsConfig {
    /// How many events are kept for tabs that come later, unless something else is said.
    pub const REPLAY_EVENTS: NonZeroU32 = NonZeroU32::new(1_000).expect("not zero");

    /// How many characters of data they may have in all, unless something else is said.
    pub const REPLAY_CHARACTERS: NonZeroU32 = NonZeroU32::new(4 << 20).expect("not zero");

    /// The upper bound of the first wait for a lost connection, unless something else is said; the
    /// same as the monitor's.
    pub const RECONNECT_DELAY: Duration = Duration::from_secs(3);

    /// The bounds of the times. A shorter one would have pages ask without end; scripts take no
    /// longer one.
    const TIMES: (Duration, Duration) =
        (Duration::from_millis(100), Duration::from_millis(i32::MAX as u64));

    /// Shares the streams at these paths, among all tabs of the browser.
    ///
    /// An app that has sessions needs an [identity](Self::identity) too.
    pub fn new(streams: impl IntoIterator<Item = StreamPath>) -> Self {
        Self {
            streams: streams.into_iter().collect(),
            identity: Identity::anyone(),
            replay_events: Self::REPLAY_EVENTS,
            replay_characters: Self::REPLAY_CHARACTERS,
            reconnect_delay: Self::RECONNECT_DELAY,
            heartbeat_timeout: None,
        }
    }

    /// Shares among tabs with this identity only.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = identity;
        self
    }

    /// Keeps so many events of a stream, in the browser, for tabs that come later or come back. A tab
    /// that lacks more has the stream opened anew from where it is, and the server replays.
    pub fn replay_events(mut self, events: NonZeroU32) -> Self {
        self.replay_events = events;
        self
    }

    /// Keeps events with so many characters of data in all.
    pub fn replay_characters(mut self, characters: NonZeroU32) -> Self {
        self.replay_characters = characters;
        self
    }

    /// Sets the upper bound of the first wait for a lost connection. Each wait is 1.5 times as long as
    /// the one before, up to 30 s, and random: at least half of that. Clamped to at least 100 ms.
    ///
    /// A server that says goodbye says when to come back, and that holds.
    pub fn reconnect_delay(mut self, delay: Duration) -> Self {
        self.reconnect_delay = Self::in_bounds(delay);
        self
    }

    /// Sets how long a stream may be silent until it is stale, unless it is 2.5 heartbeats of the server.
    /// A second later the tabs drop the connection and try again. Clamped to at least 100 ms.
    ///
    /// It is also the time within which tabs notice that the one of them that holds the connection does not
    /// run, between 2 s and 8 s. Set the same as in the monitor's configuration, if the page has one.
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.heartbeat_timeout = Some(Self::in_bounds(timeout));
        self
    }

    /// The script, for pages and for the worker alike: to be served as a file of its [name], from the
    /// folder that the [tags](Self::tags) name, and from the page's own origin.
    ///
    /// Its name has a hash of what is in it, so it may be cached for ever.
    ///
    /// [name]: Script::file_name
    pub fn script() -> Script {
        Script::new("sse-kit-tabs", include_str!("../dist/sse-kit-tabs.js"))
    }

    /// The tags for the `<head>` of a page: the settings, and the script, which is in this folder.
    ///
    /// They may stand before or behind those of htmx, but not be deferred.
    pub fn tags(&self, folder: &ScriptFolder, nonce: Option<&Nonce>) -> Html {
        let settings = self.settings(folder);
        Html::trusted(format!("{settings}\n{}", Self::script().tag(folder, nonce)))
    }

    /// The settings alone, for an app that has a tag for the script elsewhere behind them. This is a
    /// data block, which no policy keeps from being read, so it needs no nonce.
    pub fn settings(&self, folder: &ScriptFolder) -> Html {
        let settings = json!({
            "streams": self.streams,
            "identity": self.identity,
            "worker": folder.file(&Self::script().file_name()),
            "options": {
                "events": self.replay_events,
                "characters": self.replay_characters,
                "reconnectDelay": milliseconds(self.reconnect_delay),
                "heartbeatTimeout": self.heartbeat_timeout.map(milliseconds),
            },
        });
        sse_kit_client::data_block(" id=\"sse-kit-tabs\"", &settings)
    }

    fn in_bounds(time: Duration) -> Duration {
        let (shortest, longest) = Self::TIMES;
        time.clamp(shortest, longest)
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
