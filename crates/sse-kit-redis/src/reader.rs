//! Reads the log and delivers its records to the hub.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, RedisResult, Script, Value};
use sse_kit_broadcast::{Inlet, InletError, Mark};
use sse_kit_event::{Epoch, EventId};
use tokio::time::{Instant, sleep};

use crate::appender::{millis, random};
use crate::config::RedisConfig;
use crate::entry::{self, StreamEntry};
use crate::link::connect;
use crate::page::{Budget, From, Page, Pages};
use crate::status::Shared;
use crate::warm_up::WarmUp;

/// The first and the maximum pause before a new connection.
const PAUSES: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(500)];

/// The maximum age of a connection. A new one replaces it then, because the address may lead to
/// another server while the old one keeps running.
const MAX_CONNECTION: Duration = Duration::from_secs(5);

/// The minimum age of a connection before the appender, which found another server, may have it
/// replaced.
const SHORTEST_CONNECTION: Duration = Duration::from_millis(250);

/// The interval between checks while the server is not proven to have the end of the log.
const UNPROVEN_TICK: Duration = Duration::from_millis(50);

/// Reads the log on its own connection, because reads block.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) config: RedisConfig,
    pub(crate) budget: Budget,
    inspect: Script,
    pages: Pages,
    /// The name of this node in the log.
    node: String,
    place: Place,
    /// The number of foreign entries removed from the log before this node's first check.
    removed: Option<u64>,
}

/// The position through which the reader has read.
#[derive(Clone, Debug)]
struct Place {
    at: EventId,
    /// The random text of that record, if known.
    once: String,
    /// The sequence of the last foreign entry after that record that the reader skipped.
    sequence: u64,
}

/// The state of the log.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) epoch: Epoch,
    /// The offset at which the epoch began.
    pub(crate) since: u64,
    /// The offset of the oldest record; 0 if there is none.
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// The server that answered.
    pub(crate) server: String,
    /// `true` if that server has the end of the log.
    is_proven: bool,
    /// The number of foreign entries that all nodes have removed from the log.
    removed: u64,
}

/// A connection with its state.
struct Line {
    connection: MultiplexedConnection,
    since: Instant,
    /// `true` if the appender found another server.
    is_elsewhere: bool,
    /// The time of the next check.
    look_at: Instant,
    /// The last known end of the log.
    last: u64,
    /// The end of the log at some check, and the connections that had joined by then. When the
    /// reader has delivered up to there, they have every event that they may claim to have seen.
    goal: Option<(u64, Mark)>,
}

/// The reason why reading stopped.
enum Stopped {
    Failed(RedisError),
    Closed,
}

impl std::convert::From<RedisError> for Stopped {
    fn from(error: RedisError) -> Self {
        Self::Failed(error)
    }
}

impl Reader {
    /// Connects and reads the newest records.
    pub(crate) async fn warm_up(config: RedisConfig) -> RedisResult<(Self, WarmUp)> {
        let place = Place::new(EventId::new(Epoch::new(0), 0));
        let mut reader = Self {
            config,
            budget: Budget::default(),
            inspect: Script::new(include_str!("inspect.lua")),
            pages: Pages::new(),
            node: random().map_err(|_| unexpected("no random number for the name of a node"))?,
            place,
            removed: None,
        };
        let mut connection = reader.connect().await?;
        let state = reader.inspect(&mut connection, 0).await?;
        let warm_up = WarmUp::read(&mut reader, connection, &state).await?;
        reader.removed = Some(state.removed);
        reader.place.at = EventId::new(state.epoch, state.last);
        if let Some(newest) = warm_up.entries.back() {
            reader.place.once.clone_from(&newest.once);
        }
        Ok((reader, warm_up))
    }

    /// Delivers the records that were read before the hub existed.
    pub(crate) fn warm(
        &self,
        begin: EventId,
        entries: impl IntoIterator<Item = StreamEntry>,
        inlet: &Inlet,
        shared: &Shared,
    ) {
        for entry in entries {
            let id = EventId::new(begin.epoch(), entry.offset);
            if deliver(id, entry, inlet, shared).is_err() {
                break;
            }
        }
        shared.begin(self.place.at);
    }

