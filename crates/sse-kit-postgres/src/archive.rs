//! Reads old records of the log, for backfill.

use std::sync::Arc;

use sse_kit_broadcast::{Page, ReadError};
use sse_kit_event::EventId;
use tokio::sync::Mutex;

use crate::config::PostgresConfig;
use crate::error::ConnectError;
use crate::page::{PageError, Pages};
use crate::session::Session;
use crate::status::Shared;

/// The maximum distance of a read from the end of the log, in records. A hub does not backfill from
/// further back, so such reads are refused at once.
const FURTHEST: u64 = 10_000;

/// Reads old records on its own connection, which it opens on demand.
#[derive(Debug)]
pub(crate) struct Archive {
    config: PostgresConfig,
    shared: Arc<Shared>,
    link: Mutex<Option<(Session, Pages)>>,
}

impl Archive {
    pub(crate) fn new(config: PostgresConfig, shared: Arc<Shared>) -> Self {
        Self { config, shared, link: Mutex::default() }
    }

    /// Reads the records after `after`, oldest first.
    pub(crate) async fn read(&self, after: EventId, limit: usize) -> Result<Page, ReadError> {
        if !self.shared.may_hold_after(after, FURTHEST) {
            return Err(ReadError::NotKept);
        }
        // One read at a time: a hub does not have many at once, and they share the connection.
        let mut link = self.link.lock().await;
        let (session, pages) = match link.take() {
            Some(open) => open,
            None => self.open().await.map_err(|error| ReadError::Unavailable(error.into()))?,
        };
        // A read that fails, or is dropped, takes its connection with it.
        let page = pages.read(&session, after.offset(), limit, self.config.read_timeout()).await;
        let page = page.map_err(|error: PageError| ReadError::Unavailable(error.into()))?;
        *link = Some((session, pages));
        drop(link);
        if page.epoch != after.epoch() || after.offset() < page.kept_after {
            return Err(ReadError::NotKept);
        }
        // Offsets have no holes, so a missing one was deleted.
        let rows = (after.offset() + 1..).zip(page.rows);
        let rows: Vec<_> =
            rows.map_while(|(offset, row)| (row.offset == offset).then_some(row)).collect();
        let id = |offset| EventId::new(after.epoch(), offset);
        let Some(last) = rows.last() else { return Err(ReadError::NotKept) };
        let through = id(last.offset);
        // All nodes skip rows that are not records.
        let records = rows.into_iter().filter_map(|row| Some((id(row.offset), row.record.ok()?)));
        Ok(Page { records: records.collect(), through })
    }

    async fn open(&self) -> Result<(Session, Pages), ConnectError> {
        let session = Session::open(&self.config).await?;
        let pages = Pages::prepare(&session).await?;
        Ok((session, pages))
    }
}
