//! The plain values of sse-kit and their wire format. No async, no I/O.
//!
//! ```
//! use sse_kit_event::{Event, EventId, Topic};
//!
//! let topic: Topic = "jobs:17".parse()?;
//! let event = Event::new(r#"{"percent":40}"#).with_name("progress".parse()?);
//! let id: EventId = "5f-12".parse()?;
//!
//! assert_eq!(topic.segments().count(), 2);
//! assert_eq!(
//!     &event.encode().finish(Some(id))[..],
//!     b"event: progress\ndata: {\"percent\":40}\nid: 5f-12\n\n",
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`Event`] is the value that an app publishes. [`Event::encode`] writes it in the
//!   `text/event-stream` format of the [WHATWG HTML standard, section 9.2][spec]; [`Decoder`] reads
//!   that format.
//! - [`EventName`], [`EventId`], [`Topic`], [`TopicPattern`] and [`EventKey`] are validated when
//!   they are made: no name and no id can end its own line.
//! - [`TextError`] is the error of all these text types, and of those of the other crates.
//! - [`Audience`] names the receivers of an event, [`Topics`] the topics of a subscription, and
//!   [`LastEventId`] the last event that a client has seen.
//! - [`TraceContext`] is the trace of the request that caused an event. It never leaves the server.
//! - [`control`] holds the events that sse-kit itself sends; an app cannot publish events with
//!   those names.
//!
//! The feature `json` adds `Event::json`, and the dependency on `serde_json` with it.
//!
//! [spec]: https://html.spec.whatwg.org/multipage/server-sent-events.html

#![cfg_attr(docsrs, feature(doc_cfg))]

mod audience;
mod connection_id;
pub mod control;
mod decode;
mod encode;
mod event;
mod id;
mod idempotency;
mod key;
mod last_event_id;
mod name;
mod pattern;
mod random;
mod rules;
mod segments;
mod shared_text;
mod static_topic;
mod text;
mod topic;
mod topics;
mod trace_context;

pub use audience::{Audience, SeveralTopics};
pub use connection_id::ConnectionId;
pub use decode::{DecodeError, Decoded, Decoder, Message};
pub use encode::{EncodedEvent, EncodedEventError};
pub use event::Event;
#[cfg(feature = "json")]
#[cfg_attr(docsrs, doc(cfg(feature = "json")))]
pub use event::JsonError;
pub use id::{Epoch, EventId};
pub use idempotency::IdempotencyKey;
pub use key::EventKey;
pub use last_event_id::LastEventId;
pub use name::EventName;
pub use pattern::TopicPattern;
pub use random::{RandomError, random_bytes};
#[doc(hidden)]
pub use shared_text::Text;
pub use static_topic::StaticTopic;
pub use text::{TextError, TextErrorKind};
pub use topic::Topic;
pub use topics::{Topics, TopicsError};
pub use trace_context::TraceContext;
