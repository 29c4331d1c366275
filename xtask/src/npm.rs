//! Installs what an npm lock file names, when it is not there yet.

use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};

use crate::{process, tools};

/// The file that npm writes last, so an interrupted install has none.
const INSTALLED: &str = "node_modules/.package-lock.json";

/// Runs `npm ci` in a folder unless what its lock file names is installed already.
pub fn install(folder: &Path) -> Result<()> {
    let lock = folder.join("package-lock.json");
    ensure!(lock.is_file(), "{} is missing", lock.display());
    if is_fresh(modified(&folder.join(INSTALLED)), modified(&lock)) {
        return Ok(());
    }
    let npm = tools::NPM.find_or_install()?;
    println!("npm ci in {}", folder.display());
    process::run(Command::new(npm).args(["ci", "--no-audit", "--no-fund"]).current_dir(folder))
        .with_context(|| format!("cannot install the npm packages of {}", folder.display()))
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|metadata| metadata.modified()).ok()
}

fn is_fresh(installed: Option<SystemTime>, lock: Option<SystemTime>) -> bool {
    installed.is_some_and(|installed| lock.is_some_and(|lock| lock <= installed))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_install_older_than_its_lock_is_stale() {
        let before = SystemTime::UNIX_EPOCH;
        let after = before + Duration::from_secs(1);
        assert!(is_fresh(Some(after), Some(before)));
        assert!(is_fresh(Some(before), Some(before)));
        assert!(!is_fresh(Some(before), Some(after)));
        assert!(!is_fresh(None, Some(before)));
    }
}
