//! From a topic to one of several hubs.

use std::sync::Arc;

use sse_kit_event::{Topic, TopicPattern, Topics};

use crate::hub::Hub;
use crate::stable_hash::{fnv, mixed};

/// Spreads topics over several hubs, each on a log of its own, where one log cannot carry all.
///
/// A topic goes by its first segment: `rooms:1` and `rooms:2` are on the same hub, and so the pattern
/// `rooms:*` can be subscribed to. Everyone who is given as many hubs, in the same order, comes to
/// the same answer, whatever the process or the machine. With one hub more, only the topics that go
/// to it move.
///
/// A stream belongs to one hub, as it has one cursor: whoever subscribes to topics of several hubs
/// needs a stream for each.
///
/// ```
/// use sse_kit_broadcast::{Hub, Router};
/// use sse_kit_event::{Event, Topic};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let router = Router::new([Hub::new(), Hub::new()])?;
/// let room: Topic = "rooms:1".parse()?;
/// let stream = router.hub_of(&(&room).into())?.subscribe(&room).open()?;
/// router.hub(&room).publish(&room, Event::new("hello")).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Router {
    hubs: Arc<[Hub]>,
}

impl Router {
    /// Routes to these hubs.
    ///
    /// # Errors
    ///
    /// When there are none.
    pub fn new(hubs: impl IntoIterator<Item = Hub>) -> Result<Self, RouterError> {
        let hubs: Arc<[_]> = hubs.into_iter().collect();
        if hubs.is_empty() { Err(RouterError::NoHubs) } else { Ok(Self { hubs }) }
    }

    /// The hub of a topic.
    pub fn hub(&self, topic: &Topic) -> &Hub {
        &self.hubs[place(first_segment(topic.as_str()), self.hubs.len())]
    }

    /// The hub that has all of these topics and patterns.
    ///
    /// # Errors
    ///
    /// [`RouterError`] when they are on several, or when a pattern begins with a wildcard and so may
    /// match topics of every hub.
    pub fn hub_of(&self, topics: &Topics) -> Result<&Hub, RouterError> {
        let names = topics.topics().iter().map(Topic::as_str);
        let patterns = topics.patterns().iter().map(TopicPattern::as_str);
        let mut found = None;
        for name in names.chain(patterns).map(first_segment) {
            if name.contains('*') {
                return Err(RouterError::Everywhere);
            }
            let place = place(name, self.hubs.len());
            if *found.get_or_insert(place) != place {
                return Err(RouterError::Several);
            }
        }
        Ok(&self.hubs[found.unwrap_or(0)])
    }

    /// All hubs, in their order.
    pub fn hubs(&self) -> &[Hub] {
        &self.hubs
    }
}

/// Why there is no one hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouterError {
    /// A router has at least one hub.
    #[error("a router has at least one hub")]
    NoHubs,
    /// The topics are on several hubs.
    #[error("these topics are on several hubs; open a stream for each")]
    Several,
    /// The pattern may match topics of every hub.
    #[error("a pattern that begins with a wildcard may match topics of every hub")]
    Everywhere,
}

/// Rendezvous hashing: of so many hubs, the one that scores highest for the name.
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
