//! What must change together: histories, who is interested in what, and the position in the log.

use std::collections::HashMap;
use std::sync::Arc;

use sse_kit_event::{EventId, Topics};
use tokio::time::Instant;

use crate::connection::{Connection, ConnectionId};
use crate::entry::Entry;
use crate::history::{Address, History, Missed, Retention};
use crate::interest::{EVERYBODY, Interests, Key};
use crate::log::Record;
use crate::presence::Watched;

/// The state behind the one lock of a broadcaster.
///
/// Joining and delivering both happen under it: whoever joins sees what came before in history,
/// and gets what comes after from the fan-out. No user code runs under it.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// The newest event that came back from the log.
    pub(crate) position: EventId,
    pub(crate) history: History,
    pub(crate) interests: Interests,
    pub(crate) connections: HashMap<ConnectionId, Arc<Connection>>,
    pub(crate) watched: Watched,
    /// Nobody joins any more.
    pub(crate) draining: bool,
    pub(crate) closed: bool,
}

impl Ledger {
    pub(crate) fn new(position: EventId, retention: Retention) -> Self {
        let mut history = History::new(retention);
        let (everybody, _) = history.topic(&None);
        everybody.own_list = Some(EVERYBODY);
        everybody.interest = [EVERYBODY].into();
        Self {
            position,
            history,
            interests: Interests::new(),
            connections: HashMap::new(),
            watched: Watched::default(),
            draining: false,
            closed: false,
        }
    }

    /// Takes a record into its topic's history, and counts those who are to get it.
    pub(crate) fn record(&mut self, id: EventId, record: Record) -> (Arc<Entry>, usize) {
        let Record { topic, key, except, event } = record;
        let (state, new) = self.history.topic(&topic);
        if let (true, Some(topic)) = (new, &topic) {
            state.interest = self.interests.of(topic, None);
        }
        let interest = Arc::clone(&state.interest);
        let receivers = self.interests.subscribers(&interest) - self.left_out(&except, &topic);
        let frame = event.finish(Some(id));
        let at = Instant::now();
        let entry = Arc::new(Entry { id, topic: topic.clone(), key, except, frame, at, interest });
        self.position = id;
        self.history.push(&entry, &topic);
        (entry, receivers)
    }

    /// Enters the interest in these topics, and returns the lists that stand for it.
    pub(crate) fn enter(&mut self, topics: &Topics) -> Vec<Key> {
        self.interests.join(EVERYBODY);
        let mut keys = vec![EVERYBODY];
        for topic in topics.topics() {
            let (state, _) = self.history.topic(&Some(topic.clone()));
            let first = state.own_list.is_none();
            let key = self.interests.topic_list(&mut state.own_list);
            if first {
                state.interest = self.interests.of(topic, Some(key));
            }
            self.interests.join(key);
            keys.push(key);
        }
        if !topics.patterns().is_empty() {
            let (key, new) = self.interests.pattern_list(topics);
            if new {
                self.resolve_patterns(topics);
            }
            self.interests.join(key);
            keys.push(key);
        }
        keys
    }

    /// Takes back what [`Ledger::enter`] did.
    pub(crate) fn exit(&mut self, topics: &Topics) {
        self.interests.leave(EVERYBODY);
        for topic in topics.topics() {
            let address = Some(topic.clone());
            let Some(state) = self.history.known_mut(&address) else { continue };
            let Some(key) = state.own_list else { continue };
            if self.interests.leave(key) {
                self.interests.forget(key);
                state.own_list = None;
                state.interest = self.interests.of(topic, None);
                self.history.forget_if_idle(&address);
            }
        }
        if let Some(key) = self.interests.pattern_key(topics)
            && self.interests.leave(key)
        {
            self.interests.forget_patterns(topics);
            self.resolve_patterns(topics);
        }
    }

    /// The oldest events after `after` on these topics, up to `limit` of them.
    pub(crate) fn missed(&self, after: u64, topics: &Topics, limit: usize) -> Missed {
        let own = topics.topics().iter().cloned().map(Some).chain([None]);
        let own = own.filter_map(|address| self.history.known(&address));
        let Some(key) = self.interests.pattern_key(topics) else {
            return History::missed(after, own, limit);
        };
        let by_pattern = self.history.states().filter(|state| state.interest.contains(&key));
        let mut missed = History::missed(after, own.chain(by_pattern), limit);
        missed.lose(self.history.forgotten_through(), after);
        missed
    }

    /// The lists that an event on this topic goes to.
    pub(crate) fn lists_of(&self, address: &Address) -> Arc<[Key]> {
        match (self.history.known(address), address) {
            (Some(state), _) => Arc::clone(&state.interest),
            (None, Some(topic)) => self.interests.of(topic, None),
            (None, None) => [EVERYBODY].into(),
        }
    }

    /// Matches a set of patterns, which came or went, with the topics there are.
    fn resolve_patterns(&mut self, topics: &Topics) {
        for (topic, state) in self.history.topics_mut() {
            if topics.patterns().iter().any(|pattern| pattern.matches(topic)) {
                state.interest = self.interests.of(topic, state.own_list);
            }
        }
    }

    /// How many of these connections would get what goes to `address`.
    fn left_out(&self, except: &[ConnectionId], address: &Address) -> usize {
        let wants = |connection: &&Arc<Connection>| match address {
            None => true,
            Some(topic) => connection.topics.cover(topic),
        };
        except.iter().filter_map(|id| self.connections.get(id)).filter(wants).count()
    }
}
