//! A hub, and the model of it: each action is done to both, and compared.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use sse_kit_broadcast::{CloseReason, Goodbye, Hub, SlowConsumer, Start};
use sse_kit_event::{Epoch, EventId, Topic};
use tokio::time::{Instant, sleep, sleep_until};

use crate::actions::{Action, CLIENTS, Join, Resume, Settings, TOPICS};
use crate::chronicle::{Chronicle, of_their_own};
use crate::circumstances::Circumstances;
use crate::client::{Checked, Client};
use crate::comings::{self, Comings};
use crate::costs::Costs;
use crate::epochs;
use crate::log::ModelLog;
use crate::people::People;
use crate::publishing::Publishing;

/// A unit of time. History is trimmed once a second, and other actions take their time, so ages end in the
/// middle of a unit.
const UNIT: Duration = Duration::from_secs(20);
/// The time that may pass between two units.
const LEEWAY: Duration = Duration::from_secs(8);
const CROWD_QUEUE: usize = 2;

pub(crate) struct World {
    pub(crate) hub: Hub,
    pub(crate) log: ModelLog,
    pub(crate) settings: Settings,
    pub(crate) chronicle: Chronicle,
    /// The open subscription of each client, and those that were replaced and still read.
    pub(crate) clients: [Option<Client>; CLIENTS],
    pub(crate) others: Vec<Client>,
    /// The last join of each client, and the newest event it saw.
    pub(crate) memory: HashMap<usize, (Join, EventId)>,
    /// The publishers that wait for the answer of a late log, in its order.
    pub(crate) publishing: Vec<Publishing>,
    /// The serial of the first client that came after the log's mark.
    pub(crate) marked: u64,
    pub(crate) settled: bool,
    pub(crate) goodbye: Option<Goodbye>,
    pub(crate) serials: u64,
    pub(crate) people: People,
    comings: Comings,
    heard_by_hooks: Arc<Mutex<Comings>>,
    /// The beginning of this unit of time.
    unit_began: Instant,
    /// Of those who are no longer there.
    entries_taken: u64,
    gaps_taken: u64,
}

impl World {
    pub(crate) async fn new(settings: Settings) -> Checked<Self> {
        let costs = Costs::measure().await;
        let heard_by_hooks = Arc::new(Mutex::new(Comings::new()));
        let log = ModelLog::new(Epoch::new(epochs::FIRST), settings.log);
        let hub = build(&settings, &log, &heard_by_hooks)?;
        let mut world = Self {
            people: People::watch(&hub),
            hub,
            log,
            chronicle: Chronicle::new(settings.clone(), costs),
            clients: Default::default(),
            others: Vec::new(),
            memory: HashMap::new(),
            publishing: Vec::new(),
            marked: 0,
            settled: false,
            goodbye: None,
            serials: 0,
            comings: Vec::new(),
            heard_by_hooks,
            unit_began: Instant::now(),
            entries_taken: 0,
            gaps_taken: 0,
            settings,
        };
        world.settle().await;
        for _ in 0..world.settings.crowd {
            let from = (&Resume::No, Start::Now, false);
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
            Action::Publish { topics, key, except, size } => {
                self.publish(topics, *key, except, *size)?;
            }
            Action::Burst { topic, many } => {
                for _ in 0..*many {
                    self.publish(&[*topic], None, &[], 0)?;
                }
            }
            Action::Deliver(many) => self.deliver(*many)?,
            Action::Answer { place, how } => self.answer(*place, *how)?,
            Action::Lose(many) => self.lose(*many),
            Action::Mark => self.mark(),
            Action::CatchUp => self.catch_up()?,
            Action::Delete { keep } => self.log.delete_but(*keep),
            Action::AnswerRead { succeeds } => self.answer_read(*succeeds),
            Action::SendTo { client } => self.send_to(*client)?,
            Action::Take { client, many } => self.take(*client, *many)?,
            Action::Yield(turns) => {
                for _ in 0..*turns {
                    tokio::task::yield_now().await;
                }
            }
            Action::Settle => self.settle().await,
            Action::Pass(units) => self.pass(*units).await?,
            Action::Wait(time) => self.wait(*time).await?,
            Action::Disconnect { client, goodbye } => self.disconnect(*client, *goodbye)?,
            Action::Finish { client, goodbye } => self.finish(*client, *goodbye),
            Action::BeginEpoch { lacks } => self.begin_epoch(*lacks)?,
            Action::ShutDown(goodbye) => self.shut_down(*goodbye),
        }
        self.compare()
    }

