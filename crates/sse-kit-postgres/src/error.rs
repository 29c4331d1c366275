//! The reasons why there is no connection to the log.

use std::error::Error;

use tokio_postgres::error::SqlState;

use crate::page::PageError;

/// The error of [`PostgresConfig::new`](crate::PostgresConfig::new) and
/// [`PostgresLog::connect`](crate::PostgresLog::connect).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresConnectError {
    /// The text is not the address of a PostgreSQL database. The message does not have the text,
    /// which may contain a password.
    #[error("not the address of a PostgreSQL database; see `PostgresConfig::new` for the forms")]
    Address(#[source] Box<dyn Error + Send + Sync>),
    /// The database has no schema `sse`, and the settings do not allow to create it.
    #[error("the database has no schema `sse`; apply `sse_kit_postgres::MIGRATION` to it")]
    NoSchema,
    /// The schema `sse` is of another version.
    #[error("the schema `sse` has version {found}, and this version of sse-kit needs {needed}")]
    OtherVersion {
        /// The version in the database.
        found: i32,
        /// The version that this crate needs.
        needed: i32,
    },
    /// PostgreSQL is unreachable, or refused.
    #[error("cannot connect to the log in PostgreSQL")]
    Postgres(#[source] Box<dyn Error + Send + Sync>),
}

impl PostgresConnectError {
    /// Returns `true` if another attempt would fail in the same way.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Postgres(error) => {
                let error = error.downcast_ref::<tokio_postgres::Error>();
                let state = error.and_then(|error| error.code());
                // Of a wrong password, a missing database, a missing privilege, and another encoding.
                let kinds = ["28", "3D", "42", "22", "P0"];
                state.is_some_and(|state| kinds.iter().any(|kind| state.code().starts_with(kind)))
            }
            Self::Address(_) | Self::NoSchema | Self::OtherVersion { .. } => true,
        }
    }
}

impl From<PageError> for PostgresConnectError {
    fn from(error: PageError) -> Self {
        match error {
            PageError::Postgres(error) => error.into(),
            error => Self::Postgres(error.into()),
        }
    }
}

impl From<tokio_postgres::Error> for PostgresConnectError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error.into())
    }
}

/// Returns the text of an error with those of its causes, which it leaves out itself.
pub(crate) fn described(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The effect of a statement that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It had none; a retry may succeed.
    Later,
    /// It had none, because the disk is full.
    Full,
    /// It had none, and a retry would fail in the same way.
    Never,
    /// Unknown: the connection failed.
    Unknown,
}

impl Refusal {
    /// Returns what an error says about its statement.
    pub(crate) fn of(error: &tokio_postgres::Error) -> Self {
        let Some(state) = error.code() else { return Self::Unknown };
        if *state == SqlState::DISK_FULL {
            return Self::Full;
        }
        match &state.code()[..2] {
            // The server or the connection ended, perhaps after the commit.
            "08" | "57" if *state != SqlState::QUERY_CANCELED => Self::Unknown,
            // A constraint, a value, or a privilege.
            "22" | "23" | "54" => Self::Never,
            "42" if *state == SqlState::INSUFFICIENT_PRIVILEGE => Self::Never,
            _ => Self::Later,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::appender::Failure;

    #[tokio::test]
    async fn an_error_is_told_with_its_causes() {
        let nowhere = "host=/no/such/folder user=postgres";
        let refused = tokio_postgres::connect(nowhere, tokio_postgres::NoTls).await;
        let error = Failure::Connect(refused.err().unwrap().into()).to_string();
        assert!(error.starts_with("cannot connect to the log in PostgreSQL: "), "{error}");
        assert!(error.contains("No such file"), "{error}");
    }
}
