//! The bytes that history counts besides frames and texts.

use std::time::Duration;

use sse_kit_broadcast::{Hub, HubBuilder};
use sse_kit_event::{Audience, Event, Topic};

use crate::actions::Settings;
use crate::chronicle::{Address, Written};

/// The sizes of what a hub keeps, without texts. They are of this machine, so a hub is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Costs {
    event: usize,
    /// Of an event in one of its histories.
    pub(crate) place: usize,
    topic: usize,
    /// Of a topic whose events expire.
    expiry: usize,
    key: usize,
    left_out: usize,
    /// Of the name of a topic in an event that has several.
    name: usize,
}

impl Costs {
    /// Asks a hub of its own.
    pub(crate) async fn measure() -> Self {
        let lasting = Hub::builder;
        let expiring = || Hub::builder().history_age(Duration::from_secs(60));
        let one = Self::counted(lasting(), &[], Event::new("x"), &[]).await;
        let topic = Self::counted(lasting(), &["a"], Event::new("x"), &[]).await - one - "a".len();
        let expiry = Self::counted(expiring(), &[], Event::new("x"), &[]).await - one;
        let keyed = Event::new("x").with_key("key".parse().expect("a key"));
        let keyed = Self::counted(lasting(), &[], keyed, &[]).await;
        let left_out = Self::counted(lasting(), &[], Event::new("x"), &["id"]).await;
        // Each topic of an event has its own costs, and its name is in the topic and in the event.
        let two = Self::counted(lasting(), &["a", "b"], Event::new("x"), &[]).await;
        let two = two - one - 2 * topic - 2 * "ab".len();
        let three = Self::counted(lasting(), &["a", "b", "c"], Event::new("x"), &[]).await;
        let three = three - one - 3 * topic - 2 * "abc".len();
        let name = 2 * two - three;
        let place = two - 2 * name;
        Self {
            event: one - place,
            place,
            topic,
            expiry,
            key: keyed - one - "key".len(),
            left_out: left_out - one - "id".len(),
            name,
        }
    }

    /// Returns what a hub counts for a single event, without its frame.
    async fn counted(hub: HubBuilder, topics: &[&str], event: Event, except: &[&str]) -> usize {
        let hub = hub.heartbeat(None).shards(1).build().expect("it is right");
        let publish = hub.except(except.iter().map(|id| id.parse().expect("an id")));
        let topics: Vec<Topic> = topics.iter().map(|name| name.parse().expect("a topic")).collect();
        let audience = Audience::several(topics.clone()).unwrap_or(Audience::Everyone);
        publish.publish(audience, event).await.expect("it is open");
        let entry = match topics.first() {
            Some(topic) => hub.history(topic, 1),
            None => hub.broadcast_history(1),
        };
        hub.stats().history_bytes - entry[0].frame().len()
    }

    /// Returns the bytes of an event, wherever it has its places.
    pub(crate) fn of(&self, written: &Written) -> usize {
        let key = written.key.as_ref().map_or(0, |key| self.key + key.as_str().len());
        let except = written.except.as_slice().iter();
        let except = except.map(|id| self.left_out + id.as_str().len());
        let names = match written.audience.topics() {
            [_single] => 0,
            several => several.iter().map(|topic| self.name + topic.as_str().len()).sum(),
        };
        written.frame.len() + self.event + key + except.sum::<usize>() + names
    }

    /// Returns the bytes of a topic with a history.
    pub(crate) fn of_topic(&self, address: &Address, settings: &Settings) -> usize {
        let expires = settings.age_of(address.as_ref()).is_some();
        let expiry = if expires { self.expiry } else { 0 };
        address.as_ref().map_or(0, |topic| self.topic + topic.as_str().len()) + expiry
    }
}
