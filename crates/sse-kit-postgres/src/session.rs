//! A connection to PostgreSQL.

use std::future::poll_fn;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::{AsyncMessage, Client, Connection};

use crate::config::PostgresConfig;
use crate::error::ConnectError;

/// A connection, with the task that drives it.
pub(crate) struct Session {
    pub(crate) client: Client,
    /// Notified when the log or the outbox has changed.
    pub(crate) news: Arc<Notify>,
    driver: AbortHandle,
}

impl Session {
    /// Opens a connection whose statements may take as long as a read.
    pub(crate) async fn open(config: &PostgresConfig) -> Result<Self, ConnectError> {
        let connecting = timeout(config.connect_timeout(), Self::connect(config)).await;
        let session =
            connecting.unwrap_or_else(|elapsed| Err(ConnectError::Postgres(elapsed.into())))?;
        // The functions read what others have committed after they began. An offset that was delivered
        // before it was on the disk could be given to another event after a crash.
        let settings = format!(
            "set default_transaction_isolation = 'read committed'; set statement_timeout = {}; \
             select set_config('synchronous_commit', 'local', false) \
             where current_setting('synchronous_commit') = 'off'",
            config.read_timeout().as_millis().clamp(1, 1_000_000_000),
        );
        let set = timeout(config.read_timeout(), session.client.batch_execute(&settings)).await;
        set.map_err(|elapsed| ConnectError::Postgres(elapsed.into()))??;
        Ok(session)
    }

    async fn connect(config: &PostgresConfig) -> Result<Self, ConnectError> {
        let mut server = config.server.clone();
        server.connect_timeout(config.attempt_timeout);
        #[cfg(feature = "tls")]
        {
            let (client, connection) = server.connect(config.tls.connector()?).await?;
            Ok(Self::drive(client, connection))
        }
        #[cfg(not(feature = "tls"))]
        {
            let (client, connection) = server.connect(tokio_postgres::NoTls).await?;
            Ok(Self::drive(client, connection))
        }
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

/// Returns the text of an error with that of the server, which the error itself leaves out.
pub(crate) fn described(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string)
}
