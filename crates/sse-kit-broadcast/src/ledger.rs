//! What must change together: histories, who is interested in what, and the position in the log.

use std::collections::HashMap;
use std::sync::Arc;

use sse_kit_event::{EventId, Topics};

use crate::connection::{Connection, ConnectionId};
use crate::entry::Entry;
use crate::history::{Address, Candidates, History, Missed, Retention};
use crate::interest::{EVERYBODY, Interests, Key, Lists};
use crate::log::{InletError, Record};
use crate::presence::Watched;

/// The state behind the one lock of a broadcaster.
///
/// Joining and delivering both happen under it: whoever joins sees what came before in history,
/// and gets what comes after from the fan-out. No user code runs under it.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// The newest event that came back from the log.
    pub(crate) position: EventId,
    /// Some connection may have resumed from after the position.
    pub(crate) anyone_ahead: bool,
    pub(crate) history: History,
    pub(crate) interests: Interests,
    pub(crate) connections: HashMap<ConnectionId, Arc<Connection>>,
    pub(crate) watched: Watched,
    /// Nobody joins any more.
    pub(crate) draining: bool,
    pub(crate) closed: bool,
}

impl Ledger {
    pub(crate) fn new(position: EventId, retention: Retention, alike: usize) -> Self {
        let mut history = History::new(retention, position.offset());
        history.topic(&None).own_list = Some(EVERYBODY);
        Self {
            position,
            anyone_ahead: false,
            history,
            interests: Interests::new(alike),
            connections: HashMap::new(),
            watched: Watched::default(),
            draining: false,
            closed: false,
        }
    }

    /// Where it is, while it is open.
    pub(crate) fn open_at(&self) -> Result<EventId, InletError> {
        if self.closed { Err(InletError::Closed) } else { Ok(self.position) }
    }

    /// Goes on from a position that nothing before leads to.
    pub(crate) fn begin_epoch(&mut self, position: EventId) {
        self.position = position;
        self.history.begin_anew(position.offset());
    }

    /// Goes on after this offset, and what there was up to it may be missing. False when it is no news.
    pub(crate) fn lose_through(&mut self, offset: u64) -> bool {
        let news = offset > self.position.offset();
        if news {
            self.position = EventId::new(self.position.epoch(), offset);
            self.history.lose_through(offset);
        }
        news
    }

    /// How many connections an event on this topic would go to, those left out aside.
    pub(crate) fn receivers(&mut self, address: &Address, except: &[ConnectionId]) -> usize {
        let mut except = except.to_vec();
        except.sort_unstable();
        except.dedup();
        let (_, subscribers) = self.lists_of(address);
        subscribers - self.left_out(&except, address)
    }

    /// Takes a record into its topic's history, and says which lists it goes to, and how many get
    /// it.
    pub(crate) fn record(&mut self, id: EventId, record: Record) -> (Arc<Entry>, Lists, usize) {
        let entry = Arc::new(Entry::new(id, record));
        let (lists, subscribers) = self.lists_of(&entry.topic);
        let receivers = subscribers - self.left_out(&entry.except, &entry.topic);
        self.position = id;
        self.history.push(&entry, &entry.topic);
        (entry, lists, receivers)
    }

    /// Enters the interest in these topics, and returns the lists that stand for it.
    pub(crate) fn enter(&mut self, topics: &Topics) -> Vec<Key> {
        let mut keys = self.interests.enter_patterns(topics.patterns());
        keys.push(self.interests.enter_everybody());
        for topic in topics.topics() {
            let state = self.history.topic(&Some(topic.clone()));
            keys.push(self.interests.enter_topic(&mut state.own_list));
        }
        keys
    }

    /// Takes back what [`Ledger::enter`] did.
    pub(crate) fn exit(&mut self, topics: &Topics) {
        self.interests.exit_patterns(topics.patterns());
        self.interests.exit_everybody();
        for topic in topics.topics() {
            let address = Some(topic.clone());
            let Some(state) = self.history.known_mut(&address) else { continue };
            self.interests.exit_topic(&mut state.own_list);
            self.history.forget_if_idle(&address);
        }
    }

    /// The oldest events after `after` on these topics, up to `limit` of them.
    /// Those of them that a pattern matches were found before, without the lock.
    pub(crate) fn missed(
        &self,
        after: u64,
        topics: &Topics,
        matched: &Candidates,
        limit: usize,
    ) -> Missed {
        let own = topics.topics().iter().cloned().map(Some).chain([None]);
        let own = own.filter_map(|address| self.history.known(&address));
        let by_pattern = self.history.matching(topics.patterns(), matched);
        let mut missed = History::missed(after, own.chain(by_pattern), limit);
        if !topics.patterns().is_empty() {
            missed.lose(self.history.forgotten_through(), after);
        }
        missed
    }

    /// The lists that an event goes to, and how many subscribers they have.
    pub(crate) fn lists_of(&mut self, address: &Address) -> (Lists, usize) {
        let Some(topic) = address else { return self.interests.of_everybody() };
        let own = self.history.known(address).and_then(|state| state.own_list);
        self.interests.of(topic, own, self.history.topics())
    }

    /// How many of these connections would get what goes to `address`.
    fn left_out(&self, except: &[ConnectionId], address: &Address) -> usize {
        let wants = |connection: &&Arc<Connection>| match address {
            None => true,
            Some(topic) => connection.topics.cover(topic),
        };
        // A log may hand back what names somebody twice.
        let once = |(at, id): &(usize, &ConnectionId)| !except[..*at].contains(id);
        let left_out = except.iter().enumerate().filter(once);
        left_out.filter_map(|(_, id)| self.connections.get(id)).filter(wants).count()
    }
}
