//! All public types can be sent to and shared with other threads.
#![cfg(unix)]

use sse_kit_shutdown::{
    Ended, GoodbyePolicy, Outcome, Phase, Progress, ProgressLine, ReconnectSpread, SettingsError,
    Shutdown, ShutdownBuilder, ShuttingDownError, Signal, Signals, Tracked, Work,
};
use sse_kit_test_support::assert_send_and_sync;

assert_send_and_sync!(
    Ended,
    GoodbyePolicy,
    Outcome<()>,
    Phase,
    Progress,
    ProgressLine,
    ReconnectSpread,
    SettingsError,
    Shutdown,
    ShutdownBuilder,
    ShuttingDownError,
    Signal,
    Signals,
    Tracked,
    Work,
);
