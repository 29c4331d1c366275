//! Classifies a server's error for the append that it answers.

use redis::{ErrorKind, RedisError};

/// The meaning of a server error for an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Redis has no room. Nothing was written.
    Full,
    /// This server accepts no writes at the moment. Nothing was written, and the append may succeed
    /// later or on another server.
    Later,
    /// The append itself is refused. Nothing was written, and a retry would not help.
    Never,
    /// The script started, and it is unknown whether it wrote.
    Unknown,
}

/// The codes of a server that accepts no writes now: it is a replica, is loading, has lost its
/// replicas or its disk, or does not have the slot. `FOREIGN`, `UNPROVEN` and `WRONGTYPE` are
/// states that the reader of a node repairs.
const LATER: [&str; 13] = [
    "ASK",
    "BUSY",
    "CLUSTERDOWN",
    "FOREIGN",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "MOVED",
    "NOREPLICAS",
    "READONLY",
    "TRYAGAIN",
    "UNPROVEN",
    "WRONGTYPE",
];

/// The codes that Redis returns before it runs the script, or that the script returns when it has
/// written nothing.
const NEVER: [&str; 7] =
    ["CROSSSLOT", "DENIED", "NOAUTH", "NOPERM", "NOSCRIPT", "REFUSED", "WRONGPASS"];

impl Refusal {
    /// Classifies an error; `None` if it does not come from the server.
    ///
    /// Redis 6.2 wraps the error of a command inside a script (`ERR Error running script (…):
    /// @user_script:…: -READONLY …`), and newer versions add text of their own. So this searches
    /// the whole message for codes.
    pub(crate) fn from_error(error: &RedisError) -> Option<Self> {
        let code = error.code()?;
        let text = format!("{code} {}", error.detail().unwrap_or_default());
        let said = |codes: &[&str]| words(&text).any(|word| codes.contains(&word));
        Some(if said(&["OOM"]) {
            Self::Full
        } else if said(&LATER) {
            Self::Later
        } else if said(&NEVER) || matches!(error.kind(), ErrorKind::AuthenticationFailed) {
            Self::Never
        } else {
            Self::Unknown
        })
    }
}

/// Returns the words of a message that may be codes.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error as the client makes it from the line that a server sends.
    fn error(line: &str) -> RedisError {
        let reply = redis::parse_redis_value(format!("-{line}\r\n").as_bytes());
        reply.and_then(redis::Value::extract_error).expect_err("it is an error")
    }

    #[test]
    fn codes_are_found_wherever_a_version_puts_them() {
        let wraps = [
            |said: &str| said.to_owned(),
            // Redis 6.2, where a command in a script fails.
            |said: &str| {
                format!(
                    "ERR Error running script (call to f_0b1c): @user_script:52: \
                     @user_script: 52: -{said}"
                )
            },
            // Redis 7.
            |said: &str| format!("{said} script: 0b1c, on @user_script:52."),
            // The script itself.
            |said: &str| format!("REFUSED {said}"),
            |said: &str| format!("REFUSED -{said}"),
            |said: &str| format!("ERR REFUSED @user_script: 27: -{said}"),
        ];
        let said = [
            ("READONLY You can't write against a read only replica.", Refusal::Later),
            ("OOM command not allowed when used memory > 'maxmemory'.", Refusal::Full),
            ("MISCONF Redis is configured to save RDB snapshots, but", Refusal::Later),
            ("NOREPLICAS Not enough good replicas to write.", Refusal::Later),
            ("LOADING Redis is loading the dataset in memory", Refusal::Later),
            ("MOVED 3999 127.0.0.1:6381", Refusal::Later),
            ("ASK 3999 127.0.0.1:6381", Refusal::Later),
            ("CLUSTERDOWN Hash slot not served", Refusal::Later),
            ("CLUSTERDOWN The cluster is down", Refusal::Later),
            ("TRYAGAIN Multiple keys request during rehashing of slot", Refusal::Later),
            ("MASTERDOWN Link with MASTER is down", Refusal::Later),
            ("BUSY Redis is busy running a script.", Refusal::Later),
            ("NOPERM this user has no permissions to run the 'xadd' command", Refusal::Never),
        ];
        for (said, refusal) in said {
            for wrap in wraps {
                let line = wrap(said);
                assert_eq!(Refusal::from_error(&error(&line)), Some(refusal), "{line}");
            }
        }
    }

    #[test]
    fn what_is_not_known_may_have_been_written() {
        for line in [
            "ERR Error running script (call to f_0b1c): @user_script:9: out of memory",
            "ERR value is not an integer or out of range",
            "NEWCODE of a later version",
            "UNKILLABLE Sorry the script already executed write commands",
        ] {
            assert_eq!(Refusal::from_error(&error(line)), Some(Refusal::Unknown), "{line}");
        }
        let broken = RedisError::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert_eq!(Refusal::from_error(&broken), None);
    }
}
