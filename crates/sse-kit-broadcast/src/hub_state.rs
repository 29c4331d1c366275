//! What must change together: the topics and their history, who is interested in what, and the
//! position in the log.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sse_kit_event::{Audience, ConnectionId, EventId, Topic, Topics};
use tokio::time::Instant;

use crate::connection::Connection;
use crate::connection_set::ConnectionSet;
use crate::entry::Entry;
use crate::history::{History, Retention};
use crate::interests::{Interests, MatchedPatterns};
use crate::lists::{ListId, ListIds};
use crate::presence::Watched;
use crate::queue::Behind;
use crate::record::Record;
use crate::replay::{Loss, Replay, Stretch};
use crate::topic_table::{TopicKey, TopicTable};

/// The state behind the one lock of a node.
///
/// Joining and delivering both happen under it: a connection that joins sees in history what came
/// before, and gets from the fan-out what comes after. No user code runs under it.
#[derive(Debug)]
pub(crate) struct HubState {
    /// The newest event that came back from the log.
    pub(crate) position: EventId,
    pub(crate) topics: TopicTable,
    pub(crate) history: History,
    pub(crate) interests: Interests,
    pub(crate) connections: HashMap<ConnectionId, Arc<Connection>>,
    /// Those that may have resumed from after the position, by their number.
    pub(crate) ahead: BTreeMap<u64, Arc<Connection>>,
    /// The number that the next connection gets.
    pub(crate) next_number: u64,
    pub(crate) watched: Watched,
    /// Nobody joins any more.
    pub(crate) draining: bool,
    pub(crate) closed: bool,
}

impl HubState {
    pub(crate) fn new(position: EventId, retention: Retention, alike: usize) -> Self {
        let interests = Interests::new(alike);
        let mut topics = TopicTable::new(position.offset());
        let everyone = topics.everyone();
        topics[everyone].own_list = Some(interests.everyone());
        Self {
            position,
            topics,
            history: History::new(retention),
            interests,
            connections: HashMap::new(),
            ahead: BTreeMap::new(),
            next_number: 0,
            watched: Watched::default(),
            draining: false,
            closed: false,
        }
    }

    /// The position, while it is open.
    pub(crate) fn open_at(&self) -> Result<EventId, InletError> {
        if self.closed { Err(InletError::Closed) } else { Ok(self.position) }
    }

    /// Goes on from a position that nothing before leads to.
    pub(crate) fn begin_epoch(&mut self, position: EventId) {
        self.position = position;
        self.history.begin_epoch();
        self.topics.begin_epoch(position.offset());
    }

    /// Goes on after this offset; what there was up to it may be missing. Returns `false` when that is
    /// no news.
    pub(crate) fn mark_lost_through(&mut self, offset: u64) -> bool {
        let news = offset > self.position.offset();
        if news {
            self.position = EventId::new(self.position.epoch(), offset);
            self.topics.mark_lost_through(offset);
        }
        news
    }

    /// Takes a record into the history of its topics, and finds the lists that it goes to, and how
    /// many subscribers they have.
    pub(crate) fn record(&mut self, id: EventId, record: Record) -> (Arc<Entry>, ListIds, usize) {
        let entry = Arc::new(Entry::new(id, record));
        self.position = id;
        let (lists, subscribers) = match &entry.audience {
            Audience::Everyone => {
                let key = self.topics.everyone();
                let found = self.lists_of(key);
                self.history.push(&mut self.topics, key, &entry);
                found
            }
            Audience::Topic(topic) => {
                let key = self.topics.find_or_insert(topic);
                let found = self.lists_of(key);
                self.history.push(&mut self.topics, key, &entry);
                found
            }
            audience => {
                let found = self.lists_for(audience);
                for topic in audience.topics() {
                    // One after another: what the first displaces may make the next forgotten.
                    let key = self.topics.find_or_insert(topic);
                    self.history.push(&mut self.topics, key, &entry);
                }
                found
            }
        };
        (entry, lists, subscribers)
    }

    /// Finds the lists that an event for this audience goes to, and how many subscribers they have;
    /// of several topics, some may be counted twice.
    pub(crate) fn lists_for(&mut self, audience: &Audience) -> (ListIds, usize) {
        match audience {
            Audience::Everyone => self.interests.of_everyone(),
            Audience::Topic(topic) => self.lists_of_topic(topic),
            audience => {
                let topics = audience.topics().iter();
                union(&topics.map(|topic| self.lists_of_topic(topic)).collect::<Vec<_>>())
            }
        }
    }

    /// As [`HubState::lists_for`]. A topic that is not known stays so.
    fn lists_of_topic(&mut self, topic: &Topic) -> (ListIds, usize) {
        match self.topics.find(topic) {
            Some(key) => self.lists_of(key),
            None => self.interests.of_topic(topic, None, &mut MatchedPatterns::default()),
        }
    }

