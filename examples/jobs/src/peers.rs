//! The words that the nodes of one job board exchange, over the log that they share.
//!
//! A job runs on the node that took it. All nodes know of all jobs, so that a page may be loaded from
//! any of them; what happens to a job comes to pages by the log, wherever they are.

use std::error::Error;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sse_kit::broadcast::{Delivery, Entry, PublishError, SubscribeError, Subscription};
use sse_kit::event::{Decoded, Decoder, EventId, LastEventId, Topic};
use sse_kit::{Change, Event, Hub};

use crate::job::{Job, JobId};

/// The interval at which a node says that it is there.
pub(crate) const ALIVE_EVERY: Duration = Duration::from_secs(1);

/// A node that was not heard of for so long is gone, and its jobs with it.
pub(crate) const GONE_AFTER: Duration = Duration::from_secs(10);

/// Names a node: the offset of what it said first, which no other node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct NodeId(u64);

impl NodeId {
    /// Returns the first of the ten thousand ids for the jobs of this node.
    pub(crate) fn first_job(self) -> JobId {
        JobId::of_node(self.0)
    }
}

/// A message of one node to the others.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Word {
    /// A node joins. Nobody needs to do anything but the node itself: it knows all before.
    Hello,
    Alive(NodeId),
    /// The job is as this from now on, or it is new.
    Job(NodeId, Job),
    /// The node that runs the job has to stop it.
    Cancel(JobId),
}

/// The way to the other nodes.
#[derive(Debug)]
pub(crate) struct Peers {
    hub: Hub,
    joined_at: EventId,
}

impl Peers {
    pub(crate) async fn join(hub: Hub) -> Result<Self, PublishError> {
        let hello = hub.publish(&topic(), word(&Word::Hello)).await?;
        Ok(Self { hub, joined_at: hello.id })
    }

    pub(crate) fn me(&self) -> NodeId {
        NodeId(self.joined_at.offset())
    }

    /// Returns `true` if the node had joined at this position.
    pub(crate) fn has_joined(&self, at: EventId) -> bool {
        at.epoch() != self.joined_at.epoch() || at.offset() >= self.joined_at.offset()
    }

    /// Sends a message. If this fails, the other nodes learn it from the next message.
    pub(crate) async fn tell(&self, said: &Word) {
        if let Err(error) = self.hub.publish(&topic(), word(said)).await
            && !self.hub.is_shut_down()
        {
            tracing::warn!(error = &error as &dyn Error, "other nodes were not told");
        }
    }

    /// Tells the other nodes of a job together with a change.
    pub(crate) fn add_job(&self, change: Change, job: &Job) -> Change {
        change.publish(topic(), word(&Word::Job(self.me(), job.clone())))
    }

    /// Subscribes to all messages that the log still has, and to all that will come.
    pub(crate) fn hear(&self) -> Result<Hearing, SubscribeError> {
        let begin = EventId::new(self.hub.cursor().epoch(), 0);
        let subscribe = self.hub.subscribe(topic()).resume(LastEventId::Known(begin));
        Ok(Hearing(subscribe.open()?))
    }
}

/// The messages of other nodes.
#[derive(Debug)]
pub(crate) struct Hearing(Subscription);

/// A message that was received, or the loss of some.
#[derive(Debug)]
pub(crate) enum Heard {
    Word(EventId, Word),
    /// Some words were missed, up to this one.
    Gap(EventId),
}

impl Hearing {
    /// Returns the next message; `None` when this node shuts down.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        loop {
            match self.0.recv().await? {
                Delivery::Entry(entry) => {
                    if let Some(word) = read(&entry) {
                        return Some(Heard::Word(entry.id(), word));
                    }
                    tracing::warn!(id = %entry.id(), "another node says what is no word");
                }
                Delivery::Gap(gap) => return Some(Heard::Gap(gap.to)),
                _ => {}
            }
        }
    }
}

fn topic() -> Topic {
    "nodes".parse().expect("a word is a topic")
}

fn word(word: &Word) -> Event {
    Event::json(word).expect("a word is always JSON")
}

fn read(entry: &Entry) -> Option<Word> {
    let mut decoder = Decoder::new();
    decoder.push(entry.frame()).ok()?;
    let Some(Decoded::Message(message)) = decoder.pop() else { return None };
    serde_json::from_str(&message.data).ok()
}
