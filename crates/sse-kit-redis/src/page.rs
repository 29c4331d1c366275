//! Pages of the log, bounded in bytes.

use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Script, Value};

use crate::config::RedisConfig;
use crate::entry::{self, StreamEntry};

/// The maximum number of records in a page.
const MAX_RECORDS: usize = 256;

/// The maximum size of a page in bytes, unless its first record alone is larger.
const MAX_BYTES: usize = 1 << 20;

/// The script that reads pages.
#[derive(Debug)]
pub(crate) struct Pages {
    script: Script,
}

/// A page of records, and the state of the log at that moment.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) epoch: String,
    pub(crate) last: u64,
    pub(crate) entries: Vec<StreamEntry>,
}

/// The position where a page begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum From {
    /// After this offset and sequence, oldest first.
    After(u64, u64),
    /// Before this offset, newest first.
    Before(u64),
}

impl Pages {
    pub(crate) fn new() -> Self {
        Self { script: Script::new(include_str!("page.lua")) }
    }

    /// Reads at most `limit` records within the budget, without waiting for new ones.
    pub(crate) async fn read(
        &self,
        connection: &mut MultiplexedConnection,
        config: &RedisConfig,
        from: From,
        limit: usize,
        budget: Budget,
    ) -> RedisResult<Page> {
        let (direction, id) = match from {
            From::After(offset, sequence) => ("after", format!("{offset}-{sequence}")),
            From::Before(offset) => ("before", format!("{offset}-0")),
        };
        let reply: (String, u64, Value) = self
            .script
            .key(config.stream_key())
            .key(config.meta_key())
            .arg(direction)
            .arg(id)
            .arg(limit.min(MAX_RECORDS))
            .arg(budget.bytes)
            .invoke_async(connection)
            .await?;
        let (epoch, last, entries) = reply;
        Ok(Page { epoch, last, entries: entry::entries(entries)? })
    }
}

/// The size limit of a page in bytes. It shrinks when a page is late, down to a single record, and
/// grows with every page that arrives in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    bytes: usize,
    /// The factor on the response timeout, because a single record may be large too.
    pub(crate) patience: u32,
}

/// The maximum factor on the response timeout.
const MAX_PATIENCE: u32 = 16;

impl Default for Budget {
    fn default() -> Self {
        Self { bytes: MAX_BYTES, patience: 1 }
    }
}

impl Budget {
    /// Shrinks the budget after a page that was late.
    pub(crate) fn shrink(&mut self) {
        self.bytes = (self.bytes / 4).max(1);
        self.patience = (self.patience * 2).min(MAX_PATIENCE);
    }

    /// Grows the budget after a page that arrived in time.
    pub(crate) fn grow(&mut self) {
        self.bytes = self.bytes.saturating_mul(2).min(MAX_BYTES);
    }

    /// Resets the response timeout after everything was read.
    pub(crate) fn rest(&mut self) {
        self.patience = 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_shrinks_to_one_record_and_recovers() {
        let mut budget = Budget::default();
        for _ in 0..100 {
            budget.shrink();
        }
        assert_eq!(budget, Budget { bytes: 1, patience: MAX_PATIENCE });
        for _ in 0..20 {
            budget.grow();
        }
        assert_eq!((budget.bytes, budget.patience), (MAX_BYTES, MAX_PATIENCE));
        budget.rest();
        assert_eq!(budget, Budget::default());
    }
}
