//! The part of the command line that is about PostgreSQL.

use std::path::PathBuf;
use std::time::Duration;

use sse_kit::postgres::PostgresConfig;

use crate::options::{first_line, seconds};

/// The log in a database, whose transactions publish.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct PostgresOptions {
    /// A PostgreSQL database that several hubs share: `postgres://USER@HOST:PORT/NAME`. Transactions in it
    /// publish too, by the function `sse.publish`. The hub creates the schema `sse` if there is none.
    ///
    /// Everybody on this machine can see a password on the command line: give it in the environment,
    /// or in a file.
    #[arg(
        long,
        value_name = "URL",
        env = "SSE_KIT_POSTGRES_URL",
        hide_env_values = true,
        conflicts_with_all = ["redis", "redis_url_file"]
    )]
    postgres: Option<String>,
    /// A file whose first line is that address.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["postgres", "redis", "redis_url_file"]
    )]
    postgres_url_file: Option<PathBuf>,
    /// Seconds that publishing may take when PostgreSQL does not answer.
    #[arg(long, value_name = "SECS", default_value_t = 3.0, value_parser = seconds)]
    postgres_deadline: f64,
    /// Seconds that the hub waits for PostgreSQL when it starts.
    #[arg(long, value_name = "SECS", default_value_t = 30.0, value_parser = seconds)]
    postgres_wait: f64,
}

impl PostgresOptions {
    /// The log, unless it is elsewhere.
    pub(crate) fn config(&self) -> anyhow::Result<Option<PostgresConfig>> {
        let Some(url) = self.url()? else { return Ok(None) };
        let config = PostgresConfig::new(&url)?
            .append_deadline(Duration::from_secs_f64(self.postgres_deadline))
            .start_deadline(Duration::from_secs_f64(self.postgres_wait));
        Ok(Some(config))
    }

    fn url(&self) -> anyhow::Result<Option<String>> {
        match &self.postgres_url_file {
            Some(file) => first_line(file, "PostgreSQL").map(Some),
            None => Ok(self.postgres.clone().filter(|url| !url.is_empty())),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::options::Options;

    #[test]
    fn the_address_comes_from_the_command_line_or_from_a_file() {
        let config = |args: &[&str]| {
            let args = ["hub"].iter().chain(args);
            Options::try_parse_from(args).map_err(anyhow::Error::from)?.postgres.config()
        };
        assert!(config(&[]).unwrap().is_none());
        assert!(config(&["--postgres", "postgres://localhost/x"]).unwrap().is_some());
        assert!(config(&["--postgres", ""]).unwrap().is_none(), "as an empty variable is none");
        let error = config(&["--postgres", "http://u:secret@localhost"]).unwrap_err();
        assert!(!format!("{error:#} {error:?}").contains("secret"));
        for other in [["--redis", "redis://localhost"], ["--store", "x"]] {
            let both = ["--postgres", "postgres://localhost/x", other[0], other[1]];
            assert!(config(&both).is_err(), "a hub has one log");
        }

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("url");
        let file = file.to_str().unwrap();
        assert!(config(&["--postgres-url-file", file]).is_err(), "there is no such file");
        std::fs::write(file, "postgres://u:secret@localhost:1/x\n").unwrap();
        assert!(config(&["--postgres-url-file", file]).unwrap().is_some());
    }
}
