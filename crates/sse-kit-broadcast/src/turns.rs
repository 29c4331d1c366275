//! Turns at a scarce resource, shared fairly among clients.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::client_key::ClientKey;

/// The maximum number of turns that one client may wait for.
const MAX_WAITING_OF_CLIENT: usize = 64;

/// The maximum number of turns that all clients together may wait for.
const MAX_WAITING: usize = 4096;

/// A fixed number of simultaneous turns, of which one client gets at most its share. Waiting
/// clients take turns one after another, independent of the number of turns that each waits for.
#[derive(Debug)]
pub(crate) struct Turns {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    /// The maximum number of turns of one client at the same time.
    share: usize,
    /// The clients that have turns or wait for some.
    clients: HashMap<ClientKey, Client>,
    /// The waiting clients with less than their share, each once, in the order of their next turns.
    /// Empty while a turn is free.
    next: VecDeque<ClientKey>,
    waiting: usize,
    next_number: u64,
}

#[derive(Debug, Default)]
struct Client {
    turns: usize,
    waiting: VecDeque<(u64, oneshot::Sender<Turn>)>,
}

/// A turn. Dropping it passes it to the next client.
#[derive(Debug)]
pub(crate) struct Turn {
    client: ClientKey,
    /// `None` if the turn was not handed over.
    turns: Option<Arc<Turns>>,
}

/// A place in the queue. Dropping it gives the place up.
struct Place<'a> {
    turns: &'a Turns,
    client: &'a ClientKey,
    number: u64,
}

/// The error if the client, or all clients together, already wait for too many turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crowded;

impl Turns {
    pub(crate) fn new(turns: usize, share: usize) -> Arc<Self> {
        let state = State {
            free: turns,
            share,
            clients: HashMap::new(),
            next: VecDeque::new(),
            waiting: 0,
            next_number: 0,
        };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Waits for a turn for this client.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped, its turn goes to the next client.
    pub(crate) async fn take(self: &Arc<Self>, client: &ClientKey) -> Result<Turn, Crowded> {
        let (sender, turn) = oneshot::channel();
        let number = self.state.lock().queue(self, client, sender)?;
        let _place = Place { turns: self, client, number };
        turn.await.map_err(|_| Crowded)
    }
}

impl State {
    /// Queues a client, and hands it a turn at once if one is free.
    fn queue(
        &mut self,
        turns: &Arc<Turns>,
        client: &ClientKey,
        sender: oneshot::Sender<Turn>,
    ) -> Result<u64, Crowded> {
        let waits = self.clients.get(client).map_or(0, |client| client.waiting.len());
        if self.waiting >= MAX_WAITING || waits >= MAX_WAITING_OF_CLIENT {
            return Err(Crowded);
        }
        let number = self.next_number;
        self.next_number += 1;
        self.waiting += 1;
        let entry = self.clients.entry(client.clone()).or_default();
        entry.waiting.push_back((number, sender));
        if waits == 0 && entry.turns < self.share {
            self.next.push_back(client.clone());
        }
        self.give_out(turns);
        Ok(number)
    }

    /// Hands free turns to the next clients.
    fn give_out(&mut self, turns: &Arc<Turns>) {
        while self.free > 0
            && let Some(key) = self.next.pop_front()
        {
            let Some(client) = self.clients.get_mut(&key) else { continue };
            let Some((_, sender)) = client.waiting.pop_front() else { continue };
            self.waiting -= 1;
            let turn = Turn { client: key.clone(), turns: Some(Arc::clone(turns)) };
            match sender.send(turn) {
                Ok(()) => {
                    self.free -= 1;
                    client.turns += 1;
                }
                // The receiver is gone, so the turn was never taken.
                Err(mut turn) => turn.turns = None,
            }
            if !client.waiting.is_empty() && client.turns < self.share {
                self.next.push_back(key);
            } else {
                self.forget_idle(&key);
            }
        }
    }

    fn give_back(&mut self, turns: &Arc<Turns>, key: &ClientKey) {
        self.free += 1;
        if let Some(client) = self.clients.get_mut(key) {
            let had_its_share = client.turns == self.share;
            client.turns -= 1;
            if had_its_share && !client.waiting.is_empty() {
                self.next.push_back(key.clone());
            }
        }
        self.forget_idle(key);
        self.give_out(turns);
    }

