//! The state that changes together: topics and their history, interests, and the position in the
//! log.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sse_kit_event::{Audience, ConnectionId, Epoch, EventId, LastEventId, Topic, Topics};
use tokio::time::Instant;

use crate::connection::Connection;
use crate::connection_set::ConnectionSet;
use crate::entry::Entry;
use crate::history::History;
use crate::interests::{Interests, MatchedPatterns};
use crate::lineage::Lineage;
use crate::lists::{ListId, ListIds};
use crate::mode::{Behind, CatchingUp, CaughtUp};
use crate::presence::Watched;
use crate::record::Record;
use crate::replay::{Loss, Replay, Stretch};
use crate::retention::Retention;
use crate::topic_stats::{TopicPage, TopicStats};
use crate::topic_table::{TopicKey, TopicTable};

/// The state behind the one lock of a node.
///
/// Joining and delivering both hold it: a connection that joins finds earlier events in history and
/// receives later ones from the fan-out. No user code runs under it.
#[derive(Debug)]
pub(crate) struct HubState {
    /// The newest event that the log delivered.
    pub(crate) position: EventId,
    /// The earlier epochs that the epoch of the position continues.
    pub(crate) lineage: Lineage,
    pub(crate) topics: TopicTable,
    pub(crate) history: History,
    pub(crate) interests: Interests,
    pub(crate) connections: HashMap<ConnectionId, Arc<Connection>>,
    /// The connections that may have resumed from after the position, by number.
    pub(crate) ahead: BTreeMap<u64, Arc<Connection>>,
    /// The number of the next connection.
    pub(crate) next_number: u64,
    pub(crate) watched: Watched,
    /// `true` once new connections are refused.
    pub(crate) draining: bool,
    pub(crate) closed: bool,
}

