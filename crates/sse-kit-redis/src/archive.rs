//! Reads old records of the log, for backfill.

use std::sync::Arc;

use parking_lot::Mutex;
use redis::RedisError;
use sse_kit_broadcast::ReadError;
use sse_kit_event::EventId;

use crate::config::RedisConfig;
use crate::entry::StreamEntry;
use crate::link::Link;
use crate::page::{Budget, From, Page, Pages};
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

    async fn page(&self, after: EventId, limit: usize) -> Result<Page, RedisError> {
        let (number, mut connection) = self.link.connection().await?;
        let (budget, from) = (*self.budget.lock(), From::After(after.offset(), 0));
        let page = self.pages.read(&mut connection, &self.config, from, limit, budget).await;
        match &page {
            Ok(_) => self.budget.lock().grow(),
            Err(error) => {
                if error.is_timeout() {
                    self.budget.lock().shrink();
                }
                self.link.discard(number).await;
            }
        }
        page
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
        let page = match self.page(after, limit).await {
            // The connection may have ended since the last read. Then a new one serves.
            Err(error) if !error.is_timeout() => self.page(after, limit).await,
            page => page,
        };
        let page = page.map_err(unavailable)?;
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
