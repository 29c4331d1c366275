//! A hub, and the model of it: each action is done to both, and compared.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use sse_kit_broadcast::{
    CloseReason, ConnectionState, Goodbye, Hub, PublishError, Receipt, SendError, SlowConsumer,
    Start,
};
use sse_kit_event::{Epoch, Event, EventId, Topic};
use tokio::task::coop::unconstrained;

use crate::actions::{Action, CLIENTS, Join, Resume, Settings, TOPICS};
use crate::chronicle::{Address, Chronicle, Costs, id_of, of_their_own};
use crate::client::{Checked, Circumstances, Client};
use crate::comings::{self, Comings};
use crate::epochs;
use crate::log::ModelLog;

/// A unit of time. History is trimmed once a second, so a few seconds more or less make no
/// difference in the middle of it.
const UNIT: Duration = Duration::from_secs(10);
const CROWD_QUEUE: usize = 2;

pub(crate) struct World {
    pub(crate) hub: Hub,
    log: ModelLog,
    pub(crate) settings: Settings,
    pub(crate) chronicle: Chronicle,
    /// The open subscription of each client, and those that were replaced and still read.
    pub(crate) clients: [Option<Client>; CLIENTS],
    pub(crate) others: Vec<Client>,
    /// The last join of each client, and the newest event it saw.
    pub(crate) memory: HashMap<usize, (Join, EventId)>,
    settled: bool,
    pub(crate) goodbye: Option<Goodbye>,
    pub(crate) serials: u64,
    pub(crate) comings: Comings,
    heard_by_hooks: Arc<Mutex<Comings>>,
    /// Of those who are no longer there.
    entries_taken: u64,
    gaps_taken: u64,
}

impl World {
    pub(crate) async fn new(settings: Settings) -> Checked<Self> {
        let costs = Costs::measure().await;
        let heard_by_hooks = Arc::new(Mutex::new(Comings::new()));
        let (comes, goes) = (Arc::clone(&heard_by_hooks), Arc::clone(&heard_by_hooks));
        let log = ModelLog::new(Epoch::new(epochs::FIRST));
        let mut builder = Hub::builder()
            .log(log.clone())
            .history(settings.history)
            .log_buffer(settings.log_buffer)
            .shards(settings.shards)
            .heartbeat(settings.heartbeat.then_some(Duration::from_secs(7)))
            .on_connect(move |connection| -> Result<_, &str> {
                let serial = connection.metadata::<u64>().copied().ok_or("no serial")?;
                comes.lock().push((serial, None));
                Ok(())
            })
            .on_disconnect(move |connection, why| -> Result<_, &str> {
                let serial = connection.metadata::<u64>().copied().ok_or("no serial")?;
                goes.lock().push((serial, Some(why)));
                Ok(())
            });
        if let Some(units) = settings.history_age {
            let age = |units| UNIT * units + UNIT / 4;
            builder = builder.history_age(age(units));
            for name in TOPICS {
                let topic = topic(name);
                let own = settings.age_of(Some(&topic)).map(age);
                builder = builder.history_age_for(topic, own);
            }
        }
        if let Some(events) = settings.history_for {
            builder = builder.history_for(of_their_own(), events);
        }
        if let Some(bytes) = settings.history_bytes {
            builder = builder.history_bytes(bytes);
        }
        if let Some(bytes) = settings.queue_bytes {
            builder = builder.queue_bytes(bytes);
        }
        let hub = builder.build().map_err(|error| TestCaseError::fail(error.to_string()))?;
        let mut world = Self {
            hub,
            log,
            chronicle: Chronicle::new(settings.clone(), costs),
            clients: Default::default(),
            others: Vec::new(),
            memory: HashMap::new(),
            settled: false,
            goodbye: None,
            serials: 0,
            comings: Vec::new(),
            heard_by_hooks,
            entries_taken: 0,
            gaps_taken: 0,
            settings,
        };
        world.settle().await;
        tokio::time::sleep(UNIT / 2).await;
        for _ in 0..world.settings.crowd {
            let from = (&Resume::No, Start::Now);
            let limits = (SlowConsumer::Heal, CROWD_QUEUE);
            let client = world.open(None, topic(TOPICS[0]).into(), from, limits)?;
            world.others.push(client);
        }
        Ok(world)
    }

