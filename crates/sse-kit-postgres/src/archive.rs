//! Reads old records of the log, for backfill.

use std::sync::Arc;

use sse_kit_broadcast::{LogPage, ReadError};
use sse_kit_event::{EventId, Topic, TopicPattern, Topics};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;

use crate::config::PostgresConfig;
use crate::error::PostgresConnectError;
use crate::page::{self, LogRow, MAX_BYTES, MAX_ROWS, PageError};
use crate::session::Session;
use crate::status::Shared;

/// The maximum distance of a backfill, in records of all topics. Passing over so many takes some 100 ms
/// if they are small.
pub(crate) const FURTHEST: u64 = 100_000;

/// The maximum number of records that one read passes over.
const SPAN: i64 = 20_000;

/// Reads the records after an offset that are for some topics: those in `$4`, and those that begin with
/// one of `$5`. Records for everybody have no topics. All are wanted if both are null.
const QUERY: &str = "
    with state as materialized (
      select epoch, kept_after, through,
        (select count(*) from sse.log where o > $1 and o <= through) = through - $1 as is_dense
      from (
        select epoch, greatest(floor, trimmed) as kept_after,
          least(greatest(last, (select max(o) from sse.log)), $1::bigint + $6::bigint) as through
        from sse.meta
      ) as m
    )
    select m.epoch, m.through, m.kept_after, m.is_dense,
      l.o, l.tag, l.topics, l.event, l.key, l.left_out, l.trace, l.before + octet_length(l.event) >= $3
    from state m
    left join lateral (
      select * from (
        select *, sum(octet_length(event)) over (order by o) - octet_length(event) as before
        from (
          select o, tag, topics, event, key, left_out, trace
          from sse.log where o > $1 and o <= m.through and (
            $4::text[] is null or topics && $4 or topics = '{}' or $5::text[] <> '{}' and
            exists (select from unnest(topics) as topic where topic ^@ any ($5::text[])))
          order by o limit $2
        ) as next
      ) as next
      where before < $3
    ) l on true
    order by l.o";

/// Reads old records on its own connection, which it opens on demand.
#[derive(Debug)]
pub(crate) struct Archive {
    config: PostgresConfig,
    shared: Arc<Shared>,
    link: Mutex<Option<Link>>,
}

#[derive(Debug)]
struct Link {
    session: Session,
    query: Statement,
}

impl Archive {
    pub(crate) fn new(config: PostgresConfig, shared: Arc<Shared>) -> Self {
        Self { config, shared, link: Mutex::default() }
    }

    /// Reads the records after `after`, oldest first: all, or those for some topics.
    pub(crate) async fn read(
        &self,
        after: EventId,
        topics: Option<&Topics>,
        limit: usize,
    ) -> Result<LogPage, ReadError> {
        if !self.shared.may_hold_after(after, FURTHEST) {
            return Err(ReadError::NotKept);
        }
        // One read at a time: a hub does not have many at once, and they share the connection.
        let mut link = self.link.lock().await;
        if let Some(open) = link.take() {
            // The connection may have ended since the last read. Then a new one serves.
            if let Ok(page) = self.attempt(open, &mut link, after, topics, limit).await {
                return page.ok_or(ReadError::NotKept);
            }
        }
        let unavailable = |error: PostgresConnectError| ReadError::Unavailable(error.into());
        let open = Link::open(&self.config).await.map_err(unavailable)?;
        let page = self.attempt(open, &mut link, after, topics, limit).await;
        page.map_err(|error| ReadError::Unavailable(error.into()))?.ok_or(ReadError::NotKept)
    }

    /// Reads on a connection, and keeps it. A read that fails, or is dropped, takes it along.
    async fn attempt(
        &self,
        open: Link,
        keep: &mut Option<Link>,
        after: EventId,
        topics: Option<&Topics>,
        limit: usize,
    ) -> Result<Option<LogPage>, PageError> {
        let reading = timeout(self.config.read_timeout(), open.read(after, topics, limit));
        let page = reading.await.unwrap_or_else(|elapsed| Err(elapsed.into()))?;
        *keep = Some(open);
        Ok(page)
    }
}

impl Link {
    async fn open(config: &PostgresConfig) -> Result<Self, PostgresConnectError> {
        let session = Session::open(config).await?;
        let query = session.prepare(config, QUERY).await?;
        Ok(Self { session, query })
    }

    /// Returns `None` if the log does not have all records after `after`.
    async fn read(
        &self,
        after: EventId,
        topics: Option<&Topics>,
        limit: usize,
    ) -> Result<Option<LogPage>, PageError> {
        let names = topics.map(|topics| topics.topics().iter().map(Topic::as_str));
        let names = names.map(Iterator::collect::<Vec<_>>);
        // A pattern matches only what begins like it; the hub sorts out the rest.
        let prefixes =
            topics.map(|topics| topics.patterns().iter().map(TopicPattern::literal_prefix));
        let prefixes = prefixes.map(Iterator::collect::<Vec<_>>);
        let Ok(from) = i64::try_from(after.offset()) else { return Ok(None) };
        let limit = limit.clamp(1, MAX_ROWS);
        let rows = i64::try_from(limit).map_err(|_| PageError::State)?;
        let arguments: [&(dyn ToSql + Sync); 6] =
            [&from, &rows, &MAX_BYTES, &names, &prefixes, &SPAN];
        let rows = self.session.client.query(&self.query, &arguments).await?;
        let first = rows.first().ok_or(PageError::State)?;
        let through: i64 = first.try_get(1)?;
        let (kept_after, is_dense): (i64, bool) = (first.try_get(2)?, first.try_get(3)?);
        // Offsets have no holes, so a missing one was deleted.
        let is_kept = page::epoch(first.try_get(0)?)? == after.epoch() && from >= kept_after;
        if !is_kept || !is_dense || through <= from {
            return Ok(None);
        }
        let found = rows.iter().filter_map(|row| LogRow::parse(row).transpose());
        let found = found.collect::<Result<Vec<_>, _>>()?;
        let is_full = match rows.last() {
            Some(last) => {
                found.len() >= limit || last.try_get::<_, Option<bool>>(11)? == Some(true)
            }
            None => false,
        };
        let id = |offset| EventId::new(after.epoch(), offset);
        let through = match found.last() {
            Some(last) if is_full => id(last.offset),
            _ => id(page::offset(through)?),
        };
        // All nodes skip rows that are not records.
        let records = found.into_iter().filter_map(|row| Some((id(row.offset), row.record.ok()?)));
        Ok(Some(LogPage::new(records.collect(), through)))
    }
}