    fn lists_of(&mut self, key: TopicKey) -> (ListIds, usize) {
        let state = &mut self.topics[key];
        state.find_lists(&self.interests)
    }

    /// Enters the interest in these topics, and returns the lists that stand for it.
    pub(crate) fn enter(&mut self, topics: &Topics) -> Vec<ListId> {
        let mut lists = self.interests.enter_patterns(topics.patterns());
        lists.push(self.interests.enter_everyone());
        for topic in topics.topics() {
            let key = self.topics.find_or_insert(topic);
            lists.push(self.interests.enter_topic(&mut self.topics[key].own_list));
            self.topics.note_idle(key);
        }
        lists
    }

    /// Takes back what [`HubState::enter`] did.
    pub(crate) fn exit(&mut self, topics: &Topics) {
        self.interests.exit_patterns(topics.patterns());
        self.interests.exit_everyone();
        for topic in topics.topics() {
            let Some(key) = self.topics.find(topic) else { continue };
            self.interests.exit_topic(&mut self.topics[key].own_list);
            self.topics.note_idle(key);
        }
    }

    /// Reads the history of these topics.
    pub(crate) fn replay<'a>(&'a self, wanted: &'a Topics) -> Replay<'a> {
        Replay::new(&self.topics, &self.history, wanted)
    }

    /// Returns `true` if history may lack events on these topics after an event of this epoch.
    pub(crate) fn may_lack(&self, topics: &Topics, after: EventId) -> bool {
        !matches!(self.replay(topics).loss(after.offset()), Loss::None)
    }

    /// Gives a connection that is behind its next page of history, or finds where that is to be read.
    pub(crate) fn catch_up(&self, connection: &Connection) -> CatchUp {
        let mut queue = connection.queue.lock();
        let Some(behind) = queue.behind() else { return CatchUp::Done { conflated: 0 } };
        let Behind { after, gap_told_through, room, in_order, .. } = behind;
        let replay = self.replay(&connection.topics);
        let missed = match in_order.then(|| replay.stretch_after(after)) {
            Some(Some(stretch)) => return CatchUp::Read(behind, stretch),
            Some(None) => replay.missed_in_order(after, gap_told_through, room),
            None => replay.missed(after, gap_told_through, room),
        };
        CatchUp::Done { conflated: queue.catch_up(&missed, self.position.offset(), &connection.id) }
    }

    /// The newest id that a record for this audience may have.
    pub(crate) fn newest(&self, audience: &Audience) -> EventId {
        let newest = |topic| self.topics.newest(self.topics.find(topic));
        let offset = match audience {
            Audience::Everyone => self.topics.newest(Some(self.topics.everyone())),
            audience => audience.topics().iter().map(newest).max().unwrap_or_default(),
        };
        EventId::new(self.position.epoch(), offset)
    }

    /// The newest `limit` events for just this audience that are kept, oldest first.
    pub(crate) fn newest_entries(&self, audience: &Audience, limit: usize) -> Vec<Arc<Entry>> {
        let key = self.topics.find_all(audience).next();
        let Some(state) = key.and_then(|key| self.topics.get(key)) else { return Vec::new() };
        let entries = state.entries();
        entries.range(entries.len().saturating_sub(limit)..).cloned().collect()
    }

    /// Drops some of what is too old; `true` when there is more of it.
    pub(crate) fn trim_history(&mut self) -> bool {
        self.history.trim(&mut self.topics, Instant::now())
    }

    /// The number of these connections that would get what goes to `audience`.
    pub(crate) fn left_out(&self, except: &ConnectionSet, audience: &Audience) -> usize {
        let ids = except.as_slice().iter();
        let connections = ids.filter_map(|id| self.connections.get(id));
        connections.filter(|connection| connection.topics.include(audience)).count()
    }
}

/// A step of a connection that is behind.
#[derive(Debug)]
pub(crate) enum CatchUp {
    /// It has its page. So many events were replaced by newer ones of the same key.
    Done { conflated: u64 },
    /// Its page is to be read from here, without the lock.
    Read(Behind, Stretch),
}

/// All lists of several topics, and the sum of their subscribers.
fn union(found: &[(ListIds, usize)]) -> (ListIds, usize) {
    let sum = found.iter().map(|(_, subscribers)| subscribers).sum();
    let mut all: Vec<_> = found.iter().flat_map(|(lists, _)| lists.iter()).collect();
    all.sort_unstable();
    all.dedup();
    (ListIds { own: None, others: all.into() }, sum)
}

/// The reason why nothing came of what a log had to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InletError {
    /// The hub has shut down.
    #[error("the hub has shut down")]
    Closed,
    /// The id does not come after the position, or is of another epoch; or the epoch has begun
    /// already.
    #[error("{id} does not follow {position}")]
    OutOfOrder {
        /// The id that was handed in.
        id: EventId,
        /// The position of the hub.
        position: EventId,
    },
}