    /// The log delivers and answers all, everybody reads to the end, those who were cut off come back, and
    /// at last all leave.
    pub(crate) async fn end(mut self, shutting_down: bool) -> Checked {
        self.log_does_all()?;
        self.settle().await;
        self.compare()?;
        self.all_read().await?;
        for client in 0..CLIENTS {
            let ended = |client: &Client| client.stream.ending().is_some();
            if self.goodbye.is_none() && self.clients[client].as_ref().is_some_and(ended) {
                self.act(&Action::ComeBack { client }).await?;
            }
        }
        self.wait(UNIT / 4).await?;
        self.compare()?;
        if shutting_down {
            self.shut_down(Goodbye::ComeBack { within: Duration::from_secs(3) });
        }
        self.settle().await;
        self.compare()?;
        self.all_read().await?;

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
        prop_assert_eq!(stats.published, self.chronicle.position() - self.chronicle.unseen);
        prop_assert_eq!(stats.hook_failures, 0);
        self.settle().await;
        comings::hooks_heard_it_all(&self.heard_by_hooks.lock(), &self.comings)?;

        drop(self.hub);
        sleep(UNIT * 3).await;
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        prop_assert_eq!(tasks, 0, "tasks outlive the hub");
        self.people.have_ended()
    }

    pub(crate) fn has_come(&mut self, client: &Client) {
        self.comings.push((client.serial, None));
        self.people.came(client);
    }

    pub(crate) fn has_gone(&mut self, serial: u64, why: CloseReason) {
        self.comings.push((serial, Some(why)));
        self.people.went(serial);
    }

    #[expect(clippy::needless_pass_by_value, reason = "to drop the subscription is to leave")]
    pub(crate) fn leaves(&mut self, client: Client) {
        if !client.gone {
            let why = client.stream.ending().unwrap_or(CloseReason::ClientGone);
            self.has_gone(client.serial, why);
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

    /// Lets everybody read to the end. Of those for whom the log is read, one may wait for its turn until
    /// another one has ended.
    async fn all_read(&mut self) -> Checked {
        self.log.answer_all_reads();
        let mut rounds = 0;
        loop {
            let world = self.circumstances_of();
            let mut waits = false;
            for client in self.clients.iter_mut().flatten().chain(&mut self.others) {
                client.take(usize::MAX, &world(&self.chronicle))?;
                waits |= client.stream.is_backfilling();
            }
            if !waits {
                return Ok(());
            }
            rounds += 1;
            prop_assert!(rounds < 100, "somebody waits for the log, which has answered all");
            self.settle().await;
        }
    }

    /// Lets the tasks of the hub do all they can do: the clock moves when they are idle.
    pub(crate) async fn settle(&mut self) {
        sleep(Duration::from_millis(1)).await;
        self.settled = true;
    }

    async fn pass(&mut self, units: u32) -> Checked {
        // Those who are evicted go before the time passes, and not after it.
        self.settle().await;
        self.see_who_was_evicted()?;
        self.unit_began += UNIT * units;
        sleep_until(self.unit_began).await;
        self.chronicle.pass(units);
        self.settle().await;
        Ok(())
    }

    async fn wait(&mut self, time: Duration) -> Checked {
        self.settle().await;
        self.see_who_was_evicted()?;
        if self.unit_began.elapsed() + time < LEEWAY {
            sleep(time).await;
        }
        Ok(())
    }

    pub(crate) fn circumstances(&self) -> Circumstances<'_> {
        self.circumstances_of()(&self.chronicle)
    }

    /// For use while the clients are borrowed.
    fn circumstances_of(&self) -> impl Fn(&Chronicle) -> Circumstances<'_> + use<> {
        let (settled, goodbye) = (self.settled, self.goodbye);
        let (heartbeats, max_delay) = (self.settings.heartbeat, self.settings.max_delay);
        let (fan_out_lags, deleted) = (self.hub.stats().fan_out_lags, self.log.deleted());
        let is_narrow = self.settings.queue_bytes.is_some();
        move |chronicle| Circumstances {
            chronicle,
            settled,
            fan_out_lags,
            heartbeats,
            max_delay,
            goodbye,
            deleted,
            is_narrow,
        }
    }
}

fn build(settings: &Settings, log: &ModelLog, heard: &Arc<Mutex<Comings>>) -> Checked<Hub> {
    let (comes, goes) = (Arc::clone(heard), Arc::clone(heard));
    let mut builder = Hub::builder()
        .log(log.clone())
        .history(settings.history)
        .log_buffer(settings.log_buffer)
        .shards(settings.shards)
        .max_delay(settings.max_delay)
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
        let age = |units| UNIT * units + UNIT / 2;
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
    builder.build().map_err(|error| TestCaseError::fail(error.to_string()))
}

pub(crate) fn topic(text: &str) -> Topic {
    text.parse().expect("it is right")
}
