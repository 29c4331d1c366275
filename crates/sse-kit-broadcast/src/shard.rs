//! Fan-out: from the log to the queues of the connections.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use async_broadcast::{RecvError, TryRecvError};
use bytes::Bytes;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use sse_kit_event::control::GapReason;
use tokio::time::{Instant, timeout_at};

use crate::connection::{Connection, ConnectionId, Departure};
use crate::core::Core;
use crate::counters::{Counter, Counters};
use crate::delivery::Goodbye;
use crate::entry::Entry;
use crate::held::Held;
use crate::interest::{EVERYBODY, Key, Lists};
use crate::queue::Offer;

/// What the log tells all that need to know everything.
#[derive(Clone, Debug)]
pub(crate) enum Signal {
    Entry(Arc<Entry>, Lists),
    Local(Arc<Local>),
    Heartbeat,
    End(Option<Goodbye>),
}

/// An event that the log did not take.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) frame: Bytes,
    pub(crate) lists: Lists,
    pub(crate) except: Box<[ConnectionId]>,
}

/// A share of the connections, with one task that hands events to them.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    /// By keys that we number ourselves, so that a hash need not stand up to anybody.
    lists: Mutex<FxHashMap<Key, Vec<Arc<Connection>>>>,
    /// How many events the connections of this shard have taken. Counted here, not in one place
    /// for all, so that cores do not fight over it.
    pub(crate) delivered: Counter,
}

/// Where a connection stands in a list, so that it can leave without a search.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) key: Key,
    at: AtomicUsize,
}

/// After this many connections the task lets others run: their streams, among them.
pub(crate) const BATCH: usize = 256;

/// At most this many events are handed to a connection at once.
const MOST_TOGETHER: usize = 32;

impl Shard {
    /// Enters the connection into these lists.
    pub(crate) fn join(&self, connection: &Arc<Connection>, keys: &[Key]) {
        let mut lists = self.lists.lock();
        let places = keys.iter().map(|key| {
            let list = lists.entry(*key).or_default();
            list.push(Arc::clone(connection));
            Place { key: *key, at: AtomicUsize::new(list.len() - 1) }
        });
        let places = places.collect();
        connection.places.set(places).expect("a connection joins once");
    }

    /// Takes the connection off its lists.
    pub(crate) fn leave(&self, connection: &Connection) {
        let mut lists = self.lists.lock();
        for place in connection.places.get().into_iter().flatten() {
            let Some(list) = lists.get_mut(&place.key) else { continue };
            let at = place.at.load(Ordering::Relaxed);
            list.swap_remove(at);
            if let Some(moved) = list.get(at) {
                moved.place(place.key).at.store(at, Ordering::Relaxed);
            }
            if list.is_empty() {
                lists.remove(&place.key);
            } else if list.len() * 4 < list.capacity() {
                list.shrink_to(list.len() * 2);
            }
        }
    }

    /// The connections in these lists, each once.
    pub(crate) fn members(&self, keys: &Lists) -> Vec<Arc<Connection>> {
        let lists = self.lists.lock();
        let members = keys.iter().filter_map(|key| lists.get(&key)).flatten();
        let mut members: Vec<_> = members.cloned().collect();
        members.sort_unstable_by_key(Arc::as_ptr);
        members.dedup_by_key(|member| Arc::as_ptr(member));
        members
    }

