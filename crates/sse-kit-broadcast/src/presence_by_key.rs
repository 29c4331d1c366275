//! Presence by key: who is there, whatever the number of their connections.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use futures_core::Stream;
use sse_kit_event::Topic;
use tokio::time::{Instant, sleep, timeout_at};

use crate::connection::Connection;
use crate::node::Node;
use crate::presence::{PresenceChange, Watched};
use crate::recv_error::RecvError;

/// The number of connections of each key, such as the people in a room: see
/// [`Hub::presence_by_key`](crate::Hub::presence_by_key).
///
/// A connection that closes is counted for a while longer ([`linger`](Self::linger)), until another
/// one of its key takes its place. So a reload, or a short cut of the network, is no change.
/// Connections that open are counted at once; changes that come together are reported as one
/// ([`gather`](Self::gather)).
///
/// ```
/// # use sse_kit_broadcast::Hub;
/// # use sse_kit_event::Topic;
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// #[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
/// struct Name(&'static str);
///
/// let hub = Hub::new();
/// let room: Topic = "rooms:tea".parse()?;
/// let mut people = hub.presence_by_key([room.clone()], |page| page.metadata::<Name>().cloned());
///
/// let tab = hub.subscribe(&room).metadata(Name("Ada")).open()?;
/// assert_eq!(people.changed().await?.get(&Name("Ada")), Some(&1));
/// drop(tab);
/// assert!(people.changed().await?.is_empty());
/// # Ok(()) }
/// ```
pub struct PresenceByKey<K> {
    topics: Vec<Topic>,
    key: KeyOf<K>,
    node: Weak<Node>,
    watches: Vec<async_broadcast::Receiver<PresenceChange>>,
    /// Ends at the shutdown, when there may be no connection left whose end would be a change.
    until_closed: async_broadcast::Receiver<()>,
    gather: Duration,
    linger: Duration,
    /// The connections that were there when it was last looked, by their numbers.
    here: BTreeMap<u64, K>,
    /// For each key the times until which closed connections are counted, the earliest first.
    lingering: BTreeMap<K, Vec<Instant>>,
    reported: Option<BTreeMap<K, usize>>,
}

/// The key of a connection; `None` if it does not count.
type KeyOf<K> = Box<dyn Fn(&Connection) -> Option<K> + Send + Sync>;

impl<K: Ord + Clone> PresenceByKey<K> {
    /// The default of [`gather`](Self::gather).
    pub const GATHER: Duration = Duration::from_millis(50);

    /// The default of [`linger`](Self::linger).
    pub const LINGER: Duration = Duration::from_secs(3);

    /// A longer time would not fit into a timer.
    const MAX_LINGER: Duration = Duration::from_secs(365 * 24 * 3600);

    pub(crate) fn new(node: &Arc<Node>, topics: Vec<Topic>, key: KeyOf<K>) -> Self {
        let mut state = node.state.lock();
        let watches = topics.iter().map(|topic| state.watched.watch(topic)).collect();
        let until_closed = state.watched.until_closed();
        drop(state);
        Self {
            topics,
            key,
            node: Arc::downgrade(node),
            watches,
            until_closed,
            gather: Self::GATHER,
            linger: Self::LINGER,
            here: BTreeMap::new(),
            lingering: BTreeMap::new(),
            reported: None,
        }
    }

    /// Sets the time for which changes are gathered, so that many who come together are one change.
    /// Default: 50 ms.
    pub fn gather(self, gather: Duration) -> Self {
        Self { gather, ..self }
    }

    /// Sets the time for which a connection counts after it has closed. Default: 3 s, which is
    /// longer than a reload. At most a year.
    pub fn linger(self, linger: Duration) -> Self {
        Self { linger: linger.min(Self::MAX_LINGER), ..self }
    }

