//! All public types can be sent to and shared with other threads.

use sse_kit_event::control::{ControlName, Gap, GapReason, Hello};
use sse_kit_event::{
    Audience, ConnectionId, DecodeError, Decoded, Decoder, EncodedEvent, EncodedEventError, Epoch,
    Event, EventId, EventKey, EventName, IdempotencyKey, LastEventId, Message, RandomError,
    SeveralTopics, StaticTopic, Text, TextError, TextErrorKind, Topic, TopicPattern, Topics,
    TopicsError, TraceContext,
};
use sse_kit_test_support::assert_send_and_sync;

assert_send_and_sync!(
    Gap,
    GapReason,
    Hello,
    Audience,
    ConnectionId,
    ControlName,
    DecodeError,
    Decoded,
    Decoder,
    EncodedEvent,
    EncodedEventError,
    Epoch,
    Event,
    EventId,
    EventKey,
    EventName,
    IdempotencyKey,
    LastEventId,
    Message,
    RandomError,
    SeveralTopics,
    StaticTopic,
    Text,
    TextError,
    TextErrorKind,
    Topic,
    TopicPattern,
    Topics,
    TopicsError,
    TraceContext,
);

#[cfg(feature = "json")]
mod json {
    sse_kit_test_support::assert_send_and_sync!(sse_kit_event::JsonError);
}
