//! The way back from the log.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, RedisResult, Script, Value};
use sse_kit_broadcast::{Inlet, InletError};
use sse_kit_event::{Epoch, EventId};
use tokio::time::Instant;

use crate::appender::{millis, random};
use crate::config::RedisConfig;
use crate::entry::{self, Entry};
use crate::link::connect;
use crate::monitor::Shared;

/// How many records are read at once.
const PAGE: usize = 256;

/// How long to wait before the first new connection, and at most.
const PAUSES: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(1)];

/// Reads the log, on a connection of its own as reading blocks it.
#[derive(Debug)]
pub(crate) struct Reader {
    config: RedisConfig,
    inspect: Script,
    place: Place,
}

/// What a reader has read up to.
#[derive(Clone, Debug)]
struct Place {
    at: EventId,
    /// The random text of that record, where it is known.
    once: String,
}

/// Where the log is.
#[derive(Clone, Copy, Debug)]
struct State {
    epoch: Epoch,
    /// The offset at which its epoch began.
    since: u64,
    /// The offset of its oldest record, 0 when it has none.
    first: u64,
    last: u64,
}

/// What is read before a node serves anybody.
pub(crate) struct WarmUp {
    pub(crate) begin: EventId,
    pub(crate) entries: Vec<Entry>,
    pub(crate) connection: MultiplexedConnection,
}

impl std::fmt::Debug for WarmUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WarmUp").field("begin", &self.begin).finish_non_exhaustive()
    }
}

/// Why reading has stopped.
enum Stopped {
    Failed(RedisError),
    Closed,
}

impl From<RedisError> for Stopped {
    fn from(error: RedisError) -> Self {
        Self::Failed(error)
    }
}

impl Reader {
    /// Connects, and reads the newest records.
    pub(crate) async fn warm_up(config: RedisConfig) -> RedisResult<(Self, WarmUp)> {
        let inspect = Script::new(include_str!("inspect.lua"));
        let place = Place { at: EventId::new(Epoch::new(0), 0), once: String::new() };
        let mut reader = Self { config, inspect, place };
        let mut connection = reader.connect().await?;
        let state = reader.inspect(&mut connection, "").await?;
        let from = state.first.max(1) - 1;
        let from = from.max(state.since).max(state.last.saturating_sub(reader.config.warm_up));
        let begin = EventId::new(state.epoch, from.min(state.last));
        reader.place = Place { at: begin, once: String::new() };
        let mut all = Vec::new();
        while reader.place.at.offset() < state.last {
            let page = reader.page(&mut connection).await?;
            let Some(newest) = page.last() else { break };
            reader.place.arrive(newest);
            all.extend(page);
        }
        Ok((reader, WarmUp { begin, entries: all, connection }))
    }

    /// Delivers what was read before anybody was there.
    pub(crate) fn warm(&self, begin: EventId, entries: Vec<Entry>, inlet: &Inlet, shared: &Shared) {
        for entry in entries {
            let id = EventId::new(begin.epoch(), entry.offset);
            if deliver(id, entry, inlet, shared).is_err() {
                break;
            }
        }
        shared.begin(self.place.at);
    }

