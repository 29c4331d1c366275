//! Reads old records of the log, for backfill.

use std::sync::Arc;

use parking_lot::Mutex;
use redis::RedisError;
use sse_kit_broadcast::ReadError;
use sse_kit_event::EventId;

use crate::config::RedisConfig;
use crate::entry::StreamEntry;
use crate::link::Link;
use crate::page::{Budget, From, Pages};
use crate::status::Shared;

/// The maximum distance of a read from the end of the log, in records. Redis reads the records of all
/// topics, so a hub does not backfill from further back, and such reads are refused at once.
pub(crate) const FURTHEST: u64 = 10_000;

/// Reads old records on its own connection, so that appends do not wait for it.
#[derive(Debug)]
pub(crate) struct Archive {
    config: RedisConfig,
    link: Link,
    pages: Pages,
    budget: Mutex<Budget>,
    shared: Arc<Shared>,
}

impl Archive {
    pub(crate) fn new(config: RedisConfig, shared: Arc<Shared>) -> Self {
        Self {
            link: Link::new(config.clone()),
            config,
            pages: Pages::new(),
            budget: Mutex::default(),
            shared,
        }
    }

    /// Reads the records after `after`, oldest first.
    pub(crate) async fn read(
        &self,
        after: EventId,
        limit: usize,
    ) -> Result<Vec<StreamEntry>, ReadError> {
        let unavailable = |error: RedisError| ReadError::Unavailable(error.into());
        if !self.shared.may_hold_after(after, FURTHEST) {
            return Err(ReadError::NotKept);
        }
        let (number, mut connection) = self.link.connection().await.map_err(unavailable)?;
        let (budget, from) = (*self.budget.lock(), From::After(after.offset(), 0));
        let read = self.pages.read(&mut connection, &self.config, from, limit, budget).await;
        let page = match read {
            Ok(page) => page,
            Err(error) => {
                if error.is_timeout() {
                    self.budget.lock().shrink();
                }
                self.link.discard(number).await;
                return Err(unavailable(error));
            }
        };
        self.budget.lock().grow();
        if page.epoch != after.epoch().to_string() {
            return Err(ReadError::NotKept);
        }
        // Offsets have no holes, so a missing one was trimmed.
        let ours =
            page.entries.into_iter().filter(|entry| entry.is_ours() && entry.offset <= page.last);
        let entries: Vec<_> = (after.offset() + 1..)
            .zip(ours)
            .map_while(|(offset, entry)| (entry.offset == offset).then_some(entry))
            .collect();
        if entries.is_empty() { Err(ReadError::NotKept) } else { Ok(entries) }
    }
}