impl HubState {
    pub(crate) fn new(
        position: EventId,
        lineage: Lineage,
        retention: Retention,
        max_patterns_per_prefix: usize,
    ) -> Self {
        let interests = Interests::new(max_patterns_per_prefix);
        let mut topics = TopicTable::new(position.offset());
        let everyone = topics.everyone();
        topics[everyone].own_list = Some(interests.everyone());
        Self {
            position,
            lineage,
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

    /// Returns the position, or an error after a shutdown.
    pub(crate) fn open_at(&self) -> Result<EventId, InletError> {
        if self.closed { Err(InletError::Closed) } else { Ok(self.position) }
    }

    /// Continues from a position in another epoch and drops everything from before.
    pub(crate) fn begin_epoch(&mut self, position: EventId) {
        (self.position, self.lineage) = (position, Lineage::default());
        self.history.begin_epoch();
        self.topics.begin_epoch(position.offset());
    }

    /// Continues in another epoch, which shares everything up to this offset. Returns the new
    /// position.
    pub(crate) fn begin_epoch_after(&mut self, epoch: Epoch, shared_through: u64) -> EventId {
        let before = self.position;
        if before.offset() > shared_through {
            self.history.drop_after(&mut self.topics, shared_through);
        }
        self.lineage = self.lineage.continued(EventId::new(before.epoch(), shared_through));
        self.position = EventId::new(epoch, before.offset().min(shared_through));
        self.position
    }

    /// Returns the position in the current epoch that an id names, if the log knows it to be shared.
    pub(crate) fn translate(&self, id: EventId) -> Option<EventId> {
        self.lineage.translate(id, self.position.epoch())
    }

    /// Returns a client's last event id, in the current epoch if it names a position there.
    pub(crate) fn translate_last(&self, last: LastEventId) -> LastEventId {
        match last {
            LastEventId::Known(id) => LastEventId::Known(self.translate(id).unwrap_or(id)),
            last @ LastEventId::Unusable(_) => last,
        }
    }

    /// Continues after this offset; events up to it may be missing. Returns `false` if the position
    /// is already there.
    pub(crate) fn mark_lost_through(&mut self, offset: u64) -> bool {
        let news = offset > self.position.offset();
        if news {
            self.position = EventId::new(self.position.epoch(), offset);
            self.topics.mark_lost_through(offset);
        }
        news
    }

    /// Adds a record to the history of its topics. Returns the entry, the lists of its receivers,
    /// and the number of subscribers in them.
    pub(crate) fn record(
        &mut self,
        id: EventId,
        mut record: Record,
    ) -> (Arc<Entry>, ListIds, usize) {
        self.position = id;
        let key = match &mut record.audience {
            Audience::Everyone => Some(self.topics.everyone()),
            Audience::Topic(topic) => {
                let key = self.topics.find_or_insert(topic);
                // All events of a topic share one copy of its name.
                if let Some(name) = self.topics[key].name() {
                    topic.clone_from(name);
                }
                Some(key)
            }
            _several => None,
        };
        let entry = Arc::new(Entry::shared(id, record, self.history.ledger()));
        let (lists, subscribers) = if let Some(key) = key {
            let found = self.lists_of(key);
            self.history.push(&mut self.topics, key, &entry);
            found
        } else {
            let found = self.lists_for(&entry.audience);
            let mut added = 0;
            for topic in entry.audience.topics() {
                // One at a time: adding to the first topic may make the hub forget the next one.
                let key = self.topics.find_or_insert(topic);
                added += self.history.add(&mut self.topics, key, &entry);
            }
            self.history.fit(&mut self.topics, entry.at, added);
            found
        };
        (entry, lists, subscribers)
    }

    /// Returns the lists that an event for this audience goes to, and the number of subscribers in
    /// them. For several topics, a subscriber may be counted more than once.
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

    /// Returns the lists of one topic. An unknown topic stays unknown.
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

    /// Returns the topics in use among the `limit` ones with this prefix after this one, sorted. The
    /// subscribers are those by name: the patterns of thousands of topics take too long to match
    /// under the lock.
    pub(crate) fn topics(&self, prefix: &str, after: Option<&Topic>, limit: usize) -> TopicPage {
        let (states, next) = self.topics.in_use(prefix, after, limit);
        let named = |own| self.interests.count_own(own);
        let stats = states.into_iter().map(|(topic, state)| {
            TopicStats::new(topic.clone(), named(state.own_list), state.entries())
        });
        TopicPage { topics: stats.collect(), next }
    }

    /// Returns the statistics of a topic in use, with all its subscribers.
    pub(crate) fn topic(&self, topic: &Topic) -> Option<TopicStats> {
        let state = self.topics.find(topic).and_then(|key| self.topics.get(key))?;
        let subscribers = state.count_subscribers(&self.interests);
        let stats = || TopicStats::new(topic.clone(), subscribers, state.entries());
        state.is_in_use().then(stats)
    }

    /// Registers interest in these topics. Returns the lists that represent it.
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

    /// Reverts [`HubState::enter`].
    pub(crate) fn exit(&mut self, topics: &Topics) {
        self.interests.exit_patterns(topics.patterns());
        self.interests.exit_everyone();
        for topic in topics.topics() {
            let Some(key) = self.topics.find(topic) else { continue };
            self.interests.exit_topic(&mut self.topics[key].own_list);
            self.topics.note_idle(key);
        }
    }

    /// Returns a reader of the history of these topics.
    pub(crate) fn replay<'a>(&'a self, wanted: &'a Topics) -> Replay<'a> {
        Replay::new(&self.topics, &self.history, wanted)
    }

    /// Returns `true` if history may lack events on these topics after an event of this epoch.
    pub(crate) fn may_lack(&self, topics: &Topics, after: EventId) -> bool {
        !matches!(self.replay(topics).loss(after.offset()), Loss::None)
    }

    /// Gives a connection that is behind its next page of history, or returns where to read the
    /// page without the lock.
    pub(crate) fn catch_up(&self, connection: &Connection) -> CatchUp {
        let mut queue = connection.queue.lock();
        let Some(behind) = queue.behind() else { return CatchUp::Done(CaughtUp::default()) };
        let CatchingUp { after, gap_told_through, promised_from, in_order, .. } = behind.at;
        let room = behind.room;
        let replay = self.replay(&connection.topics);
        let mut missed = match in_order.then(|| replay.stretch_after(after)) {
            Some(Some(stretch)) if promised_from == u64::MAX => {
                return CatchUp::Read(behind, stretch);
            }
            Some(_) => replay.missed_in_order(after, gap_told_through, room),
            None => replay.missed(after, gap_told_through, room),
        };
        replay.note_broken_promise(&mut missed, after, promised_from);
        CatchUp::Done(queue.catch_up(&missed, self.position.offset(), &connection.id))
    }

    /// Returns an upper bound for the newest id of a record for this audience.
    pub(crate) fn newest(&self, audience: &Audience) -> EventId {
        let newest = |topic| self.topics.newest(self.topics.find(topic));
        let offset = match audience {
            Audience::Everyone => self.topics.newest(Some(self.topics.everyone())),
            audience => audience.topics().iter().map(newest).max().unwrap_or_default(),
        };
        EventId::new(self.position.epoch(), offset)
    }

    /// Returns the newest `limit` events for exactly this audience in history, oldest first.
    pub(crate) fn newest_entries(&self, audience: &Audience, limit: usize) -> Vec<Arc<Entry>> {
        let key = self.topics.find_all(audience).next();
        let Some(state) = key.and_then(|key| self.topics.get(key)) else { return Vec::new() };
        let entries = state.entries();
        entries.range(entries.len().saturating_sub(limit)..).cloned().collect()
    }

    /// Drops some expired events; returns `true` if more remain.
    pub(crate) fn trim_history(&mut self) -> bool {
        self.history.trim(&mut self.topics, Instant::now())
    }

    /// Counts those of the excluded connections that would receive events for `audience`.
    pub(crate) fn left_out(&self, except: &ConnectionSet, audience: &Audience) -> usize {
        let ids = except.as_slice().iter();
        let connections = ids.filter_map(|id| self.connections.get(id));
        connections.filter(|connection| connection.topics.include(audience)).count()
    }
}

/// The next step of a connection that is behind.
#[derive(Debug)]
pub(crate) enum CatchUp {
    /// The page was delivered.
    Done(CaughtUp),
    /// The page must be read from here, without the lock.
    Read(Behind, Stretch),
}

/// Returns all lists of several topics and the sum of their subscribers.
fn union(found: &[(ListIds, usize)]) -> (ListIds, usize) {
    let sum = found.iter().map(|(_, subscribers)| subscribers).sum();
    let mut all: Vec<_> = found.iter().flat_map(|(lists, _)| lists.iter()).collect();
    all.sort_unstable();
    all.dedup();
    (ListIds { own: None, others: all.into() }, sum)
}

/// The reason why a hub did not accept something from its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InletError {
    /// The hub has shut down.
    #[error("the hub has shut down")]
    Closed,
    /// The id is not after the position or belongs to another epoch; or the epoch to begin is the
    /// current one.
    #[error(
        "event {id} does not follow the position {position}; deliver in order, and begin a new epoch only once"
    )]
    OutOfOrder {
        /// The id passed to the inlet.
        id: EventId,
        /// The position of the hub.
        position: EventId,
    },
}