    fn give_up(&mut self, key: &ClientKey, number: u64) {
        let Some(client) = self.clients.get_mut(key) else { return };
        let Some(at) = client.waiting.iter().position(|(waiting, _)| *waiting == number) else {
            return;
        };
        client.waiting.remove(at);
        self.waiting -= 1;
        if client.waiting.is_empty() {
            self.next.retain(|next| next != key);
        }
        self.forget_idle(key);
    }

    fn forget_idle(&mut self, key: &ClientKey) {
        let is_idle = |client: &Client| client.turns == 0 && client.waiting.is_empty();
        if self.clients.get(key).is_some_and(is_idle) {
            self.clients.remove(key);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.turns.take() {
            turns.state.lock().give_back(&turns, &self.client);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.turns.state.lock().give_up(self.client, self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use futures_util::FutureExt;

    use super::*;

    type Taking<'a> = Pin<Box<dyn Future<Output = Result<Turn, Crowded>> + Send + 'a>>;

    /// Takes a place, and the turn if there is one.
    fn take<'a>(turns: &'a Arc<Turns>, client: &'a ClientKey) -> (Taking<'a>, Option<Turn>) {
        let mut taking: Taking<'a> = Box::pin(turns.take(client));
        let turn = taking.as_mut().now_or_never().map(|turn| turn.expect("not crowded"));
        (taking, turn)
    }

    #[test]
    fn a_client_has_no_more_than_its_share() {
        let turns = Turns::new(3, 2);
        let [greedy, polite] = ["greedy", "polite"].map(ClientKey::from);
        let mine: Vec<_> = (0..10).filter_map(|_| take(&turns, &greedy).1).collect();
        assert_eq!(mine.len(), 2);
        assert!(take(&turns, &polite).1.is_some());
        drop(mine);
        assert!(turns.state.lock().clients.is_empty(), "nobody is remembered");
    }

    #[test]
    fn clients_come_one_after_another() {
        let turns = Turns::new(1, 1);
        let [greedy, polite] = ["greedy", "polite"].map(ClientKey::from);
        let (_, first) = take(&turns, &greedy);
        let mut waiting: Vec<_> = (0..5).map(|_| take(&turns, &greedy).0).collect();
        let (mut mine, none) = take(&turns, &polite);
        assert!(none.is_none());
        drop(first);
        assert!(waiting[0].as_mut().now_or_never().is_none(), "it is the other's turn");
        let second = mine.as_mut().now_or_never().expect("it has its turn");
        drop(second);
        assert!(waiting[1].as_mut().now_or_never().is_none());
        assert!(waiting[0].as_mut().now_or_never().is_some());
    }

    #[test]
    fn a_turn_that_comes_too_late_goes_to_the_next() {
        let turns = Turns::new(1, 1);
        let [first, second, third] = ["1", "2", "3"].map(ClientKey::from);
        let (_, turn) = take(&turns, &first);
        let (given, gives_up) = (take(&turns, &second).0, take(&turns, &third).0);
        drop(gives_up);
        drop(turn);
        drop(given); // which has its turn, and does not know
        assert!(take(&turns, &first).1.is_some());
        let state = turns.state.lock();
        assert_eq!((state.waiting, state.next.len()), (0, 0));
    }

    #[test]
    fn so_many_wait_and_no_more() {
        let turns = Turns::new(1, 1);
        let keys: Vec<_> = (0..100).map(|n| ClientKey::from(n.to_string())).collect();
        let (_, _turn) = take(&turns, &keys[0]);
        let mut waiting = Vec::new();
        for client in &keys {
            for _ in 0..MAX_WAITING_OF_CLIENT.min(MAX_WAITING - waiting.len()) {
                waiting.push(take(&turns, client).0);
            }
        }
        let crowded =
            |client: &ClientKey| turns.take(client).now_or_never().is_some_and(|t| t.is_err());
        assert!(crowded(&keys[99]), "all together wait for too much");
        waiting.truncate(MAX_WAITING_OF_CLIENT);
        assert!(crowded(&keys[0]), "it waits for too much alone");
        assert!(!crowded(&keys[1]));
        drop(waiting);
        assert_eq!(turns.state.lock().waiting, 0);
    }
}