    /// Waits until the counts are others than it last returned, and returns them. The first call
    /// returns at once. Keys without connections are not in it.
    ///
    /// # Errors
    ///
    /// [`RecvError::Closed`] if the hub has shut down or is gone.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no change is lost if the future is dropped.
    pub async fn changed(&mut self) -> Result<BTreeMap<K, usize>, RecvError> {
        loop {
            self.look()?;
            let counts = self.counts();
            if self.reported.as_ref() != Some(&counts) {
                self.reported = Some(counts.clone());
                return Ok(counts);
            }
            let until = self.lingering.values().filter_map(|until| until.first()).min().copied();
            let change = any_change(&mut self.watches, &mut self.until_closed);
            match until {
                Some(until) => match timeout_at(until, change).await {
                    Ok(change) => change?,
                    Err(_elapsed) => continue,
                },
                None => change.await?,
            }
            sleep(self.gather).await;
        }
    }
    /// Brings the counts up to date.
    fn look(&mut self) -> Result<(), RecvError> {
        let node = self.node.upgrade().ok_or(RecvError::Closed)?;
        let mut state = node.state.lock();
        if state.closed {
            return Err(RecvError::Closed);
        }
        let lists: Vec<_> =
            self.topics.iter().map(|topic| state.lists_for(&topic.into()).0).collect();
        // Publishers need not wait until all members are collected. A member that comes or goes
        // meanwhile is a change, which leads to the next look.
        drop(state);
        let shards = || node.shards.iter();
        let members = lists.iter().flat_map(|lists| shards().map(|shard| shard.members(lists)));
        let connections: Vec<_> = members.flatten().collect();
        let now = Instant::now();
        self.note(&connections, now);
        Ok(())
    }

    /// Notes the connections that are here now. One that closed lingers, until another one of its
    /// key takes its place.
    fn note(&mut self, connections: &[Arc<Connection>], now: Instant) {
        let mut before = std::mem::take(&mut self.here);
        let mut opened = Vec::new();
        for connection in connections {
            if let Some(key) = before.remove(&connection.number) {
                self.here.insert(connection.number, key);
            } else if !self.here.contains_key(&connection.number)
                && let Some(key) = (self.key)(connection)
            {
                self.here.insert(connection.number, key.clone());
                opened.push(key);
            }
        }
        for key in before.into_values() {
            self.lingering.entry(key).or_default().push(now + self.linger);
        }
        for key in opened {
            // The one that closed last: the others linger no longer than they would without it.
            self.lingering.get_mut(&key).and_then(Vec::pop);
        }
        self.lingering.retain(|_, until| {
            until.retain(|until| *until > now);
            !until.is_empty()
        });
    }

    fn counts(&self) -> BTreeMap<K, usize> {
        let mut counts = BTreeMap::new();
        for key in self.here.values() {
            *counts.entry(key.clone()).or_default() += 1;
        }
        for (key, until) in &self.lingering {
            *counts.entry(key.clone()).or_default() += until.len();
        }
        counts
    }
}

/// Waits for a change of one of the watches, and takes all that are there. Which ones they were does
/// not matter.
async fn any_change(
    watches: &mut [async_broadcast::Receiver<PresenceChange>],
    until_closed: &mut async_broadcast::Receiver<()>,
) -> Result<(), RecvError> {
    std::future::poll_fn(|cx| {
        if let Poll::Ready(None) = Pin::new(&mut *until_closed).poll_next(cx) {
            return Poll::Ready(Err(RecvError::Closed));
        }
        let mut result = Poll::Pending;
        for watch in watches.iter_mut() {
            // No more than fit into it: others may come as fast as they are taken.
            for _ in 0..Watched::CAPACITY {
                match Pin::new(&mut *watch).poll_next(cx) {
                    Poll::Ready(Some(_)) => result = Poll::Ready(Ok(())),
                    Poll::Ready(None) => return Poll::Ready(Err(RecvError::Closed)),
                    Poll::Pending => break,
                }
            }
        }
        result
    })
    .await
}

impl<K: fmt::Debug> fmt::Debug for PresenceByKey<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresenceByKey")
            .field("topics", &self.topics)
            .field("reported", &self.reported)
            .finish_non_exhaustive()
    }
}