    /// Reads until the hub is gone.
    pub(crate) async fn run(
        mut self,
        connection: MultiplexedConnection,
        inlet: Inlet,
        shared: Arc<Shared>,
    ) {
        let mut connection = Some(connection);
        let mut pause = PAUSES[0];
        loop {
            match self.read(connection.take(), &inlet, &shared, &mut pause).await {
                Stopped::Closed => return shared.close(),
                Stopped::Failed(error) => {
                    tracing::warn!(%error, "the log could not be read; retrying");
                    shared.down(&error);
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSES[1]);
            shared.reconnects.add(1);
        }
    }

    /// Reads until an error occurs.
    async fn read(
        &mut self,
        connection: Option<MultiplexedConnection>,
        inlet: &Inlet,
        shared: &Shared,
        pause: &mut Duration,
    ) -> Stopped {
        let connection = match connection {
            Some(connection) => connection,
            None => match self.connect().await {
                Ok(connection) => connection,
                Err(error) => return error.into(),
            },
        };
        let mut line = Line::new(connection);
        loop {
            self.renew(&mut line).await;
            if let Err(stopped) = self.step(&mut line, inlet, shared).await {
                return stopped;
            }
            if line.last <= self.place.at.offset() {
                self.budget.rest();
            }
            *pause = PAUSES[0];
        }
    }

    /// Replaces the connection if it is old, or leads to another server than the appender's.
    async fn renew(&self, line: &mut Line) {
        let age = line.since.elapsed();
        let is_old = age >= MAX_CONNECTION || (age >= SHORTEST_CONNECTION && line.is_elsewhere);
        if is_old {
            match self.connect().await {
                Ok(connection) => *line = Line::new(connection),
                // Keep using the old connection as long as it works.
                Err(error) => {
                    tracing::debug!(%error, "the reader's connection could not be renewed");
                    line.since = Instant::now();
                }
            }
        }
    }

    /// Checks the state of the log if that is due, and reads once.
    async fn step(
        &mut self,
        line: &mut Line,
        inlet: &Inlet,
        shared: &Shared,
    ) -> Result<(), Stopped> {
        if line.look_at <= Instant::now() {
            self.look(line, inlet, shared).await?;
            line.settle(self.place.at, inlet);
        }
        let has_read = if line.last > self.place.at.offset() {
            self.read_page(line, inlet, shared).await?
        } else {
            shared.up();
            tokio::select! {
                has_read = self.wait(line, inlet, shared) => has_read?,
                () = shared.elsewhere() => {
                    line.is_elsewhere = true;
                    return Ok(());
                }
            }
        };
        line.settle(self.place.at, inlet);
        if has_read {
            shared.up();
        } else {
            // No record arrived, or an unexpected one.
            line.look_at = Instant::now();
        }
        Ok(())
    }

    /// Waits for the next record and delivers it. Returns `false` if there is none of this epoch.
    async fn wait(
        &mut self,
        line: &mut Line,
        inlet: &Inlet,
        shared: &Shared,
    ) -> Result<bool, Stopped> {
        // The epoch is read after the record. No epoch is ever reused, so if it is still ours, the
        // record belongs to it too.
        let wait = line.look_at.saturating_duration_since(Instant::now());
        let mut pipe = redis::pipe();
        pipe.cmd("XREAD").arg("COUNT").arg(1).arg("BLOCK").arg(millis(wait));
        pipe.arg("STREAMS").arg(self.config.stream_key()).arg(format!(
            "{}-{}",
            self.place.at.offset(),
            self.place.sequence
        ));
        pipe.cmd("HMGET").arg(self.config.meta_key()).arg("epoch").arg("last");
        let (read, meta): (Value, (Option<String>, Option<u64>)) =
            self.in_time(pipe.query_async(&mut line.connection).await)?;
        let (epoch, last) = meta;
        let entries = entry::read_entries(read)?;
        let page = Page { epoch: epoch.unwrap_or_default(), last: last.unwrap_or(0), entries };
        if page.entries.is_empty() || page.epoch != self.place.at.epoch().to_string() {
            return Ok(false);
        }
        line.last = page.last;
        let has_read = self.take(page, inlet, shared)?;
        if !has_read {
            // The next check removes the entry. If that is refused, the pause prevents a busy loop.
            sleep(Duration::from_millis(5)).await;
        }
        Ok(has_read)
    }

    /// Reads a page and delivers it. Returns `false` if the epoch has changed.
    async fn read_page(
        &mut self,
        line: &mut Line,
        inlet: &Inlet,
        shared: &Shared,
    ) -> Result<bool, Stopped> {
        let from = From::After(self.place.at.offset(), self.place.sequence);
        let page = self.page(&mut line.connection, from, usize::MAX).await;
        let page = self.in_time(page)?;
        if page.epoch != self.place.at.epoch().to_string() {
            return Ok(false);
        }
        self.budget.grow();
        line.last = page.last;
        if page.entries.is_empty() {
            // Records that existed are gone.
            self.skip_through(page.last, inlet, shared)?;
        } else {
            self.take(page, inlet, shared)?;
        }
        Ok(true)
    }

    /// Shrinks the budget if a reply was late.
    fn in_time<T>(&mut self, reply: RedisResult<T>) -> RedisResult<T> {
        if reply.as_ref().is_err_and(RedisError::is_timeout) {
            self.budget.shrink();
        }
        reply
    }

    /// Delivers the records of a page. Returns `false` if a foreign entry must be removed first.
    fn take(&mut self, page: Page, inlet: &Inlet, shared: &Shared) -> Result<bool, Stopped> {
        let mut has_read = false;
        for entry in page.entries {
            if entry.is_ours() && entry.offset <= page.last {
                self.deliver(entry, inlet, shared)?;
                has_read = true;
            } else if entry.offset < page.last {
                tracing::error!(offset = entry.offset, "a stream entry has an invalid id");
                shared.malformed.add(1);
                self.skip_through(entry.offset, inlet, shared)?;
                self.place.sequence = entry.sequence;
                has_read = true;
            } else {
                // The next check removes and counts an entry after the last record.
                break;
            }
        }
        shared.see(EventId::new(self.place.at.epoch(), page.last));
        Ok(has_read)
    }

    /// Checks the state of the log, and reports losses to the hub.
    async fn look(
        &mut self,
        line: &mut Line,
        inlet: &Inlet,
        shared: &Shared,
    ) -> Result<(), Stopped> {
        let mark = inlet.mark().map_err(|_| Stopped::Closed)?;
        let state = self.inspect(&mut line.connection, shared.seen().offset()).await?;
        // Offsets are dense: a record before the oldest one, or before the end of an empty stream,
        // was trimmed.
        let trimmed = if state.first == 0 { state.last } else { state.first - 1 };
        shared.reads_from(&state.server, trimmed);
        let tick = if state.is_proven { self.config.tick } else { UNPROVEN_TICK };
        line.look_at = Instant::now() + tick;
        line.last = state.last;
        if state.epoch != self.place.at.epoch() {
            let begin = EventId::new(state.epoch, state.since);
            tracing::warn!(from = %self.place.at, to = %begin, "the log was lost; new epoch");
            self.place = Place::new(begin);
            shared.begin(begin);
            shared.epochs.add(1);
            line.goal = None;
            heard(inlet.begin_epoch(begin))?;
        }
        // Keep a goal until it is reached: under load, each new one would be further away.
        line.goal.get_or_insert((state.last, mark));
        self.count_removed(state.removed, shared);
        self.skip_through(trimmed, inlet, shared)?;
        shared.see(EventId::new(state.epoch, state.last));
        Ok(())
    }

    /// Counts the foreign entries that nodes removed since this node's last check.
    fn count_removed(&mut self, removed: u64, shared: &Shared) {
        let before = self.removed.replace(removed).unwrap_or(removed);
        if removed > before {
            let count = removed - before;
            tracing::error!(count, "foreign entries were removed from the log");
            shared.malformed.add(count);
        }
    }

    fn deliver(
        &mut self,
        entry: StreamEntry,
        inlet: &Inlet,
        shared: &Shared,
    ) -> Result<(), Stopped> {
        self.skip_through(entry.offset.saturating_sub(1), inlet, shared)?;
        self.place.arrive(&entry);
        shared.read_through(self.place.at);
        shared.read.add(1);
        deliver(self.place.at, entry, inlet, shared)
    }

    /// Skips trimmed records up to this offset; the hub sends a gap for those that were not read.
    fn skip_through(&mut self, offset: u64, inlet: &Inlet, shared: &Shared) -> Result<(), Stopped> {
        let before = self.place.at.offset();
        if offset > before {
            tracing::warn!(
                after = before,
                through = offset,
                "records were trimmed before they were read"
            );
            shared.lost.add(offset - before);
            self.place = Place::new(EventId::new(self.place.at.epoch(), offset));
            shared.read_through(self.place.at);
            heard(inlet.mark_lost_through(offset))?;
        }
        Ok(())
    }

    pub(crate) async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        // Replies to blocking reads take up to one tick longer than others.
        let usual = self.config.tick + self.config.attempt_timeout;
        connect(&self.config, usual.saturating_mul(self.budget.patience)).await
    }

