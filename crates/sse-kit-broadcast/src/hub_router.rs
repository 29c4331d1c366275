//! A router that spreads topics over several hubs.

use std::sync::Arc;

use sse_kit_event::{Topic, TopicPattern, Topics};

use crate::hub::Hub;
use crate::stable_hash::{fnv, mixed};

/// A router that spreads topics over several hubs, each with its own log, for loads that one log
/// cannot carry.
///
/// The first segment of a topic selects the hub: `rooms:1` and `rooms:2` are on the same hub, so a
/// client can subscribe to the pattern `rooms:*`. Routers with the same number of hubs, in the same
/// order, agree in every process and on every machine. If a hub is added, only the topics that go
/// to it move.
///
/// A stream belongs to one hub, because it has one cursor. A client that subscribes to topics of
/// several hubs needs one stream per hub.
///
/// ```
/// use sse_kit_broadcast::{Hub, HubRouter};
/// use sse_kit_event::{Event, Topic};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let router = HubRouter::new([Hub::new(), Hub::new()])?;
/// let room: Topic = "rooms:1".parse()?;
/// let stream = router.hub_of(&(&room).into())?.subscribe(&room).open()?;
/// router.hub(&room).publish(&room, Event::new("hello")).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct HubRouter {
    hubs: Arc<[Hub]>,
}

impl HubRouter {
    /// Creates a router to these hubs.
    ///
    /// # Errors
    ///
    /// [`HubRouterError::NoHubs`] if there are none.
    pub fn new(hubs: impl IntoIterator<Item = Hub>) -> Result<Self, HubRouterError> {
        let hubs: Arc<[_]> = hubs.into_iter().collect();
        if hubs.is_empty() { Err(HubRouterError::NoHubs) } else { Ok(Self { hubs }) }
    }

    /// Returns the hub of a topic.
    pub fn hub(&self, topic: &Topic) -> &Hub {
        &self.hubs[place(first_segment(topic.as_str()), self.hubs.len())]
    }

    /// Returns the hub that has all of these topics and patterns.
    ///
    /// # Errors
    ///
    /// [`HubRouterError`] if they are on several hubs, or if the first segment of a pattern has a
    /// wildcard, so that it may match topics of every hub.
    pub fn hub_of(&self, topics: &Topics) -> Result<&Hub, HubRouterError> {
        let names = topics.topics().iter().map(Topic::as_str);
        let patterns = topics.patterns().iter().map(TopicPattern::as_str);
        let mut found = None;
        for name in names.chain(patterns).map(first_segment) {
            if name.contains('*') {
                return Err(HubRouterError::Everywhere);
            }
            let place = place(name, self.hubs.len());
            if *found.get_or_insert(place) != place {
                return Err(HubRouterError::Several);
            }
        }
        Ok(&self.hubs[found.unwrap_or(0)])
    }

    /// Returns all hubs, in order.
    pub fn hubs(&self) -> &[Hub] {
        &self.hubs
    }
}

/// The reason why there is no single hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HubRouterError {
    /// The list of hubs is empty.
    #[error("the list of hubs is empty; a router needs at least one")]
    NoHubs,
    /// The topics are on several hubs.
    #[error("these topics are on several hubs; open a stream for each")]
    Several,
    /// The first segment of a pattern has a wildcard, so it may match topics of every hub.
    #[error(
        "the first segment of a pattern has a wildcard, which may match topics of every hub; write the segment out"
    )]
    Everywhere,
}

/// Selects the hub with the highest score for the name (rendezvous hashing).
fn place(name: &str, hubs: usize) -> usize {
    let score = |hub: &usize| (mixed(fnv(name.as_bytes()) ^ mixed(*hub as u64 + 1)), *hub);
    (0..hubs).max_by_key(score).unwrap_or(0)
}

fn first_segment(text: &str) -> &str {
    text.split(':').next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn names_are_spread_evenly_and_stay_where_they_are() {
        let mut counts = [0; 4];
        for name in (0..3000).map(|n| format!("name-{n}")) {
            let (before, after) = (place(&name, 3), place(&name, 4));
            counts[after] += 1;
            assert!(after == before || after == 3, "it moves to the new hub or not at all");
        }
        assert!(counts.iter().all(|count| (650..850).contains(count)), "{counts:?}");
        let places = ["rooms", "jobs", "a", "b"].map(|name| place(name, 4));
        assert_eq!(places, [3, 1, 2, 3], "the same for ever");
    }
}
