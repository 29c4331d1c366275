//! The settings of history.

use std::time::Duration;

use sse_kit_event::Topics;

use super::HubBuilder;

impl HubBuilder {
    /// Sets the number of events per topic that history keeps for clients that resume; 0 keeps
    /// none. Default: 50.
    pub fn history(mut self, events_per_topic: usize) -> Self {
        self.retention.events_per_topic = events_per_topic;
        self
    }

    /// Sets the number of events that history keeps for each of these topics, or each topic that
    /// matches a pattern; 0 keeps none. If several calls cover a topic, the first counts. Default: the
    /// number of [`history`](Self::history).
    ///
    /// ```
    /// # use sse_kit_broadcast::Hub;
    /// # use sse_kit_event::Topics;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // A chat that can be scrolled back, and a progress of which only the newest counts.
    /// let hub = Hub::builder()
    ///     .history_for(Topics::parse(["rooms:*"])?, 500)
    ///     .history_for(Topics::parse(["jobs:*:progress"])?, 1)
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    pub fn history_for(mut self, topics: impl Into<Topics>, events_per_topic: usize) -> Self {
        self.retention.events_by_topic.push((topics.into(), events_per_topic));
        self
    }

    /// Sets the maximum age of events in history. Default: no limit.
    ///
    /// The age begins when this hub gets the event. What it reads from its [log](crate::Log) at its start is as new,
    /// and the log itself keeps events for as long as its own settings say.
    pub fn history_age(mut self, age: Duration) -> Self {
        self.retention.age = Some(age);
        self
    }

    /// Sets the maximum age of events in the history of each of these topics, or of each topic that
    /// matches a pattern; `None` for no limit. If several calls cover a topic, the first counts. Default:
    /// the age of [`history_age`](Self::history_age).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use sse_kit_broadcast::Hub;
    /// # use sse_kit_event::Topics;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // Messages of a chat for an hour, and the position of a cursor for two seconds.
    /// let hub = Hub::builder()
    ///     .history_age_for(Topics::parse(["rooms:*:cursor"])?, Duration::from_secs(2))
    ///     .history_age_for(Topics::parse(["rooms:**"])?, Duration::from_secs(3600))
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    pub fn history_age_for(
        mut self,
        topics: impl Into<Topics>,
        age: impl Into<Option<Duration>>,
    ) -> Self {
        self.retention.age_by_topic.push((topics.into(), age.into()));
        self
    }

    /// Sets the maximum size of history over all topics, in bytes; beyond it the oldest events are
    /// dropped. Default: 64 MiB.
    ///
    /// It counts what events and their topics take: frames, names, keys, tables, and compressed forms. An
    /// event takes about 300 bytes besides its frame, and a topic with a history 300 more. The overhead of
    /// the allocator is not counted.
    ///
    /// Streams compress an event after it was published, which may exceed the limit. Each event published
    /// after that drops a few hundred of the oldest, or more if it is large, until the size is within the limit.
    pub fn history_bytes(mut self, bytes: usize) -> Self {
        self.retention.bytes = bytes;
        self
    }
}