    /// Reads a page within the budget.
    pub(crate) async fn page(
        &self,
        connection: &mut MultiplexedConnection,
        from: From,
        limit: usize,
    ) -> RedisResult<Page> {
        self.pages.read(connection, &self.config, from, limit, self.budget).await
    }

    async fn inspect(
        &self,
        connection: &mut MultiplexedConnection,
        seen: u64,
    ) -> RedisResult<State> {
        let random = random().map_err(|_| unexpected("no random number for an epoch"))?;
        let reply: (String, u64, u64, u64, String, bool, u64) = self
            .inspect
            .key(self.config.stream_key())
            .key(self.config.meta_key())
            .key(self.config.nodes_key())
            .arg(self.place.at.epoch().to_string())
            .arg(self.place.at.offset())
            .arg(&self.place.once)
            .arg(self.config.keep_for.map_or(0, millis))
            .arg(random)
            .arg(&self.node)
            .arg(seen.max(self.place.at.offset()))
            .arg(millis(self.config.roll_call))
            .invoke_async(connection)
            .await?;
        let (epoch, since, first, last, server, is_proven, removed) = reply;
        // Only the id knows how an epoch is spelled.
        let begin: EventId =
            format!("{epoch}-{since}").parse().map_err(|_| unexpected("the log has no epoch"))?;
        Ok(State { epoch: begin.epoch(), since, first, last, server, is_proven, removed })
    }
}

