//! The limit on open files: a connection is one.

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises this process's limit on open files as far as it may; processes that it starts inherit it. Returns the
/// limit, or `None` if there is none.
///
/// # Errors
///
/// If the kernel refuses it.
pub fn raise_open_files() -> Result<Option<u64>> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .context("cannot raise the limit on open files")?;
    Ok(maximum)
}
