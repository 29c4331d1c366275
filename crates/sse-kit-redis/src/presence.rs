//! Who is on a topic, on any node.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use redis::{RedisError, Script};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sse_kit_broadcast::{ConnectionId, Hub, PresenceError};
use sse_kit_event::Topic;
use tokio::time::MissedTickBehavior;

use crate::appender::{millis, random};
use crate::config::RedisConfig;
use crate::link::Link;

/// For how long a node is believed that has said nothing more.
const BELIEVED: Duration = Duration::from_secs(6);

/// How often a node says who is there.
const SAID_EVERY: Duration = Duration::from_secs(2);

/// For how long changes are gathered.
const GATHER: Duration = Duration::from_millis(50);

/// Who is on a topic, on all nodes: each says in Redis who is there, again and again.
///
/// A node that dies is silent, and after six seconds those who were on it are no longer counted. What a
/// node says is as long as the list of those who are there: this is for rooms of some hundreds, not
/// for a topic that every page subscribes to.
///
/// ```no_run
/// # use sse_kit_broadcast::Hub;
/// # use sse_kit_redis::{RedisConfig, RedisPresence};
/// # async fn example(hub: Hub) -> Result<(), Box<dyn std::error::Error>> {
/// let presence = RedisPresence::new(RedisConfig::new("redis://127.0.0.1:6379")?)?;
/// let room = "rooms:1".parse()?;
/// tokio::spawn({
///     let (presence, hub) = (presence.clone(), hub.clone());
///     async move { presence.share(&hub, &room).await }
/// });
/// let members = presence.members(&"rooms:1".parse()?).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct RedisPresence {
    shared: Arc<Shared>,
}

/// What all clones have in common.
#[derive(Debug)]
struct Shared {
    config: RedisConfig,
    link: Link,
    script: Script,
    node: String,
}

/// Somebody who is on a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Member {
    /// The id of the connection.
    pub id: ConnectionId,
    /// What the app noted of it.
    pub metadata: Value,
}

impl RedisPresence {
    /// The presence of this node, beside the log of the same name. Nothing is connected to yet.
    ///
    /// # Errors
    ///
    /// When the operating system has no random number for the name of the node.
    pub fn new(config: RedisConfig) -> Result<Self, getrandom::Error> {
        let script = Script::new(include_str!("present.lua"));
        let link = Link::new(config.clone());
        Ok(Self { shared: Arc::new(Shared { config, link, script, node: random()? }) })
    }

    /// Says who is on the topic at this node, until the hub is gone; when Redis is away, once it
    /// is back. It is for the caller to poll or to spawn.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: when it is dropped, this node is believed for a few seconds more.
    pub async fn share(&self, hub: &Hub, topic: &Topic) {
        let mut tick = tokio::time::interval(SAID_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut watch = hub.watch_presence(topic);
        while !hub.is_shut_down() {
            tokio::select! {
                _ = tick.tick() => {}
                change = watch.change() => match change {
                    Ok(_) | Err(PresenceError::Lagged { .. }) => {}
                    Err(_) => break,
                }
            }
            // Who comes or goes with them is told with them: a room that fills is not told a hundred times.
            tokio::time::sleep(GATHER).await;
            watch = hub.watch_presence(topic);
            let here: Vec<_> = watch.present.iter().map(|c| Member::from_connection(c)).collect();
            if let Err(error) = self.say(topic, &here).await {
                tracing::debug!(error = &error as &dyn Error, "others do not hear who is here");
            }
        }
        // It is silent from now on; if this does not arrive, that takes effect a little later.
        let _ = self.say(topic, &[]).await;
    }

    /// Who is on the topic, on any node that shares it, by the ids of their connections.
    ///
    /// # Errors
    ///
    /// When Redis cannot be asked.
    pub async fn members(&self, topic: &Topic) -> Result<Vec<Member>, MembersError> {
        let said = self.shared.run(topic, "", "").await.map_err(MembersError)?;
        // What is no list was written by somebody else.
        let lists = said.iter().filter_map(|list| serde_json::from_str::<Vec<Member>>(list).ok());
        let mut members: Vec<_> = lists.flatten().collect();
        members.sort_by(|a, b| a.id.cmp(&b.id));
        members.dedup_by(|a, b| a.id == b.id);
        Ok(members)
    }

    async fn say(&self, topic: &Topic, here: &[Member]) -> Result<(), SayError> {
        let list = serde_json::to_string(here)?;
        self.shared.run(topic, &self.shared.node, &list).await?;
        Ok(())
    }
}

impl Shared {
    /// Has the script run, and returns what each node said last.
    async fn run(&self, topic: &Topic, node: &str, list: &str) -> Result<Vec<String>, RedisError> {
        let (number, mut connection) = self.link.connection().await?;
        let key = self.config.presence_key(topic);
        let mut call = self.script.key(key);
        let said =
            call.arg(node).arg(millis(BELIEVED)).arg(list).invoke_async(&mut connection).await;
        if said.is_err() {
            self.link.discard(number).await;
        }
        said
    }
}

/// Why others were not told.
#[derive(Debug, thiserror::Error)]
enum SayError {
    #[error("who is here cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    #[error("Redis cannot be told")]
    Redis(#[from] RedisError),
}

impl Member {
    fn from_connection(connection: &sse_kit_broadcast::Connection) -> Self {
        Self { id: connection.id().clone(), metadata: connection.metadata().clone() }
    }
}

/// Redis could not be asked who is there.
#[derive(Debug, thiserror::Error)]
#[error("cannot ask Redis who is there")]
pub struct MembersError(#[source] RedisError);