    pub(crate) async fn act(&mut self, action: &Action) -> Checked {
        match action {
            Action::Join(join) => self.join(join)?,
            Action::ComeBack { client } => {
                if let Some((join, _)) = self.memory.get(client) {
                    let (resume, replaces) = (Resume::LastSeen, false);
                    self.join(&Join { resume, replaces, ..join.clone() })?;
                }
            }
            Action::Leave { client } => {
                let client = self.clients[*client].take();
                if let Some(client) = client {
                    self.leaves(client);
                }
            }
            Action::CrowdLeaves { from, many } => {
                let from = from.index(self.others.len() + 1);
                let to = self.others.len().min(from + many);
                for client in self.others.drain(from..to).collect::<Vec<_>>() {
                    self.leaves(client);
                }
            }
            Action::Publish { topic, key, except, size } => {
                self.publish(topic.map(crate::world::topic), *key, except, *size).await?;
            }
            Action::Burst { topic, many } => {
                for _ in 0..*many {
                    self.publish(Some(crate::world::topic(topic)), None, &[], 0).await?;
                }
            }
            Action::SendTo { client } => self.send_to(*client)?,
            Action::Take { client, many } => self.take(*client, *many)?,
            Action::Yield(turns) => {
                for _ in 0..*turns {
                    tokio::task::yield_now().await;
                }
            }
            Action::Settle => self.settle().await,
            Action::Pass(units) => {
                tokio::time::sleep(UNIT * *units).await;
                self.chronicle.pass(*units);
                self.settle().await;
            }
            Action::Disconnect { client, goodbye } => self.disconnect(*client, *goodbye)?,
            Action::Finish { client, goodbye } => self.finish(*client, *goodbye),
            Action::BeginEpoch { lacks } => self.begin_epoch(*lacks)?,
            Action::ShutDown(goodbye) => self.shut_down(*goodbye),
        }
        self.compare()
    }

    /// Everybody reads to the end, those who were cut off come back, and at last all leave.
    pub(crate) async fn end(mut self, shutting_down: bool) -> Checked {
        self.settle().await;
        self.compare()?;
        self.all_read()?;
        for client in 0..CLIENTS {
            let ended = |client: &Client| client.subscription.ending().is_some();
            if self.goodbye.is_none() && self.clients[client].as_ref().is_some_and(ended) {
                self.act(&Action::ComeBack { client }).await?;
            }
        }
        if shutting_down {
            self.shut_down(Goodbye::ComeBack { within: Duration::from_secs(3) });
        }
        self.settle().await;
        self.compare()?;
        self.all_read()?;

        let clients: Vec<_> = self.clients.iter_mut().filter_map(Option::take).collect();
        for client in clients.into_iter().chain(std::mem::take(&mut self.others)) {
            self.leaves(client);
        }
        self.compare()?;
        let stats = self.hub.stats();
        prop_assert_eq!((stats.connections, stats.patterns), (0, 0));
        prop_assert_eq!(
            stats.topics,
            self.chronicle.topics_with_history().count(),
            "leaked topics"
        );
        prop_assert_eq!((stats.opened, stats.closed), (self.serials, self.serials));
        prop_assert_eq!(stats.delivered, self.entries_taken);
        prop_assert_eq!(stats.gaps, self.gaps_taken);
        prop_assert_eq!(stats.published, self.chronicle.position());
        prop_assert_eq!(stats.hook_failures, 0);
        self.settle().await;
        comings::hooks_heard_it_all(&self.heard_by_hooks.lock(), &self.comings)?;

        drop(self.hub);
        tokio::time::sleep(UNIT * 3).await;
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        prop_assert_eq!(tasks, 0, "tasks outlive the hub");
        Ok(())
    }

    #[expect(clippy::needless_pass_by_value, reason = "to drop the subscription is to leave")]
    pub(crate) fn leaves(&mut self, client: Client) {
        if !client.gone {
            let why = client.subscription.ending().unwrap_or(CloseReason::ClientGone);
            self.comings.push((client.serial, Some(why)));
        }
        self.remember(&client);
        self.entries_taken += client.entries_taken;
        self.gaps_taken += client.gaps_taken;
    }

    pub(crate) fn remember(&mut self, client: &Client) {
        if let Some((_, seen)) = client.number.and_then(|number| self.memory.get_mut(&number)) {
            *seen = client.seen;
        }
    }

