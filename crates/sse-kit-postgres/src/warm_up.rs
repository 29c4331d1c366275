//! Warm-up: the records that a node reads before it serves clients.

use std::collections::VecDeque;

use sse_kit_broadcast::Lineage;
use sse_kit_event::{Epoch, EventId};
use tokio::time::timeout;

use crate::config::PostgresConfig;
use crate::error::PostgresConnectError;
use crate::link::Link;
use crate::page::{LogRow, MAX_ROWS, Page, PageError};
use crate::status::{Place, View};

/// The maximum size of the records that a node reads at its start, in bytes.
const MAX_BYTES: usize = 64 << 20;

/// The newest records of the log, and the connection that read them.
#[derive(Debug)]
pub(crate) struct WarmUp {
    pub(crate) link: Link,
    /// The position before the first of the records.
    pub(crate) begin: EventId,
    /// The position after the last of them.
    pub(crate) place: Place,
    pub(crate) lineage: Lineage,
    pub(crate) rows: VecDeque<LogRow>,
}

impl WarmUp {
    pub(crate) async fn read(
        config: &PostgresConfig,
        node: &str,
    ) -> Result<Self, PostgresConnectError> {
        let link = Link::open(config).await?;
        let view = View { node: node.into(), epoch: String::new(), seen: 0, place: 0, tag: 0 };
        // Creates the state of the log if there is none, and finds out what the server has lost.
        let moving = timeout(config.read_timeout(), link.sequence(&view)).await;
        moving.map_err(PageError::from)??;
        loop {
            let page = page(&link, config, 0, 0).await?;
            if let Some(lineage) = link.lineage(page.epoch, config.read_timeout()).await? {
                let mut rows = Rows::new(&page, config.warm_up);
                // The epoch and the end of the log may change meanwhile.
                if rows.read(&link, config).await? {
                    let Rows { epoch, begin, at, tag, all, .. } = rows;
                    let place = Place { at: EventId::new(epoch, at), tag };
                    let begin = EventId::new(epoch, begin);
                    return Ok(Self { link, begin, place, lineage, rows: all });
                }
            }
        }
    }
}

/// Records without a hole between them.
struct Rows {
    epoch: Epoch,
    begin: u64,
    at: u64,
    tag: Option<i64>,
    bytes: usize,
    all: VecDeque<LogRow>,
}

impl Rows {
    fn new(page: &Page, warm_up: u64) -> Self {
        let begin = page.last.saturating_sub(warm_up).max(page.kept_after);
        let (epoch, all) = (page.epoch, VecDeque::new());
        Self { epoch, begin, at: begin, tag: None, bytes: 0, all }
    }

    /// Reads up to the end of the log. Returns `false` if the epoch has changed.
    async fn read(&mut self, link: &Link, config: &PostgresConfig) -> Result<bool, PageError> {
        loop {
            let page = page(link, config, self.at, MAX_ROWS).await?;
            if page.epoch != self.epoch || page.last < self.at {
                return Ok(false);
            }
            if page.rows.is_empty() {
                // Records at the end that were deleted by hand are lost.
                self.skip_through(page.last);
                return Ok(true);
            }
            for row in page.rows {
                self.push(row);
            }
        }
    }

    fn push(&mut self, row: LogRow) {
        // Stops at a hole: clients that resume from before it must get a gap.
        self.skip_through(row.offset - 1);
        (self.at, self.tag) = (row.offset, Some(row.tag));
        self.bytes += row.bytes();
        self.all.push_back(row);
        while self.bytes > MAX_BYTES
            && let Some(oldest) = self.all.pop_front()
        {
            self.bytes -= oldest.bytes();
            self.begin = oldest.offset;
        }
    }

    fn skip_through(&mut self, offset: u64) {
        if offset > self.at {
            self.all.clear();
            (self.begin, self.at, self.tag, self.bytes) = (offset, offset, None, 0);
        }
    }
}

async fn page(
    link: &Link,
    config: &PostgresConfig,
    after: u64,
    limit: usize,
) -> Result<Page, PageError> {
    link.pages.read(&link.session, after, limit, config.read_timeout()).await
}
