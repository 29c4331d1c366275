//! Many clients on one thread and one epoll.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::{Domain, Socket, Type};

use crate::clock;
use crate::control::{Answer, Assignment, Losses, Order, Published, Report, Status};
use crate::stream::{Measured, Stream};

/// The token of orders; those below are streams.
const ORDERS: Token = Token(usize::MAX);

/// Streams that may wait for their first hello at once, in the beginning.
const OPENING_AT_ONCE: u32 = 64;

/// The time between two statuses.
const STATUS_EVERY: Duration = Duration::from_millis(200);

/// The time between two looks at the streams. A generator that waits for the next byte is woken for each, which
/// a hub pays for on a machine that both share; so every latency may have this much more.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// The wait of a client that cannot connect, as no hub has told it a time.
const UNREACHABLE: Duration = Duration::from_millis(500);

/// Opens streams as the fleet at this address orders, until it closes the connection.
///
/// # Errors
///
/// If the fleet cannot be reached, or a hub sends something that it must not.
pub fn generate(fleet: SocketAddr) -> Result<()> {
    linux::raise_open_files()?;
    let fleet = TcpStream::connect(fleet).context("cannot reach the fleet")?;
    fleet.set_nodelay(true)?;
    let poll = Poll::new()?;
    let waker = Arc::new(Waker::new(poll.registry(), ORDERS)?);
    let orders = read_orders(fleet.try_clone()?, waker);
    let Ok(Order::Begin(assignment)) = orders.recv() else { bail!("the first order is to begin") };
    Generator::new(fleet, orders, poll, assignment).run()
}

/// Reads orders on a thread of its own, so that the clients never wait for one.
fn read_orders(fleet: TcpStream, waker: Arc<Waker>) -> Receiver<Order> {
    let (sender, orders) = mpsc::channel();
    thread::spawn(move || {
        let lines = BufReader::new(fleet).lines().map_while(Result::ok);
        for order in lines.map_while(|line| serde_json::from_str(&line).ok()) {
            if sender.send(order).is_err() || waker.wake().is_err() {
                return;
            }
        }
        drop(sender);
        // If this fails, the next status shows that the fleet is gone.
        let _ = waker.wake();
    });
    orders
}

struct Generator {
    fleet: TcpStream,
    orders: Receiver<Order>,
    poll: Poll,
    assignment: Assignment,
    streams: Vec<Stream>,
    hubs: Vec<Option<SocketAddr>>,
    /// The connections to each hub.
    connections: HashMap<SocketAddr, u32>,
    /// The times at which clients come back.
    due: BinaryHeap<Reverse<(Duration, usize)>>,
    /// Streams that have been opened for the first time, or are being opened.
    begun: u32,
    /// Streams that have been greeted for the first time.
    greeted: u32,
    open: u32,
    ended: u64,
    measured: Measured,
    published: Option<Published>,
    buffer: Vec<u8>,
}

impl Generator {
    fn new(fleet: TcpStream, orders: Receiver<Order>, poll: Poll, assignment: Assignment) -> Self {
        let Assignment { first, streams, groups, .. } = assignment;
        let streams = (first..first + streams).map(|nth| Stream::new(nth % groups.max(1)));
        Self {
            fleet,
            orders,
            poll,
            streams: streams.collect(),
            assignment,
            hubs: Vec::new(),
            connections: HashMap::new(),
            due: BinaryHeap::new(),
            begun: 0,
            greeted: 0,
            open: 0,
            ended: 0,
            measured: Measured::default(),
            published: None,
            buffer: vec![0; 64 << 10],
        }
    }

