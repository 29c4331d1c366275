//! The part of the command line that is about Redis.

use std::path::PathBuf;
use std::time::Duration;

use sse_kit::redis::RedisConfig;

use crate::options::{first_line, seconds};

/// The log that several hubs share.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RedisOptions {
    /// A Redis server that several hubs share: `redis://HOST:PORT`, or `rediss://` with TLS. Events
    /// published on one of them are delivered by all, in the same order. Behind sentinels it is
    /// `redis+sentinel://HOST:PORT,HOST:PORT/NAME`, in a cluster `redis+cluster://HOST:PORT,HOST:PORT`.
    ///
    /// Everybody on this machine can see a password on the command line: give it in the environment,
    /// or in a file.
    #[arg(long, value_name = "URL", env = "SSE_KIT_REDIS_URL", hide_env_values = true)]
    redis: Option<String>,
    /// A file whose first line is that address.
    #[arg(long, value_name = "FILE", conflicts_with = "redis")]
    redis_url_file: Option<PathBuf>,
    /// Seconds that publishing may take when Redis does not answer.
    #[arg(long, value_name = "SECS", default_value_t = 3.0, value_parser = seconds)]
    redis_deadline: f64,
    /// Seconds that the hub waits for Redis when it starts.
    #[arg(long, value_name = "SECS", default_value_t = 30.0, value_parser = seconds)]
    redis_wait: f64,
}

impl RedisOptions {
    /// Returns the settings of the log, unless it is in memory.
    pub(crate) fn config(&self) -> anyhow::Result<Option<RedisConfig>> {
        /// The time in which a publisher may publish again under the same idempotency key.
        const WINDOW: Duration = Duration::from_secs(120);

        let Some(url) = self.url()? else { return Ok(None) };
        let deadline = Duration::from_secs_f64(self.redis_deadline);
        let config = RedisConfig::new(&url)?
            .append_deadline(deadline)
            .idempotency(WINDOW.max(deadline * 2))
            .start_deadline(Duration::from_secs_f64(self.redis_wait));
        Ok(Some(config))
    }

    fn url(&self) -> anyhow::Result<Option<String>> {
        match &self.redis_url_file {
            Some(file) => first_line(file, "Redis").map(Some),
            None => Ok(self.redis.clone().filter(|url| !url.is_empty())),
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
            Options::try_parse_from(args).map_err(anyhow::Error::from)?.redis.config()
        };
        assert!(config(&[]).unwrap().is_none());
        assert!(config(&["--redis", "redis://localhost"]).unwrap().is_some());
        assert!(config(&["--redis", ""]).unwrap().is_none(), "as an empty variable is none");
        assert!(config(&["--redis", "http://localhost"]).is_err());

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("url");
        let file = file.to_str().unwrap();
        assert!(config(&["--redis-url-file", file]).is_err(), "there is no such file");
        std::fs::write(file, "redis+sentinel://u:secret@localhost:1,localhost:2/main\n").unwrap();
        assert!(config(&["--redis-url-file", file]).unwrap().is_some());
        assert!(config(&["--redis-url-file", file, "--redis", "redis://localhost"]).is_err());
        std::fs::write(file, "\nredis://localhost").unwrap();
        assert!(config(&["--redis-url-file", file]).is_err(), "the first line is empty");
    }
}
