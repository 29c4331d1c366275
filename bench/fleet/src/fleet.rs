//! The whole: Redis, hubs, generators and publishers, from the start to the end.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::control::{Order, Status};
use crate::generators::Generators;
use crate::hub_process::HubProcess;
use crate::machine::{self, Limits};
use crate::outcome::{Memories, Outcome, Phase};
use crate::plan::Plan;
use crate::publisher::Publishers;
use crate::redis_process::RedisProcess;
use crate::usage::{CpuTime, Part, Usage};

/// The time between two looks at the generators.
const TURN: Duration = Duration::from_millis(50);

/// The time between two samples of memory and CPU.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// After how long without any change a run has failed.
const STALL: Duration = Duration::from_secs(60);

/// The time without a message after which the rest is lost.
const LOST_AFTER: Duration = Duration::from_secs(20);

/// The time for which streams are left alone before their memory is read.
const IDLE: Duration = Duration::from_secs(3);

/// Runs the whole plan.
///
/// # Errors
///
/// If the machine cannot hold it, a program cannot be started or ends by itself, or nothing goes on for a minute.
/// A message that is lost is no error here: [`Outcome::check`] tells.
pub fn run(plan: &Plan) -> Result<Outcome> {
    if plan.hubs < 2 {
        bail!("{} hub: at least 2 are needed, as one is restarted at a time", plan.hubs);
    }
    let limits = Limits::read(linux::raise_open_files()?);
    for note in limits.check(plan)? {
        eprintln!("note: {note}");
    }
    let mut fleet = Fleet::start(plan, &limits)?;
    let before = fleet.memories();
    let opening = fleet.open()?;
    let idle = fleet.memories();
    let mut publishers = Publishers::start(plan, fleet.addresses());
    eprintln!("publishing for {:?}", plan.interval * plan.messages);
    let (rounds, begun) = (plan.messages, fleet.mark(&publishers)?);
    fleet.until("every message of the steady phase", Some(&publishers), |_, publishers| {
        publishers.is_some_and(|publishers| publishers.rounds() >= rounds)
    })?;
    let steady = fleet.phase(&begun, &publishers)?;
    let begun = fleet.mark(&publishers)?;
    let restarts = fleet.restart_all(&mut publishers)?;
    let restarting = fleet.phase(&begun, &publishers)?;
    let published = publishers.stop()?;
    let messages =
        u64::from(published.all) + published.groups.iter().map(|&n| u64::from(n)).sum::<u64>();
    fleet.generators.order(&Order::Published(published))?;
    fleet.settle()?;
    let losses = fleet.generators.report()?.losses;
    let received = fleet.status.received;
    let plan = plan.clone();
    Ok(Outcome {
        plan,
        opening,
        before,
        idle,
        steady,
        restarting,
        restarts,
        messages,
        received,
        losses,
    })
}

pub(crate) struct Fleet<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) hubs: Vec<HubProcess>,
    /// The address of each hub, unless it is left out.
    pub(crate) live: Vec<Option<SocketAddr>>,
    pub(crate) generators: Generators,
    pub(crate) usage: Usage,
    pub(crate) status: Status,
    sampled: Instant,
    most_lag: u64,
    /// The last, so that it ends after the hubs, which would complain.
    pub(crate) redis: RedisProcess,
}

/// The beginning of a phase.
pub(crate) struct Mark {
    begun: Instant,
    cpu: CpuTime,
    received: u64,
}

impl<'a> Fleet<'a> {
    fn start(plan: &'a Plan, limits: &Limits) -> Result<Self> {
        let redis = RedisProcess::start(&plan.redis)?;
        let mut usage = Usage::default();
        usage.add(Part::Publisher, std::process::id());
        usage.add(Part::Redis, redis.pid());
        let start = |_| HubProcess::start(plan, &redis.url());
        let hubs = (0..plan.hubs).map(start).collect::<Result<Vec<_>>>()?;
        let generators = Generators::start(plan, limits)?;
        for hub in &hubs {
            usage.add(Part::Hub, hub.pid());
        }
        for pid in generators.pids() {
            usage.add(Part::Generator, pid);
        }
        let live = hubs.iter().map(|hub| Some(hub.address())).collect();
        let (status, sampled) = (Status::default(), Instant::now());
        Ok(Self { plan, hubs, live, generators, usage, status, sampled, most_lag: 0, redis })
    }