impl Line {
    fn new(connection: MultiplexedConnection) -> Self {
        let now = Instant::now();
        Self { connection, since: now, is_elsewhere: false, look_at: now, last: 0, goal: None }
    }

    /// Reports the goal to the hub, if it is reached.
    fn settle(&mut self, at: EventId, inlet: &Inlet) {
        if let Some((_, mark)) = self.goal.take_if(|(goal, _)| *goal <= at.offset()) {
            inlet.caught_up(mark);
        }
    }
}

impl Place {
    fn new(at: EventId) -> Self {
        Self { at, once: String::new(), sequence: 0 }
    }

    fn arrive(&mut self, entry: &StreamEntry) {
        self.at = EventId::new(self.at.epoch(), entry.offset);
        self.once.clone_from(&entry.once);
        self.sequence = 0;
    }
}

fn unexpected(what: &'static str) -> RedisError {
    (redis::ErrorKind::UnexpectedReturnType, what).into()
}

/// Delivers an entry to the hub. It skips an entry that is not a record, as all nodes do.
fn deliver(id: EventId, entry: StreamEntry, inlet: &Inlet, shared: &Shared) -> Result<(), Stopped> {
    match entry.record {
        Ok(record) => heard(inlet.deliver(id, record).map(drop)),
        Err(error) => {
            tracing::error!(%id, %error, "an entry of the stream is not a record and is skipped");
            shared.malformed.add(1);
            Ok(())
        }
    }
}

/// Stops reading only if the hub is closed. The hub rejects and logs a record that is out of order,
/// and reading continues after it.
fn heard(answer: Result<(), InletError>) -> Result<(), Stopped> {
    match answer {
        Err(InletError::Closed) => Err(Stopped::Closed),
        _ => Ok(()),
    }
}
