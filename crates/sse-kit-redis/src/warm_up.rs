//! Warm-up: the records that a node reads before it serves clients.

use std::collections::VecDeque;
use std::time::Duration;

use redis::RedisResult;
use redis::aio::MultiplexedConnection;
use sse_kit_event::EventId;
use tokio::time::Instant;

use crate::entry::StreamEntry;
use crate::page::From;
use crate::reader::{Reader, State};

/// The maximum size of the records that a node reads at its start, in bytes.
const MAX_BYTES: usize = 64 << 20;

/// The maximum duration of the warm-up. On a slow link, the node starts with less history.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// The newest records of the log.
pub(crate) struct WarmUp {
    /// The position before the first of the records.
    pub(crate) begin: EventId,
    pub(crate) entries: VecDeque<StreamEntry>,
    /// The server that they come from.
    pub(crate) server: String,
    pub(crate) connection: MultiplexedConnection,
}

impl std::fmt::Debug for WarmUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WarmUp").field("begin", &self.begin).finish_non_exhaustive()
    }
}

impl WarmUp {
    /// Reads backwards from the newest record, so that it can stop at any time with what it has.
    pub(crate) async fn read(
        reader: &mut Reader,
        mut connection: MultiplexedConnection,
        state: &State,
    ) -> RedisResult<Self> {
        let deadline = Instant::now() + MAX_WAIT;
        let floor = state.since.max(state.first.max(1) - 1);
        let floor = floor.max(state.last.saturating_sub(reader.config.warm_up));
        let (mut begin, mut bytes, mut entries) = (state.last, 0, VecDeque::new());
        'pages: while begin > floor && Instant::now() < deadline {
            let limit = usize::try_from(begin - floor).unwrap_or(usize::MAX);
            let from = From::Before(begin + 1);
            let page = match reader.page(&mut connection, from, limit).await {
                Ok(page) => page,
                Err(error) if error.is_timeout() => {
                    reader.budget.shrink();
                    connection = reader.connect().await?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            reader.budget.grow();
            if page.entries.is_empty() || page.epoch != state.epoch.to_string() {
                break;
            }
            for entry in page.entries.into_iter().filter(StreamEntry::is_ours) {
                bytes += entry.bytes;
                // Stop at a hole: clients that resume from before it must get a gap.
                if entry.offset != begin || entry.offset <= floor || bytes > MAX_BYTES {
                    break 'pages;
                }
                begin = entry.offset - 1;
                entries.push_front(entry);
            }
        }
        let (begin, server) = (EventId::new(state.epoch, begin), state.server.clone());
        Ok(Self { begin, entries, server, connection })
    }
}
