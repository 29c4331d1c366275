//! The generators' processes, as the fleet sees them.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::control::{Answer, Assignment, Ends, Losses, Order, Report, Status};
use crate::latencies::Latencies;
use crate::machine::Limits;
use crate::plan::Plan;

/// The time that the count of the losses of all streams may take.
const REPORT: Duration = Duration::from_secs(60);

const LOOK_EVERY: Duration = Duration::from_millis(10);

/// All generators. They end when this is dropped.
#[derive(Debug)]
pub(crate) struct Generators {
    generators: Vec<Generator>,
    answers: Receiver<(usize, Option<Answer>)>,
}

#[derive(Debug)]
struct Generator {
    process: Child,
    orders: TcpStream,
    status: Status,
}

/// The measurements of all generators since the last report, and the losses since the start.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    pub(crate) all: Latencies,
    pub(crate) groups: Latencies,
    pub(crate) replayed: Latencies,
    pub(crate) away: Latencies,
    pub(crate) reopening: Latencies,
    pub(crate) ends: Ends,
    pub(crate) losses: Losses,
}

impl Generators {
    /// Starts them; they open their streams as soon as they know a hub.
    pub(crate) fn start(plan: &Plan, limits: &Limits) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (sender, answers) = mpsc::channel();
        let mut all = Self { generators: Vec::new(), answers };
        let mut first = 0;
        for (nth, streams) in plan.generators().into_iter().enumerate() {
            let mut process = spawn(plan, address)?;
            // One connects before the next is started.
            let orders = accept(&listener, &mut process)?;
            orders.set_nodelay(true)?;
            read_answers(nth, orders.try_clone()?, sender.clone());
            all.generators.push(Generator { process, orders, status: Status::default() });
            let assignment = Assignment {
                generator: u8::try_from(nth).context("too many generators")?,
                first,
                streams,
                groups: plan.groups(),
                sources: limits.sources(streams),
            };
            all.generators[nth].order(&Order::Begin(assignment))?;
            first += streams;
        }
        Ok(all)
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        self.generators.iter().map(|generator| generator.process.id()).collect()
    }

    pub(crate) fn order(&mut self, order: &Order) -> Result<()> {
        self.generators.iter_mut().try_for_each(|generator| generator.order(order))
    }

    /// Returns the statuses of all of them together, after waiting for news for a moment.
    pub(crate) fn status(&mut self, moment: Duration) -> Result<Status> {
        let mut next = self.answers.recv_timeout(moment).ok();
        while let Some((nth, answer)) = next {
            match answer {
                Some(Answer::Status(status)) => self.generators[nth].status = status,
                Some(Answer::Report(_)) => bail!("a generator reported without an order"),
                None => bail!("a generator ended by itself; its error is above"),
            }
            next = self.answers.try_recv().ok();
        }
        Ok(self.generators.iter().fold(Status::default(), |mut sum, Generator { status, .. }| {
            sum.open += status.open;
            sum.ended += status.ended;
            sum.received += status.received;
            sum.complete += status.complete;
            sum
        }))
    }

    /// Asks all of them for their reports, after which they measure afresh.
    pub(crate) fn report(&mut self) -> Result<Reports> {
        self.order(&Order::Report)?;
        let (mut reports, mut missing) = (Reports::default(), self.generators.len());
        while missing > 0 {
            match self.answers.recv_timeout(REPORT).context("a generator does not report")? {
                (_, Some(Answer::Report(report))) => {
                    reports.add(&report);
                    missing -= 1;
                }
                (nth, Some(Answer::Status(status))) => self.generators[nth].status = status,
                (_, None) => bail!("a generator ended by itself; its error is above"),
            }
        }
        Ok(reports)
    }
}

impl Reports {
    fn add(&mut self, report: &Report) {
        self.all.merge(&report.all);
        self.groups.merge(&report.groups);
        self.replayed.merge(&report.replayed);
        self.away.merge(&report.away);
        self.reopening.merge(&report.reopening);
        self.ends.add(report.ends);
        self.losses.add(report.losses);
    }
}

impl Generator {
    fn order(&mut self, order: &Order) -> Result<()> {
        let mut line = serde_json::to_string(order)?;
        line.push('\n');
        self.orders.write_all(line.as_bytes()).context("a generator has ended")
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        if let Err(error) = self.process.kill().and_then(|()| self.process.wait().map(drop)) {
            eprintln!("note: cannot end the generator {}: {error}", self.process.id());
        }
    }
}

fn spawn(plan: &Plan, fleet: SocketAddr) -> Result<Child> {
    let generator = &plan.generator;
    let mut command = Command::new(&generator.program);
    command.args(&generator.arguments).stdin(Stdio::null()).stdout(Stdio::null());
    match generator.variable {
        Some(variable) => command.env(variable, fleet.to_string()),
        None => command.arg(fleet.to_string()),
    };
    command.spawn().context("cannot start a generator")
}

/// Waits for the connection of a generator, or for its end.
fn accept(listener: &TcpListener, process: &mut Child) -> Result<TcpStream> {
    loop {
        match listener.accept() {
            Ok((orders, _)) => {
                orders.set_nonblocking(false)?;
                return Ok(orders);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error).context("a generator cannot connect"),
        }
        if let Some(status) = process.try_wait()? {
            bail!("a generator ended at once: {status}");
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Reads on a thread of its own; after the last answer comes `None`.
fn read_answers(nth: usize, fleet: TcpStream, sender: Sender<(usize, Option<Answer>)>) {
    thread::spawn(move || {
        let lines = BufReader::new(fleet).lines().map_while(Result::ok);
        for answer in lines.map_while(|line| serde_json::from_str(&line).ok()) {
            if sender.send((nth, Some(answer))).is_err() {
                return;
            }
        }
        // Nobody listens if the fleet has ended first.
        let _ = sender.send((nth, None));
    });
}
