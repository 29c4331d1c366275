//! The file descriptors that a process may have.

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises this process's limit as far as it may; processes that it starts inherit it. Returns the limit.
pub(crate) fn raise() -> Result<u64> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .context("cannot raise the limit on open files")?;
    Ok(maximum.unwrap_or(u64::MAX))
}
