//! A connection to PostgreSQL.

use std::future::poll_fn;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::{AsyncMessage, Client, Connection, Statement};

use crate::config::PostgresConfig;
use crate::error::{PostgresConnectError, described};
use crate::hosts::in_order;

/// A connection, with the task that drives it.
pub(crate) struct Session {
    pub(crate) client: Client,
    /// Notified when the log or the outbox has changed.
    pub(crate) news: Arc<Notify>,
    driver: AbortHandle,
}

impl Session {
    /// Opens a connection whose statements may take as long as a read.
    pub(crate) async fn open(config: &PostgresConfig) -> Result<Self, PostgresConnectError> {
        let session = Self::connect(config).await?;
        // The functions read what others have committed after they began. An offset that was delivered
        // before it was on the disk could be given to another event after a crash.
        let settings = format!(
            "set default_transaction_isolation = 'read committed'; set statement_timeout = {}; \
             select set_config('synchronous_commit', 'local', false) \
             where current_setting('synchronous_commit') = 'off'",
            config.read_timeout().as_millis().clamp(1, 1_000_000_000),
        );
        let set = timeout(config.read_timeout(), session.client.batch_execute(&settings)).await;
        set.map_err(|elapsed| PostgresConnectError::Postgres(elapsed.into()))??;
        Ok(session)
    }

    /// Prepares a statement, unless the server falls silent.
    pub(crate) async fn prepare(
        &self,
        config: &PostgresConfig,
        statement: &str,
    ) -> Result<Statement, PostgresConnectError> {
        let prepared = timeout(config.read_timeout(), self.client.prepare(statement)).await;
        Ok(prepared.map_err(|elapsed| PostgresConnectError::Postgres(elapsed.into()))??)
    }

    /// Connects to the first host that accepts writes.
    async fn connect(config: &PostgresConfig) -> Result<Self, PostgresConnectError> {
        #[cfg(feature = "tls")]
        let tls = config.tls.connector()?;
        let mut failure = PostgresConnectError::Address("the address names no host".into());
        for host in in_order(&config.hosts) {
            #[cfg(feature = "tls")]
            let connecting = host.connect(tls.clone());
            #[cfg(not(feature = "tls"))]
            let connecting = host.connect(tokio_postgres::NoTls);
            failure = match timeout(config.attempt_timeout, connecting).await {
                Ok(Ok((client, connection))) => return Ok(Self::drive(client, connection)),
                Ok(Err(error)) => error.into(),
                Err(elapsed) => PostgresConnectError::Postgres(elapsed.into()),
            };
            let (error, host) = (described(&failure), host.get_hosts());
            tracing::debug!(error, ?host, "cannot connect to a host of PostgreSQL");
        }
        Err(failure)
    }

    fn drive<S, T>(client: Client, mut connection: Connection<S, T>) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let news = Arc::new(Notify::new());
        let notified = Arc::clone(&news);
        let driver = tokio::spawn(async move {
            while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
                match message {
                    Ok(AsyncMessage::Notification(_)) => notified.notify_one(),
                    Ok(_) => {}
                    // The client reports it to its next statement.
                    Err(error) => {
                        tracing::debug!(%error, "a connection to PostgreSQL ended");
                        break;
                    }
                }
            }
            // Wakes the reader, whose next statement then fails.
            notified.notify_one();
        });
        Self { client, news, driver: driver.abort_handle() }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}
