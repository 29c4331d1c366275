//! The connection of the reader, with its prepared statements.

use std::time::Duration;

use sse_kit_broadcast::Lineage;
use sse_kit_event::{Epoch, EventId};
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Statement};

use crate::config::PostgresConfig;
use crate::error::PostgresConnectError;
use crate::pace::LEASE;
use crate::page::{MAX_ROWS, PageError, Pages};
use crate::schema;
use crate::session::Session;
use crate::status::View;

/// The number of records, and of idempotency keys, that `sse.trim` deletes in one call.
const TRIMMED: i64 = 5000;

/// The connection of the reader.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) session: Session,
    pub(crate) pages: Pages,
    sequence: Statement,
    lineage: Statement,
    rest: Statement,
    trim: Statement,
}

impl Link {
    /// Connects, checks the schema, and listens.
    pub(crate) async fn open(config: &PostgresConfig) -> Result<Self, PostgresConnectError> {
        let opening = async {
            let session = Session::open(config).await?;
            schema::ensure(&session, config.migrate).await?;
            session.client.batch_execute("listen sse").await?;
            let sequence = "select sse.sequence($1, make_interval(secs => $2), $3, $4, $5, $6, $7)";
            let lineage = "select lineage from sse.meta where epoch = $1";
            let trim = "select sse.trim($1, make_interval(secs => $2))";
            Ok(Self {
                pages: Pages::prepare(&session).await?,
                sequence: session.client.prepare(sequence).await?,
                lineage: session.client.prepare(lineage).await?,
                rest: session.client.prepare("select sse.rest($1)").await?,
                trim: session.client.prepare(trim).await?,
                session,
            })
        };
        let opened = timeout(config.connect_timeout() + config.read_timeout(), opening).await;
        opened.unwrap_or_else(|elapsed| Err(PostgresConnectError::Postgres(elapsed.into())))
    }

    /// Moves events from the outbox to the log. Returns their number, or -1 if another node does so.
    pub(crate) async fn sequence(&self, view: &View) -> Result<i64, Error> {
        let (stay, rows) = (LEASE.as_secs_f64(), i32::try_from(MAX_ROWS).unwrap_or(i32::MAX));
        let node = &*view.node;
        let arguments: [&(dyn ToSql + Sync); 7] =
            [&node, &stay, &rows, &view.epoch, &view.seen, &view.place, &view.tag];
        self.session.client.query_one(&self.sequence, &arguments).await?.try_get(0)
    }

    /// Announces that this node no longer looks into the outbox at short intervals.
    pub(crate) async fn rest(&self, node: &str) -> Result<(), Error> {
        self.session.client.execute(&self.rest, &[&node]).await.map(drop)
    }

    /// Returns the lineage of an epoch, or `None` if another one has begun.
    pub(crate) async fn lineage(
        &self,
        epoch: Epoch,
        patience: Duration,
    ) -> Result<Option<Lineage>, PageError> {
        let epoch = epoch.to_string();
        let arguments: [&(dyn ToSql + Sync); 1] = [&epoch];
        let query = self.session.client.query_opt(&self.lineage, &arguments);
        let Some(row) = timeout(patience, query).await?? else { return Ok(None) };
        let ids: Vec<&str> = row.try_get(0)?;
        let mut lineage = Lineage::default();
        for id in ids {
            lineage = lineage.continued(id.parse::<EventId>().map_err(|_| PageError::State)?);
        }
        Ok(Some(lineage))
    }

    /// Deletes old records and idempotency keys. Returns `true` if there may be more of them, or if another
    /// session has the log.
    pub(crate) async fn trim(&self, keep: u64, keep_for: Option<Duration>) -> Result<bool, Error> {
        let keep = i64::try_from(keep).unwrap_or(i64::MAX);
        let keep_for = keep_for.map(|age| age.as_secs_f64());
        let row = self.session.client.query_one(&self.trim, &[&keep, &keep_for]).await?;
        let trimmed: i64 = row.try_get(0)?;
        Ok(!(0..TRIMMED).contains(&trimmed))
    }
}