    async fn publish(
        &mut self,
        address: Address,
        key: Option<&'static str>,
        except: &[usize],
        size: usize,
    ) -> Checked {
        let offset = self.chronicle.position() + 1;
        let mut event = Event::new(format!("{offset} {}", "x".repeat(size)));
        if let Some(key) = key {
            event = event.with_key(key.parse().expect("it is right"));
        }
        let id = self.chronicle.epochs.id(offset);
        let frame = event.encode().finish(Some(id));

        let left_out = except.iter().map(|number| id_of(*number));
        // The tasks of the hub run when the story says so, and not in here.
        let published = unconstrained(async {
            match (&address, except.is_empty()) {
                (Some(topic), true) => self.hub.publish(topic, event).await,
                (Some(topic), false) => self.hub.except(left_out).publish(topic, event).await,
                (None, true) => self.hub.broadcast(event).await,
                (None, false) => self.hub.except(left_out).broadcast(event).await,
            }
        })
        .await;
        if self.goodbye.is_some() {
            prop_assert!(matches!(published, Err(PublishError::Closed)), "{published:?}");
            return Ok(());
        }
        self.chronicle.write(&address, key, except.to_vec(), frame);
        self.settled = false;
        let written = self.chronicle.at(offset).expect("it was just written");
        let mut receivers = 0;
        for client in self.clients.iter_mut().flatten().chain(&mut self.others) {
            receivers += usize::from(!client.gone && client.wants(written));
            if client.subscription.ending().is_none() {
                client.published(offset, &self.chronicle);
            }
        }
        match published {
            Ok(Receipt { id: given, receivers: counted, .. }) => {
                prop_assert_eq!(given, id);
                prop_assert_eq!(counted, receivers, "receivers of {}", offset);
                Ok(())
            }
            Err(error) => Err(TestCaseError::fail(format!("{error:?}"))),
        }
    }

    fn send_to(&mut self, number: usize) -> Checked {
        let event = Event::new("for you");
        let sent = self.hub.send_to(&id_of(number), &event);
        let client = self.clients[number].as_mut().filter(|client| !client.gone);
        match client.filter(|client| client.subscription.ending().is_none()) {
            None => prop_assert_eq!(sent, Err(SendError::NotConnected)),
            Some(client) => {
                prop_assert!(matches!(sent, Ok(()) | Err(SendError::QueueFull)), "{sent:?}");
                client.sent(event.encode().finish(None), sent.is_ok(), &self.chronicle)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, number: usize, many: usize) -> Checked {
        let world = self.circumstances_of();
        if let Some(client) = &mut self.clients[number] {
            client.take(many, &world(&self.chronicle))?;
        }
        // Those who were replaced read on in the background.
        let replaced = self.others.iter_mut().filter(|client| client.number == Some(number));
        for client in replaced {
            client.take(many, &world(&self.chronicle))?;
        }
        Ok(())
    }

    fn all_read(&mut self) -> Checked {
        let world = self.circumstances_of();
        for client in self.clients.iter_mut().flatten().chain(&mut self.others) {
            client.take(usize::MAX, &world(&self.chronicle))?;
        }
        Ok(())
    }

    fn disconnect(&mut self, number: usize, goodbye: Option<Goodbye>) -> Checked {
        let client = self.clients[number].as_mut().filter(|client| !client.gone);
        let ending = client.as_ref().and_then(|client| client.subscription.ending());
        let id = id_of(number);
        let ended = match goodbye {
            Some(goodbye) => self.hub.dismiss(&id, goodbye),
            None => self.hub.disconnect(&id),
        };
        prop_assert_eq!(ended, client.is_some());
        if let Some(client) = client {
            client.gone = true;
            if ending.is_none() {
                client.last_word = goodbye;
            }
            let why = ending.unwrap_or(CloseReason::Disconnected);
            self.comings.push((client.serial, Some(why)));
            prop_assert_eq!(client.subscription.ending(), Some(why));
        }
        Ok(())
    }

    fn finish(&mut self, number: usize, goodbye: Goodbye) {
        let Some(client) = &mut self.clients[number] else { return };
        let ending = client.subscription.ending();
        client.subscription.finish(goodbye);
        if ending.is_none() {
            client.last_word = Some(goodbye);
        }
        if !client.gone {
            client.gone = true;
            let why = ending.unwrap_or(CloseReason::Expired);
            self.comings.push((client.serial, Some(why)));
        }
    }

    fn begin_epoch(&mut self, lacks: Option<u64>) -> Checked {
        let Some(epoch) = self.chronicle.epochs.next().filter(|_| self.goodbye.is_none()) else {
            return Ok(());
        };
        let now_at = self.hub.cursor();
        let at = |lacks| EventId::new(now_at.epoch(), now_at.offset().saturating_sub(lacks));
        let shared = lacks.map(at);
        let begun = self.log.begin_epoch(epoch, shared.map(EventId::offset));
        prop_assert!(begun.is_ok(), "{begun:?}");
        let through = self.chronicle.begin_epoch(epoch, shared);
        self.settled = false;
        for client in self.clients.iter_mut().flatten().chain(&mut self.others) {
            client.epoch_begins(through, &self.chronicle.epochs);
        }
        Ok(())
    }

    fn shut_down(&mut self, goodbye: Goodbye) {
        self.hub.shut_down(goodbye);
        self.settled &= self.goodbye.is_some();
        self.goodbye.get_or_insert(goodbye);
    }

    /// Lets the tasks of the hub do all they can do: the clock moves when they are idle.
    pub(crate) async fn settle(&mut self) {
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.settled = true;
    }

    pub(crate) fn circumstances(&self) -> Circumstances<'_> {
        self.circumstances_of()(&self.chronicle)
    }

    /// For use while the clients are borrowed.
    fn circumstances_of(&self) -> impl Fn(&Chronicle) -> Circumstances<'_> + use<> {
        let (settled, heartbeats) = (self.settled, self.settings.heartbeat);
        let (goodbye, fan_out_lags) = (self.goodbye, self.hub.stats().fan_out_lags);
        move |chronicle| Circumstances { chronicle, settled, fan_out_lags, heartbeats, goodbye }
    }