    fn run(&mut self) -> Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut status_due = clock::now();
        loop {
            thread::sleep(LOOK_EVERY);
            let wait = status_due.saturating_sub(clock::now()).min(self.until_due());
            match self.poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(error.into());
                }
                _ => {}
            }
            for event in &events {
                if event.token() != ORDERS {
                    self.advance(event.token().0)?;
                }
            }
            if self.obey()?.is_none() {
                return Ok(());
            }
            self.open_streams()?;
            let now = clock::now();
            if now >= status_due {
                status_due = now + STATUS_EVERY;
                let status = self.status();
                self.answer(&Answer::Status(status))?;
            }
        }
    }

    fn until_due(&self) -> Duration {
        let next = self.due.peek().map(|Reverse((due, _))| due.saturating_sub(clock::now()));
        next.unwrap_or(STATUS_EVERY)
    }

    /// Follows all orders that have come. Returns `None` if the fleet has ended.
    fn obey(&mut self) -> Result<Option<()>> {
        loop {
            match self.orders.try_recv() {
                Ok(Order::Begin(_)) => bail!("there is one order to begin"),
                Ok(Order::Hubs(hubs)) => self.hubs = hubs,
                Ok(Order::Published(published)) => self.published = Some(published),
                Ok(Order::Report) => {
                    let report = Box::new(self.report());
                    self.answer(&Answer::Report(report))?;
                }
                Err(TryRecvError::Empty) => return Ok(Some(())),
                Err(TryRecvError::Disconnected) => return Ok(None),
            }
        }
    }

    fn advance(&mut self, place: usize) -> Result<()> {
        let Some(stream) = self.streams.get_mut(place) else { return Ok(()) };
        let was_open = stream.is_open();
        let progress = stream.advance(&mut self.buffer, &mut self.measured)?;
        if progress.greeted {
            self.open += 1;
            // Each stream is greeted for the first time once, and those that come back do not open others.
            self.greeted = (self.greeted + 1).min(self.begun);
        }
        if progress.ended {
            if was_open || progress.greeted {
                self.open -= 1;
                self.ended += 1;
            }
            self.end(place);
        }
        Ok(())
    }

    fn end(&mut self, place: usize) {
        if let Some((hub, due)) = self.streams[place].end(&mut self.measured) {
            self.connections.entry(hub).and_modify(|count| *count -= 1);
            self.due.push(Reverse((due, place)));
        }
    }

    /// Opens streams for the first time, some at once, and those whose time has come again.
    fn open_streams(&mut self) -> Result<()> {
        if self.hubs.iter().all(Option::is_none) {
            return Ok(());
        }
        while self.begun < self.assignment.streams && self.begun - self.greeted < OPENING_AT_ONCE {
            self.begun += 1;
            self.open(self.begun as usize - 1)?;
        }
        let now = clock::now();
        while let Some(&Reverse((due, place))) = self.due.peek()
            && due <= now
        {
            self.due.pop();
            self.open(place)?;
        }
        Ok(())
    }

    /// Connects to the hub with the fewest streams, as a balancer would.
    fn open(&mut self, place: usize) -> Result<()> {
        let count = |hub: &SocketAddr| self.connections.get(hub).copied().unwrap_or(0);
        let Some(hub) = self.hubs.iter().flatten().copied().min_by_key(count) else {
            return Ok(());
        };
        let Ok(socket) = connect(self.source(place), hub) else {
            // It has ended, and the fleet is about to say so.
            self.measured.ends.failed += 1;
            self.due.push(Reverse((clock::now() + UNREACHABLE, place)));
            return Ok(());
        };
        *self.connections.entry(hub).or_default() += 1;
        let socket = self.streams[place].connect(socket, hub);
        let interest = Interest::READABLE | Interest::WRITABLE;
        Ok(self.poll.registry().register(socket, Token(place), interest)?)
    }

    /// Returns an address of this machine; each generator has its own, as each has a limited number of ports.
    fn source(&self, place: usize) -> Ipv4Addr {
        let Assignment { generator, sources, .. } = self.assignment;
        let last = place % usize::from(sources.max(1)) + 1;
        Ipv4Addr::new(127, 1, generator, u8::try_from(last).unwrap_or(u8::MAX))
    }

    fn status(&self) -> Status {
        let complete = self.published.as_ref().map_or(0, |published| {
            self.streams.iter().filter(|stream| is_complete(stream, published)).count()
        });
        let complete = u32::try_from(complete).unwrap_or(u32::MAX);
        let (open, ended) = (self.open, self.ended);
        Status { open, ended, received: self.measured.received, complete }
    }

    fn report(&mut self) -> Report {
        let losses = self.losses();
        let measured = &mut self.measured;
        Report {
            all: measured.all.take(),
            groups: measured.groups.take(),
            replayed: measured.replayed.take(),
            away: measured.away.take(),
            reopening: measured.reopening.take(),
            ends: std::mem::take(&mut measured.ends),
            losses,
        }
    }

    fn losses(&self) -> Losses {
        let mut losses = Losses { gaps: self.measured.gaps, ..Losses::default() };
        for stream in &self.streams {
            let (group, of_group) = stream.of_group();
            let sent = self.published.as_ref().map_or(0, |all| sent_to(all, group));
            let all = self.published.as_ref().map_or(0, |all| all.all);
            losses.lost += stream.all().lost(all) + of_group.lost(sent);
            losses.doubled += stream.all().doubled() + of_group.doubled();
            losses.late += stream.all().late() + of_group.late();
        }
        losses
    }

    fn answer(&mut self, answer: &Answer) -> Result<()> {
        let mut line = serde_json::to_string(answer)?;
        line.push('\n');
        self.fleet.write_all(line.as_bytes()).context("the fleet has ended")
    }
}

fn is_complete(stream: &Stream, published: &Published) -> bool {
    let (group, of_group) = stream.of_group();
    stream.all().has_all_of(published.all) && of_group.has_all_of(sent_to(published, group))
}

fn sent_to(published: &Published, group: u32) -> u32 {
    published.groups.get(group as usize).copied().unwrap_or(0)
}

/// Begins to connect; whether it succeeds shows later.
fn connect(source: Ipv4Addr, hub: SocketAddr) -> io::Result<mio::net::TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    match socket.connect(&hub.into()) {
        // Two errors mean that it goes on; only one has a kind of its own.
        Err(error)
            if error.kind() != io::ErrorKind::WouldBlock
                && error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) =>
        {
            Err(error)
        }
        _ => Ok(mio::net::TcpStream::from_std(socket.into())),
    }
}
