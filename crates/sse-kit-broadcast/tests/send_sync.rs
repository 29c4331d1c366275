//! All public types can be sent to and shared with other threads.

use sse_kit_broadcast::{
    Append, AppendError, Appended, AsyncHook, ClientKey, CloseReason, CompressionWindow,
    Connection, ConnectionEvent, ConnectionSet, ConnectionState, ConnectionStats, ConnectionWatch,
    Counter, Delivery, Distribution, Draft, Drain, Entry, Goodbye, Histogram, HookError, Hub,
    HubBuildError, HubBuilder, HubRouter, HubRouterError, IdempotencyWindow, Inlet, InletError,
    Lineage, LogHealth, LogMonitor, LogPage, LogStats, Mark, MemoryLog, OnAppendFailure, Once,
    PendingSubscription, PresenceByKey, PresenceChange, PresenceWatch, Publish, PublishError,
    PublishedBefore, Reach, ReadError, Receipt, Record, RecvError, SendError, SlowConsumer, Start,
    Stats, SubscribeError, Subscription, SubscriptionBuilder, SyncHook, Tap, TopicPage, TopicStats,
    Verdict,
};
use sse_kit_test_support::assert_send_and_sync;

assert_send_and_sync!(
    Append,
    AppendError,
    AsyncHook,
    SyncHook,
    Appended,
    HubBuildError,
    ClientKey,
    CloseReason,
    CompressionWindow,
    Connection,
    ConnectionSet,
    ConnectionState,
    ConnectionEvent,
    ConnectionStats,
    ConnectionWatch,
    Counter,
    Delivery,
    Distribution,
    Draft,
    Drain,
    Entry,
    Goodbye,
    Histogram,
    HookError,
    Hub,
    IdempotencyWindow,
    Lineage,
    PresenceByKey<String>,
    PublishedBefore,
    HubBuilder,
    Inlet,
    InletError,
    PendingSubscription,
    LogHealth,
    LogMonitor,
    LogStats,
    Mark,
    MemoryLog,
    OnAppendFailure,
    Once,
    LogPage,
    PresenceChange,
    PresenceWatch,
    Publish<'static>,
    PublishError,
    Reach,
    ReadError,
    Receipt,
    Record,
    RecvError,
    HubRouter,
    HubRouterError,
    SendError,
    SlowConsumer,
    Start,
    Stats,
    SubscribeError,
    Subscription,
    SubscriptionBuilder,
    Tap,
    TopicPage,
    TopicStats,
    Verdict,
);

#[cfg(feature = "conformance")]
assert_send_and_sync!(
    sse_kit_broadcast::conformance::ConformanceError,
    sse_kit_broadcast::conformance::Report,
);

/// A subscription can be polled without a pin.
const _: () = {
    const fn is_unpin<T: Unpin>() {}
    is_unpin::<Subscription>();
};