    /// Reads until the broadcaster is gone.
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
                    tracing::warn!(%error, "the log cannot be read; trying again");
                    shared.down(&error);
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES[1]);
            shared.reconnects.add(1);
        }
    }

    /// Reads on one connection for as long as that goes well.
    async fn read(
        &mut self,
        connection: Option<MultiplexedConnection>,
        inlet: &Inlet,
        shared: &Shared,
        pause: &mut Duration,
    ) -> Stopped {
        let mut connection = match connection {
            Some(connection) => connection,
            None => match self.connect().await {
                Ok(connection) => connection,
                Err(error) => return error.into(),
            },
        };
        let mut looked = None::<Instant>;
        loop {
            if looked.is_none_or(|looked| looked.elapsed() >= self.config.tick) {
                if let Err(stopped) = self.look(&mut connection, inlet, shared).await {
                    return stopped;
                }
                looked = Some(Instant::now());
                shared.up();
                *pause = PAUSES[0];
            }
            match self.read_once(&mut connection, inlet, shared).await {
                Ok(true) => {}
                // Nothing came, or not what was expected.
                Ok(false) => looked = None,
                Err(stopped) => return stopped,
            }
        }
    }

    /// Waits for the next records and delivers them; false when there are none of this epoch.
    async fn read_once(
        &mut self,
        connection: &mut MultiplexedConnection,
        inlet: &Inlet,
        shared: &Shared,
    ) -> Result<bool, Stopped> {
        // The epoch is asked for after the records. As no epoch ever comes back, that it is still
        // ours says that the records are of it too.
        let mut pipe = redis::pipe();
        pipe.cmd("XREAD")
            .arg("COUNT")
            .arg(PAGE)
            .arg("BLOCK")
            .arg(millis(self.config.tick))
            .arg("STREAMS")
            .arg(self.config.stream_key())
            .arg(format!("{}-0", self.place.at.offset()));
        pipe.cmd("HMGET").arg(self.config.meta_key()).arg("epoch").arg("last");
        let (read, meta): (Value, (Option<String>, Option<u64>)) =
            pipe.query_async(connection).await?;
        let (epoch, last) = meta;
        let entries = entry::read_entries(read)?;
        if entries.is_empty() || epoch != Some(self.place.at.epoch().to_string()) {
            return Ok(false);
        }
        for entry in entries {
            self.deliver(entry, inlet, shared)?;
        }
        shared.lag.set(last.unwrap_or(0).saturating_sub(self.place.at.offset()));
        Ok(true)
    }

    /// Looks where the log is, and tells the broadcaster what was lost.
    async fn look(
        &mut self,
        connection: &mut MultiplexedConnection,
        inlet: &Inlet,
        shared: &Shared,
    ) -> Result<(), Stopped> {
        let once = self.place.once.clone();
        let mark = inlet.mark().map_err(|_| Stopped::Closed)?;
        let state = self.inspect(connection, &once).await?;
        let epoch = self.place.at.epoch();
        if state.epoch != epoch {
            let begin = EventId::new(state.epoch, state.since);
            tracing::warn!(from = %self.place.at, to = %begin, "the log was lost and begins anew");
            self.place = Place { at: begin, once: String::new() };
            shared.begin(begin);
            shared.epochs.add(1);
            heard(inlet.begin_epoch(begin))?;
        }
        // Dense offsets: what comes before the oldest record, or after the last with no record there,
        // was trimmed.
        let trimmed = if state.first == 0 { state.last } else { state.first - 1 };
        self.skip_through(trimmed, inlet, shared)?;
        if state.last == self.place.at.offset() {
            inlet.settle(mark);
        }
        shared.lag.set(state.last.saturating_sub(self.place.at.offset()));
        Ok(())
    }

    fn deliver(&mut self, entry: Entry, inlet: &Inlet, shared: &Shared) -> Result<(), Stopped> {
        self.skip_through(entry.offset.saturating_sub(1), inlet, shared)?;
        self.place.arrive(&entry);
        shared.see(self.place.at);
        shared.read.add(1);
        deliver(self.place.at, entry, inlet, shared)
    }

    /// Records up to here are gone, and those that had not been read are told as a gap.
    fn skip_through(&mut self, offset: u64, inlet: &Inlet, shared: &Shared) -> Result<(), Stopped> {
        let before = self.place.at.offset();
        if offset > before {
            tracing::warn!(
                after = before,
                through = offset,
                "records were trimmed before they were read"
            );
            shared.lost.add(offset - before);
            self.place =
                Place { at: EventId::new(self.place.at.epoch(), offset), once: String::new() };
            heard(inlet.lose_through(offset))?;
        }
        Ok(())
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        // Replies to reads that block come a tick later than others.
        connect(&self.config, self.config.tick + self.config.attempt_timeout).await
    }

    async fn inspect(
        &self,
        connection: &mut MultiplexedConnection,
        once: &str,
    ) -> RedisResult<State> {
        let wrong = |what| RedisError::from((redis::ErrorKind::UnexpectedReturnType, what));
        let random = random().map_err(|_| wrong("no random number for an epoch"))?;
        let reply: (String, u64, u64, u64) = self
            .inspect
            .key(self.config.stream_key())
            .key(self.config.meta_key())
            .arg(self.place.at.epoch().to_string())
            .arg(self.place.at.offset())
            .arg(once)
            .arg(self.config.keep_for.map_or(0, millis))
            .arg(random)
            .invoke_async(connection)
            .await?;
        let (epoch, since, first, last) = reply;
        // The one place where its spelling is known is the id.
        let begin: EventId =
            format!("{epoch}-{since}").parse().map_err(|_| wrong("the log has no epoch"))?;
        Ok(State { epoch: begin.epoch(), since, first, last })
    }

    /// The next records, without waiting.
    async fn page(&self, connection: &mut MultiplexedConnection) -> RedisResult<Vec<Entry>> {
        let mut command = redis::cmd("XRANGE");
        command.arg(self.config.stream_key()).arg(format!("{}-0", self.place.at.offset() + 1));
        command.arg("+").arg("COUNT").arg(PAGE);
        entry::entries(command.query_async(connection).await?)
    }
}

impl Place {
    fn arrive(&mut self, entry: &Entry) {
        self.at = EventId::new(self.at.epoch(), entry.offset);
        self.once.clone_from(&entry.once);
    }
}

/// Hands a record to the broadcaster. What is no record is passed over: it would be none for anybody.
fn deliver(id: EventId, entry: Entry, inlet: &Inlet, shared: &Shared) -> Result<(), Stopped> {
    match entry.record {
        Ok(record) => heard(inlet.deliver(id, record).map(drop)),
        Err(error) => {
            tracing::error!(%id, %error, "an entry of the log is no record and is passed over");
            shared.malformed.add(1);
            Ok(())
        }
    }
}

/// What does not follow is refused and logged by the broadcaster, and reading goes on behind it.
fn heard(answer: Result<(), InletError>) -> Result<(), Stopped> {
    match answer {
        Err(InletError::Closed) => Err(Stopped::Closed),
        _ => Ok(()),
    }
}
