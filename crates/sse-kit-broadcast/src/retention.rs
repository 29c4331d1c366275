//! The limits of history.

use std::time::Duration;

use sse_kit_event::{Topic, Topics};

/// The limits of history.
#[derive(Clone, Debug)]
pub(crate) struct Retention {
    pub(crate) events_per_topic: usize,
    /// The number of events for some topics. The first entry that covers a topic counts.
    pub(crate) events_by_topic: Vec<(Topics, usize)>,
    pub(crate) age: Option<Duration>,
    /// The age for some topics. The first entry that covers a topic counts.
    pub(crate) age_by_topic: Vec<(Topics, Option<Duration>)>,
    pub(crate) bytes: usize,
}

/// The limits of the history of one topic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) events: usize,
    pub(crate) age: Option<Duration>,
}

impl Retention {
    /// Returns `true` if events expire on any topic.
    pub(crate) fn expires(&self) -> bool {
        self.age.is_some() || self.age_by_topic.iter().any(|(_, age)| age.is_some())
    }

    /// Returns the limits of a topic; `None` is everyone.
    pub(crate) fn limits_of(&self, topic: Option<&Topic>) -> Limits {
        Limits {
            events: first_that_covers(&self.events_by_topic, topic)
                .unwrap_or(self.events_per_topic),
            age: first_that_covers(&self.age_by_topic, topic).unwrap_or(self.age),
        }
    }
}

fn first_that_covers<T: Copy>(rules: &[(Topics, T)], topic: Option<&Topic>) -> Option<T> {
    let topic = topic?;
    rules.iter().find(|(topics, _)| topics.cover(topic)).map(|(_, limit)| *limit)
}
