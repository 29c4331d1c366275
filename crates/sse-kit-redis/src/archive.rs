//! The log as it was: what nodes do not have any more.

use redis::{RedisError, Value};
use sse_kit_broadcast::ReadError;
use sse_kit_event::EventId;

use crate::config::RedisConfig;
use crate::entry::{self, Entry};
use crate::link::Link;

/// Reads again what was read long ago, on a connection of its own: appends do not wait for it.
#[derive(Debug)]
pub(crate) struct Archive {
    config: RedisConfig,
    link: Link,
}

impl Archive {
    pub(crate) fn new(config: RedisConfig) -> Self {
        Self { link: Link::new(config.clone()), config }
    }

    /// The records after one, oldest first.
    pub(crate) async fn read(&self, after: EventId, limit: usize) -> Result<Vec<Entry>, ReadError> {
        let unavailable = |error: RedisError| ReadError::Unavailable(error.into());
        let (number, mut connection) = self.link.connection().await.map_err(unavailable)?;
        let mut pipe = redis::pipe();
        pipe.cmd("XRANGE").arg(self.config.stream_key());
        pipe.arg(format!("({}-0", after.offset())).arg("+").arg("COUNT").arg(limit);
        // After the records: that the epoch is still the same says that they are of it.
        pipe.cmd("HGET").arg(self.config.meta_key()).arg("epoch");
        let read = pipe.query_async::<(Value, Option<String>)>(&mut connection).await;
        let (records, epoch) = match read {
            Ok(read) => read,
            Err(error) => {
                self.link.discard(number).await;
                return Err(unavailable(error));
            }
        };
        let entries = entry::entries(records).map_err(unavailable)?;
        // Offsets have no holes, so one that is missing was trimmed.
        let is_whole = entries.first().is_some_and(|first| first.offset == after.offset() + 1)
            && epoch == Some(after.epoch().to_string());
        is_whole.then_some(entries).ok_or(ReadError::NotKept)
    }
}
