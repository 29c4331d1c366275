//! Pages of the log, bounded in bytes.

use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Script, Value};

use crate::config::RedisConfig;
use crate::entry::{self, Entry};

/// The most records in a page.
const MAX_RECORDS: usize = 256;

/// The most bytes in a page, unless its first record alone is larger.
const MAX_BYTES: usize = 1 << 20;

/// The script that reads pages.
#[derive(Debug)]
pub(crate) struct Pages {
    script: Script,
}

/// Records, and the state of the log at that moment.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) epoch: String,
    pub(crate) last: u64,
    pub(crate) entries: Vec<Entry>,
}

/// The place where a page begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum From {
    /// After this id, of an offset and a sequence; the oldest first.
    After(u64, u64),
    /// Before this offset, the newest first.
    Before(u64),
}

impl Pages {
    pub(crate) fn new() -> Self {
        Self { script: Script::new(include_str!("page.lua")) }
    }

    /// Reads at most `limit` records, within the budget, without waiting for any.
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

/// The number of bytes that a page may have. It shrinks when a page does not arrive in time, down to
/// a single record, and grows again with every page that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    bytes: usize,
    /// How many times longer than usual a reply may take: a single record may be large too.
    pub(crate) patience: u32,
}

/// The most times longer that a reply may take.
const MAX_PATIENCE: u32 = 16;

impl Default for Budget {
    fn default() -> Self {
        Self { bytes: MAX_BYTES, patience: 1 }
    }
}

impl Budget {
    /// Takes note of a page that did not arrive in time.
    pub(crate) fn shrink(&mut self) {
        self.bytes = (self.bytes / 4).max(1);
        self.patience = (self.patience * 2).min(MAX_PATIENCE);
    }

    /// Takes note of a page that arrived in time.
    pub(crate) fn grow(&mut self) {
        self.bytes = self.bytes.saturating_mul(2).min(MAX_BYTES);
    }

    /// Ends the patience once everything was read.
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
