//! Presence: the connections on a topic, on all nodes.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::{RedisError, Script};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sse_kit_broadcast::{ConnectionId, Hub, RecvError};
use sse_kit_event::{RandomError, Topic};
use tokio::time::{MissedTickBehavior, timeout};

use crate::appender::{millis, random};
use crate::config::RedisConfig;
use crate::link::Link;

/// The time after which a silent node is dropped.
const BELIEVED: Duration = Duration::from_secs(6);

/// The interval at which a node announces its members.
const SAID_EVERY: Duration = Duration::from_secs(2);

/// The time for which changes are batched.
const GATHER: Duration = Duration::from_millis(50);

/// The connections on a topic, on all nodes. Each node announces its members in Redis, every 2 s
/// and on every change.
///
/// If a node dies, its members are dropped after 6 s. An announcement contains the whole list, so
/// use this for rooms of up to a few hundred, not for a topic that every page subscribes to.
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

/// The state that all clones share.
#[derive(Debug)]
struct Shared {
    config: RedisConfig,
    link: Link,
    script: Script,
    node: String,
}

/// A connection on a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Member {
    /// The id of the connection.
    pub id: ConnectionId,
    /// The metadata that the app attached to it.
    pub metadata: Value,
}

impl RedisPresence {
    /// Creates the presence of this node, in the same Redis as the log of this name. It does not
    /// connect yet.
    ///
    /// # Errors
    ///
    /// [`RandomError`] if the operating system provides no random number for the name of the node.
    pub fn new(config: RedisConfig) -> Result<Self, RandomError> {
        let script = Script::new(include_str!("present.lua"));
        let link = Link::new(config.clone());
        Ok(Self { shared: Arc::new(Shared { config, link, script, node: random()? }) })
    }

    /// Announces the members of the topic on this node until the hub is shut down. While Redis is
    /// unreachable, it retries. The caller polls or spawns the future.
    ///
    /// The future holds the hub: without [`Hub::shut_down`] it never completes. Call it once per
    /// topic. The last announcement of a node replaces the one before, also if it comes from another
    /// hub through a clone of this presence; then the members of one of the two are missing.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped, the members of this node are dropped after 6 s.
    pub async fn share(&self, hub: &Hub, topic: &Topic) {
        let mut tick = tokio::time::interval(SAID_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut watch = hub.watch_presence(topic);
        while !hub.is_shut_down() {
            tokio::select! {
                _ = tick.tick() => {}
                change = watch.change() => match change {
                    Ok(_) | Err(RecvError::Lagged { .. }) => {}
                    Err(_) => break,
                }
            }
            // Batch the changes of this moment: a room that fills causes one announcement, not a
            // hundred.
            tokio::time::sleep(GATHER).await;
            watch = hub.watch_presence(topic);
            let here: Vec<_> = watch.present.iter().map(|c| Member::from_connection(c)).collect();
            if let Err(error) = self.say(topic, &here).await {
                tracing::debug!(
                    error = &error as &dyn Error,
                    "cannot announce the members of this node"
                );
            }
        }
        // Announce that this node has no members. If that fails, they are dropped after the
        // timeout.
        let _ = self.say(topic, &[]).await;
    }

    /// Returns the members of the topic on all nodes that share it, sorted by the ids of their
    /// connections. It waits at most [`RedisConfig::append_deadline`] for a connection, and
    /// [`RedisConfig::attempt_timeout`] for the reply.
    ///
    /// # Errors
    ///
    /// [`MembersError`] if Redis cannot be asked.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: asking changes nothing but the removal of silent nodes.
    pub async fn members(&self, topic: &Topic) -> Result<Vec<Member>, MembersError> {
        let said = self.shared.run(topic, "", "").await.map_err(MembersError)?;
        // A text that is not a list was written by another program.
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
    /// Runs the script and returns the last announcement of each node.
    async fn run(&self, topic: &Topic, node: &str, list: &str) -> Result<Vec<String>, RedisError> {
        // Sentinels that do not answer are asked one after another, which may take longer.
        let connecting = timeout(self.config.append_deadline, self.link.connection()).await;
        let (number, mut connection) =
            connecting.map_err(|_elapsed| io::Error::from(io::ErrorKind::TimedOut))??;
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

/// The reason why an announcement failed.
#[derive(Debug, thiserror::Error)]
enum SayError {
    #[error("the members cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    #[error("cannot write to Redis")]
    Redis(#[from] RedisError),
}

impl Member {
    fn from_connection(connection: &sse_kit_broadcast::Connection) -> Self {
        Self { id: connection.id().clone(), metadata: connection.metadata().clone() }
    }
}

/// The error if Redis could not be asked for the members.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the members from Redis")]
pub struct MembersError(#[source] RedisError);
