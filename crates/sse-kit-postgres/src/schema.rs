//! The schema `sse`.

use crate::error::PostgresConnectError;
use crate::session::Session;

/// The SQL that creates the schema `sse`, for a database that has none. Apply it in a transaction.
///
/// The comments in it document its tables and functions. The role that applies it owns them. A role
/// that publishes needs `usage on schema sse`; the role of a node also needs `execute on all functions
/// in schema sse` and `select on all tables in schema sse`.
pub const MIGRATION: &str = concat!(
    include_str!("../sql/tables.sql"),
    include_str!("../sql/epochs.sql"),
    include_str!("../sql/sequence.sql"),
    include_str!("../sql/publish.sql"),
    include_str!("../sql/append.sql"),
    include_str!("../sql/trim.sql"),
    include_str!("../sql/roles.sql"),
);

/// The version of the schema that this crate needs.
const VERSION: i32 = 1;

/// Checks the schema, and creates it if it is missing and `migrate` is set.
pub(crate) async fn ensure(session: &Session, migrate: bool) -> Result<(), PostgresConnectError> {
    let found = match version(session).await? {
        Some(version) => version,
        None if migrate => {
            create(session).await?;
            version(session).await?.ok_or(PostgresConnectError::NoSchema)?
        }
        None => return Err(PostgresConnectError::NoSchema),
    };
    if found == VERSION {
        Ok(())
    } else {
        Err(PostgresConnectError::OtherVersion { found, needed: VERSION })
    }
}

async fn version(session: &Session) -> Result<Option<i32>, tokio_postgres::Error> {
    let query = "select to_regprocedure('sse.version()') is not null";
    let exists: bool = session.client.query_one(query, &[]).await?.try_get(0)?;
    if !exists {
        return Ok(None);
    }
    session.client.query_one("select sse.version()", &[]).await?.try_get(0).map(Some)
}

/// Creates the schema. Of several nodes that start at the same time, one does so. After an error the
/// session is dropped, and with it the lock.
async fn create(session: &Session) -> Result<(), tokio_postgres::Error> {
    // Outside of a transaction, which would not notice what was created while it waited.
    session.client.batch_execute("select pg_advisory_lock(5511)").await?;
    if version(session).await?.is_none() {
        session.client.batch_execute(&format!("begin; {MIGRATION}; commit")).await?;
    }
    session.client.batch_execute("select pg_advisory_unlock(5511)").await
}
