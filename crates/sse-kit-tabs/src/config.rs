//! The settings of the script.

use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::json;
use sse_kit_htmx::Script;

use crate::identity::Identity;
use crate::script::script;
use crate::stream_path::StreamPath;

/// The settings of shared streams: the paths to share, and how the tabs of a browser share them.
///
/// ```
/// use sse_kit_tabs::{Identity, TabsConfig};
///
/// // The stream at `/events`, whatever its query, and all below `/jobs/`.
/// let streams = ["/events".parse()?, "/jobs/".parse()?];
/// let tabs = TabsConfig::new(streams, Identity::fingerprint("the id of the session"));
/// # Ok::<(), sse_kit_htmx::TextError>(())
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
    /// The default number of events that are kept for tabs that join later.
    pub const REPLAY_EVENTS: NonZeroU32 = NonZeroU32::new(1_000).expect("not zero");

    /// The default limit on the data of kept events, in characters.
    pub const REPLAY_CHARACTERS: NonZeroU32 = NonZeroU32::new(4 << 20).expect("not zero");

    /// The default upper bound of the delay before the first reconnect, the same as the monitor's.
    pub const RECONNECT_DELAY: Duration = Duration::from_secs(3);

    /// The bounds of durations. A shorter one would make pages retry continuously; a longer one
    /// does not fit into a script's timer.
    const TIMES: (Duration, Duration) =
        (Duration::from_millis(100), Duration::from_millis(i32::MAX as u64));

    /// Creates settings that share the streams at these paths among all tabs of the browser that have this
    /// identity.
    ///
    /// An app in which all users see the same has [`Identity::anyone`]. With sessions that would be a leak:
    /// the stream of a user who logged out would continue in the tab of the next user.
    pub fn new(streams: impl IntoIterator<Item = StreamPath>, identity: Identity) -> Self {
        Self {
            streams: streams.into_iter().collect(),
            identity,
            replay_events: Self::REPLAY_EVENTS,
            replay_characters: Self::REPLAY_CHARACTERS,
            reconnect_delay: Self::RECONNECT_DELAY,
            heartbeat_timeout: None,
        }
    }

    /// Sets the number of events per stream that the browser keeps for tabs that join later or
    /// reconnect. If a tab lacks more, the script opens a new stream from the tab's position, and
    /// the server replays.
    pub fn replay_events(mut self, events: NonZeroU32) -> Self {
        self.replay_events = events;
        self
    }

    /// Sets the limit on the data of kept events, in characters.
    pub fn replay_characters(mut self, characters: NonZeroU32) -> Self {
        self.replay_characters = characters;
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

    /// Sets how long a stream may be silent before it counts as stale. Default: 2.5 times the
    /// server's heartbeat interval. One second later the tabs drop the connection and reconnect.
    /// The minimum is 100 ms.
    ///
    /// It is also the time in which tabs detect that the tab with the connection no longer runs,
    /// limited to 2 s to 8 s. Use the same value as in the monitor's settings, if the page has a
    /// monitor.
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.heartbeat_timeout = Some(Self::in_bounds(timeout));
        self
    }

    /// Returns the script with these settings, for
    /// [`PageScripts::script`](sse_kit_htmx::PageScripts::script). It may be before or after htmx, but must
    /// not be deferred.
    ///
    /// The settings are a data block, which a content security policy does not block, so they need no
    /// nonce.
    pub fn script(&self) -> Script {
        let settings = json!({
            "streams": self.streams,
            "identity": self.identity,
            "options": {
                "events": self.replay_events,
                "characters": self.replay_characters,
                "reconnectDelay": milliseconds(self.reconnect_delay),
                "heartbeatTimeout": self.heartbeat_timeout.map(milliseconds),
            },
        });
        script().settings(sse_kit_client::data_block(" id=\"sse-kit-tabs\"", &settings))
    }

    fn in_bounds(time: Duration) -> Duration {
        let (shortest, longest) = Self::TIMES;
        time.clamp(shortest, longest)
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