    pub(crate) fn addresses(&self) -> Vec<Option<SocketAddr>> {
        self.live.clone()
    }

    /// Opens all streams. Returns how long it took.
    fn open(&mut self) -> Result<Duration> {
        let streams = self.plan.streams;
        eprintln!("opening {streams} streams on {} hubs", self.plan.hubs);
        let begun = Instant::now();
        self.generators.order(&Order::Hubs(self.addresses()))?;
        self.until("all streams", None, |status, _| status.open == streams)?;
        let opening = begun.elapsed();
        let idle = Instant::now();
        self.until("a moment", None, |_, _| idle.elapsed() > IDLE)?;
        self.generators.report()?;
        Ok(opening)
    }

    /// Looks after everything until the condition holds; fails if nothing changes for a minute.
    pub(crate) fn until(
        &mut self,
        what: &str,
        publishers: Option<&Publishers>,
        mut holds: impl FnMut(Status, Option<&Publishers>) -> bool,
    ) -> Result<()> {
        let mut changed = (Instant::now(), self.status);
        loop {
            self.turn(publishers)?;
            if holds(self.status, publishers) {
                return Ok(());
            }
            if (changed.1.open, changed.1.received) != (self.status.open, self.status.received) {
                changed = (Instant::now(), self.status);
            }
            if changed.0.elapsed() > STALL {
                bail!("nothing goes on, {:?}, while waiting for {what}", self.status);
            }
        }
    }

    /// Reads the news, and samples memory and CPU.
    pub(crate) fn turn(&mut self, publishers: Option<&Publishers>) -> Result<()> {
        self.status = self.generators.status(TURN)?;
        if let Some(publishers) = publishers {
            publishers.check_running()?;
        }
        if self.sampled.elapsed() >= SAMPLE_EVERY {
            self.sampled = Instant::now();
            self.usage.sample();
            for (hub, live) in self.hubs.iter_mut().zip(&self.live) {
                if live.is_some() {
                    hub.check_running()?;
                    let stats = hub.stats().context("a hub does not tell its counters")?;
                    self.most_lag = self.most_lag.max(stats["redis"]["lag"].as_u64().unwrap_or(0));
                }
            }
        }
        Ok(())
    }

    fn memories(&mut self) -> Memories {
        self.usage.sample();
        Memories {
            hubs: self.usage.memory(Part::Hub),
            generators: self.usage.memory(Part::Generator),
            slab_kib: machine::meminfo_kib("Slab").unwrap_or(0),
        }
    }

    /// Begins a phase.
    fn mark(&mut self, publishers: &Publishers) -> Result<Mark> {
        self.turn(Some(publishers))?;
        self.usage.take_peak();
        self.usage.sample();
        self.most_lag = 0;
        publishers.take();
        let (begun, cpu) = (Instant::now(), self.usage.cpu());
        Ok(Mark { begun, cpu, received: self.status.received })
    }

    /// Ends a phase.
    fn phase(&mut self, mark: &Mark, publishers: &Publishers) -> Result<Phase> {
        self.turn(Some(publishers))?;
        self.usage.sample();
        let (took, cpu) = (mark.begun.elapsed(), self.usage.cpu());
        let cores = |part| cpu.since(&mark.cpu, part) / took.as_secs_f64();
        let machine = cpu.machine.since(mark.cpu.machine);
        let per_second = |seconds: f64| seconds / took.as_secs_f64();
        let (publishing, retries) = publishers.take();
        Ok(Phase {
            took,
            received: self.status.received - mark.received,
            hubs: cores(Part::Hub),
            redis: cores(Part::Redis),
            generators: cores(Part::Generator) + cores(Part::Publisher),
            others: per_second(machine.busy - cpu.all_since(&mark.cpu)),
            stolen: per_second(machine.stolen),
            peak: self.usage.take_peak(),
            most_lag: self.most_lag,
            publishing,
            retries,
            reports: self.generators.report()?,
        })
    }

    /// Waits until every stream has every message, or nothing comes any more.
    fn settle(&mut self) -> Result<()> {
        eprintln!("waiting for the last messages");
        let mut changed = (Instant::now(), self.status.received);
        while self.status.complete < self.plan.streams && changed.0.elapsed() < LOST_AFTER {
            self.turn(None)?;
            if self.status.received != changed.1 {
                changed = (Instant::now(), self.status.received);
            }
        }
        Ok(())
    }
}