    /// Runs until the broadcaster is gone.
    pub(crate) async fn run(
        self: Arc<Self>,
        mut signals: async_broadcast::Receiver<Signal>,
        counters: Arc<Counters>,
        core: Weak<Core>,
        mut held: Held,
    ) {
        // Everything up to here was handed to the connections.
        let mut through = None;
        let mut next = None;
        loop {
            // A stream of signals without end still lets others run.
            tokio::task::coop::consume_budget().await;
            held.wake_when_due().await;
            let signal = match (next.take(), held.due()) {
                (Some(signal), _) => signal,
                (None, None) => signals.recv_direct().await,
                (None, Some(due)) => match timeout_at(due, signals.recv_direct()).await {
                    Ok(signal) => signal,
                    Err(_elapsed) => continue,
                },
            };
            match signal {
                Ok(Signal::Entry(entry, lists)) => {
                    let mut entries = vec![entry];
                    next = more_alike(&mut signals, &mut entries, &lists);
                    self.fan_out(&entries, &lists, &counters, &core, &mut held).await;
                    through = entries.last().map(|entry| entry.id);
                }
                Ok(Signal::Heartbeat) => {
                    self.visit(EVERYBODY, |c| c.queue.lock().offer_heartbeat()).await;
                }
                Ok(Signal::Local(event)) => self.hand_out(&event).await,
                Ok(Signal::End(goodbye)) => {
                    let end = |c: &Arc<Connection>| {
                        c.queue.lock().end(Departure::Shutdown, goodbye);
                    };
                    self.visit(EVERYBODY, end).await;
                }
                // Publishers were faster than this task: every connection looks into history.
                Err(RecvError::Overflowed(missed)) => {
                    tracing::debug!(missed, "a fan-out task lags behind the log");
                    counters.fan_out_lags.add(1);
                    let lag = |c: &Arc<Connection>| {
                        c.queue.lock().fall_behind(through, GapReason::Lagged);
                    };
                    self.visit(EVERYBODY, lag).await;
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Hands entries that go to the same lists to all who stand there: so what was published
    /// together is written together. Who stands in two of the lists skips them the second time.
    async fn fan_out(
        &self,
        entries: &[Arc<Entry>],
        lists: &Lists,
        counters: &Counters,
        core: &Weak<Core>,
        held: &mut Held,
    ) {
        let mut too_slow = Vec::new();
        for key in lists.iter() {
            let now = Instant::now();
            let offer = |c: &Arc<Connection>| {
                let mut queue = c.queue.lock();
                for entry in entries {
                    match queue.offer(entry, &c.id, now) {
                        Offer::Queued | Offer::NotWanted => {}
                        Offer::Conflated => counters.conflated.add(1),
                        Offer::Dropped(events) => counters.dropped.add(events as u64),
                        Offer::Lagged => counters.lagged.add(1),
                        Offer::TooSlow => too_slow.push(Arc::clone(c)),
                    }
                }
                held.wake_or_hold(c, &mut queue, now);
            };
            self.visit(key, offer).await;
        }
        if let Some(core) = core.upgrade() {
            for connection in &too_slow {
                core.leave(connection);
            }
        }
    }

    /// Hands an event without an id to all who stand in its lists. Whoever has no room does without:
    /// it is promised at most once.
    async fn hand_out(&self, event: &Local) {
        // There is no offset by which they would know that they have it.
        let mut handed = HashSet::new();
        for key in event.lists.iter() {
            let offer = |c: &Arc<Connection>| {
                if !event.except.contains(&c.id) && handed.insert(c.id.clone()) {
                    c.queue.lock().offer_direct(event.frame.clone());
                }
            };
            self.visit(key, offer).await;
        }
    }

    /// Calls `act` for every connection in the list, and lets others run in between.
    ///
    /// It goes from the end to the beginning, so that those who leave in between move only
    /// connections that were visited; one may be visited twice, which `act` must bear. Those who
    /// join in between are not visited: what is being handed out is older than they are.
    async fn visit(&self, key: Key, mut act: impl FnMut(&Arc<Connection>)) {
        let mut end = usize::MAX;
        loop {
            {
                let lists = self.lists.lock();
                let Some(list) = lists.get(&key) else { return };
                end = end.min(list.len());
                let begin = end.saturating_sub(BATCH);
                list[begin..end].iter().rev().for_each(&mut act);
                end = begin;
            }
            if end == 0 {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Takes what else is waiting for the same lists, and returns what came instead, if anything did.
fn more_alike(
    signals: &mut async_broadcast::Receiver<Signal>,
    entries: &mut Vec<Arc<Entry>>,
    lists: &Lists,
) -> Option<Result<Signal, RecvError>> {
    while entries.len() < MOST_TOGETHER {
        match signals.try_recv() {
            Ok(Signal::Entry(entry, others)) if others.are(lists) => entries.push(entry),
            Ok(other) => return Some(Ok(other)),
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Overflowed(missed)) => {
                return Some(Err(RecvError::Overflowed(missed)));
            }
            Err(TryRecvError::Closed) => return Some(Err(RecvError::Closed)),
        }
    }
    None
}

impl Connection {
    fn place(&self, key: Key) -> &Place {
        let mut places = self.places.get().into_iter().flatten();
        places.find(|place| place.key == key).expect("it stands in the list")
    }
}
