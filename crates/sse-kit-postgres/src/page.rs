//! Pages of the log, and the conversion of its rows to records.

use std::time::Duration;

use sse_kit_broadcast::{ConnectionSet, Record};
use sse_kit_event::{Audience, ConnectionId, EncodedEvent, Epoch, EventId, EventKey, Topic};
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use crate::session::Session;

/// The maximum number of records of a page.
pub(crate) const MAX_ROWS: usize = 500;

/// The size at which a page is full, in bytes. Its last record may exceed it.
pub(crate) const MAX_BYTES: i64 = 1 << 20;

/// Reads the state of the log and the records after an offset, in one snapshot.
const QUERY: &str = "
    with m as materialized (
      select epoch, greatest(last, (select max(o) from sse.log)) as last,
        greatest(floor, trimmed) as kept_after
      from sse.meta
    )
    select m.epoch, m.last, m.kept_after, p.tag,
      l.o, l.tag, l.topics, l.event, l.key, l.left_out, l.trace
    from m
    left join sse.log p on p.o = $1
    left join lateral (
      select * from (
        select *, sum(octet_length(event)) over (order by o) - octet_length(event) as before
        from (
          select o, tag, topics, event, key, left_out, trace
          from sse.log where o > $1 and o <= m.last order by o limit $2
        ) as next
      ) as next
      where before < $3
    ) l on true
    order by l.o";

/// The state of the log, and records.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) epoch: Epoch,
    /// The offset of the newest record.
    pub(crate) last: u64,
    /// No record up to this offset can be read in this epoch.
    pub(crate) kept_after: u64,
    /// The tag of the record at which the page begins, unless that was trimmed.
    pub(crate) tag: Option<i64>,
    pub(crate) rows: Vec<LogRow>,
}

/// A row of the log.
#[derive(Debug)]
pub(crate) struct LogRow {
    pub(crate) offset: u64,
    pub(crate) tag: i64,
    pub(crate) record: Result<Record, NoRecord>,
}

/// The reason why a row is not a record: another program has written it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the column `{0}` is invalid")]
pub(crate) struct NoRecord(&'static str);

/// The reason why a page was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PageError {
    #[error("PostgreSQL failed")]
    Postgres(#[from] tokio_postgres::Error),
    #[error("PostgreSQL did not answer in time")]
    Timeout(#[from] tokio::time::error::Elapsed),
    #[error("the state of the log is missing or invalid")]
    State,
}

/// The prepared query of pages.
#[derive(Clone, Debug)]
pub(crate) struct Pages(Statement);

impl Pages {
    pub(crate) async fn prepare(session: &Session) -> Result<Self, tokio_postgres::Error> {
        session.client.prepare(QUERY).await.map(Self)
    }

    /// Reads the records after an offset.
    pub(crate) async fn read(
        &self,
        session: &Session,
        after: u64,
        limit: usize,
        patience: Duration,
    ) -> Result<Page, PageError> {
        let after = i64::try_from(after).map_err(|_| PageError::State)?;
        let limit = i64::try_from(limit.min(MAX_ROWS)).map_err(|_| PageError::State)?;
        let arguments: [&(dyn ToSql + Sync); 3] = [&after, &limit, &MAX_BYTES];
        let query = session.client.query(&self.0, &arguments);
        let rows = timeout(patience, query).await??;
        let first = rows.first().ok_or(PageError::State)?;
        Ok(Page {
            epoch: epoch(first.try_get(0)?)?,
            last: offset(first.try_get(1)?)?,
            kept_after: offset(first.try_get(2)?)?,
            tag: first.try_get(3)?,
            rows: rows
                .iter()
                .filter_map(|row| LogRow::parse(row).transpose())
                .collect::<Result<_, _>>()?,
        })
    }
}

impl LogRow {
    /// Parses the columns from the fifth one. Returns `None` if the page has no record.
    pub(crate) fn parse(row: &Row) -> Result<Option<Self>, PageError> {
        let Some(o) = row.try_get::<_, Option<i64>>(4)? else { return Ok(None) };
        Ok(Some(Self { offset: offset(o)?, tag: row.try_get(5)?, record: record(row) }))
    }

    /// Returns the memory that the row takes, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.record.as_ref().map_or(0, |record| record.event.len())
    }
}

fn record(row: &Row) -> Result<Record, NoRecord> {
    let topics: Vec<&str> = row.try_get(6).map_err(|_| NoRecord("topics"))?;
    let event: &[u8] = row.try_get(7).map_err(|_| NoRecord("event"))?;
    let key: &[u8] = row.try_get(8).map_err(|_| NoRecord("key"))?;
    let left_out: &str = row.try_get(9).map_err(|_| NoRecord("left_out"))?;
    let audience = audience(&topics).ok_or(NoRecord("topics"))?;
    let event = EncodedEvent::parse(event).map_err(|_| NoRecord("event"))?;
    let except = connections(left_out).ok_or(NoRecord("left_out"))?;
    // An event without its trace is better than none.
    let trace: Option<&str> = row.try_get(10).unwrap_or_default();
    let trace = trace.and_then(|trace| trace.parse().ok());
    let record = Record::new(audience, event).with_key(event_key(key)?).with_except(except);
    Ok(record.with_trace(trace))
}

fn audience(topics: &[&str]) -> Option<Audience> {
    if topics.is_empty() {
        return Some(Audience::Everyone);
    }
    let topics = topics.iter().map(|topic| topic.parse()).collect::<Result<Vec<Topic>, _>>();
    Audience::several(topics.ok()?).ok()
}

fn event_key(key: &[u8]) -> Result<Option<EventKey>, NoRecord> {
    if key.is_empty() {
        return Ok(None);
    }
    let key = std::str::from_utf8(key).map_err(|_| NoRecord("key"))?;
    key.parse().map(Some).map_err(|_| NoRecord("key"))
}

/// Parses the connection ids, which are separated by spaces.
fn connections(ids: &str) -> Option<ConnectionSet> {
    let ids =
        ids.split_ascii_whitespace().map(str::parse).collect::<Result<Vec<ConnectionId>, _>>();
    ConnectionSet::new(ids.ok()?)
}

/// Parses an epoch, in the form that it has in an id.
pub(crate) fn epoch(text: &str) -> Result<Epoch, PageError> {
    let id: EventId = format!("{text}-0").parse().map_err(|_| PageError::State)?;
    Ok(id.epoch())
}

pub(crate) fn offset(number: i64) -> Result<u64, PageError> {
    u64::try_from(number).map_err(|_| PageError::State)
}