    fn compare(&mut self) -> Checked {
        self.see_who_was_evicted()?;
        for address in TOPICS.map(|text| Some(topic(text))).into_iter().chain([None]) {
            let history = match &address {
                Some(topic) => self.hub.history(topic, usize::MAX),
                None => self.hub.broadcast_history(usize::MAX),
            };
            let number = |id| self.chronicle.epochs.number(id).unwrap_or(0);
            let numbers: Vec<_> = history.iter().map(|entry| number(entry.id())).collect();
            prop_assert_eq!(numbers, self.chronicle.kept(&address), "history of {:?}", address);
        }

        let present = || self.clients.iter().flatten().chain(&self.others).filter(|c| !c.gone);
        let mut topics: BTreeSet<_> = self.chronicle.topics_with_history().collect();
        topics.extend(present().flat_map(|client| client.topics.topics()));
        let patterns: BTreeSet<_> = present().flat_map(|c| c.topics.patterns()).collect();
        let stats = self.hub.stats();
        prop_assert_eq!(stats.connections, present().count());
        prop_assert_eq!(stats.patterns, patterns.len());
        prop_assert_eq!(stats.topics, topics.len(), "expected {:?}", topics);
        prop_assert_eq!(stats.history, self.chronicle.kept_in_all());
        prop_assert_eq!(stats.history_bytes, self.chronicle.bytes);

        for topic in TOPICS.map(topic) {
            let mut members: Vec<_> = self.hub.presence(&topic);
            members.sort_unstable_by_key(|member| member.metadata::<u64>().copied());
            let members: Vec<_> =
                members.iter().filter_map(|m| m.metadata::<u64>().copied()).collect();
            let mut expected: Vec<_> =
                present().filter(|c| c.topics.cover(&topic)).map(|c| c.serial).collect();
            expected.sort_unstable();
            prop_assert_eq!(members, expected, "present on {}", topic);
        }
        Ok(())
    }

    fn see_who_was_evicted(&mut self) -> Checked {
        let lags = self.hub.stats().fan_out_lags > 0;
        for client in self.clients.iter_mut().flatten().chain(&mut self.others) {
            let slow = client.subscription.ending() == Some(CloseReason::TooSlow);
            if slow && !client.gone {
                client.may_be_evicted()?;
                let closed = client.subscription.connection().state() == ConnectionState::Closed;
                prop_assert!(closed || !self.settled, "evicted, but still there");
                if closed {
                    client.gone = true;
                    self.comings.push((client.serial, Some(CloseReason::TooSlow)));
                }
            }
            if self.settled && !lags {
                client.keeps_up_or_is_evicted()?;
            }
        }
        Ok(())
    }
}

fn topic(text: &str) -> Topic {
    text.parse().expect("it is right")
}
