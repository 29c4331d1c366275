//! All public types can be sent to and shared with other threads.

use sse_kit_broadcast::{
    Append, AppendError, Appended, BuildError, ClientKey, CloseReason, Connection, ConnectionSet,
    ConnectionSetError, ConnectionState, Counter, Delivery, Draft, Drain, Entry, Goodbye,
    HookError, Hub, HubBuilder, Inlet, InletError, Joined, LogHealth, LogMonitor, LogStats, Mark,
    MemoryLog, OnAppendFailure, Once, Page, PresenceChange, PresenceWatch, Publish, PublishError,
    Reach, ReadError, Receipt, Record, RecvError, Router, RouterError, SendError, SlowConsumer,
    Start, Stats, SubscribeError, Subscription, SubscriptionBuilder, Tap, Verdict,
};
use sse_kit_test_support::assert_send_and_sync;

assert_send_and_sync!(
    Append,
    AppendError,
    Appended,
    BuildError,
    ClientKey,
    CloseReason,
    Connection,
    ConnectionSet,
    ConnectionSetError,
    ConnectionState,
    Counter,
    Delivery,
    Draft,
    Drain,
    Entry,
    Goodbye,
    HookError,
    Hub,
    HubBuilder,
    Inlet,
    InletError,
    Joined,
    LogHealth,
    LogMonitor,
    LogStats,
    Mark,
    MemoryLog,
    OnAppendFailure,
    Once,
    Page,
    PresenceChange,
    PresenceWatch,
    Publish<'static>,
    PublishError,
    Reach,
    ReadError,
    Receipt,
    Record,
    RecvError,
    Router,
    RouterError,
    SendError,
    SlowConsumer,
    Start,
    Stats,
    SubscribeError,
    Subscription,
    SubscriptionBuilder,
    Tap,
    Verdict,
);

/// A subscription can be polled without a pin.
const _: () = {
    const fn is_unpin<T: Unpin>() {}
    is_unpin::<Subscription>();
};
