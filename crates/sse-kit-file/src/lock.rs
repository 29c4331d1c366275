//! The lock of a store: one process writes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use fs4::{FileExt, TryLockError};

use crate::disk::sync_directory;
use crate::error::FileOpenError;

/// The file that marks a directory as a store, and that its process holds the lock of.
pub(crate) const NAME: &str = "sse-kit.lock";

/// The directory at the root of a volume of some file systems.
const LOST_AND_FOUND: &str = "lost+found";

/// The time between two attempts to take the lock.
const PAUSE: Duration = Duration::from_millis(20);

/// The lock, until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "the file is kept for its lock")] File);

impl Lock {
    /// Creates the store if it does not exist, and waits for its lock.
    pub(crate) fn take(directory: &Path, wait: Duration) -> Result<Self, FileOpenError> {
        let failed = |source| FileOpenError::Io { path: directory.to_owned(), source };
        if !is_store(directory).map_err(failed)? {
            return Err(FileOpenError::NotAStore { path: directory.to_owned() });
        }
        let path = directory.join(NAME);
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(failed)?;
        let since = Instant::now();
        loop {
            match FileExt::try_lock(&file) {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(failed(error)),
                Err(TryLockError::WouldBlock) if since.elapsed() < wait => {
                    std::thread::sleep(PAUSE);
                }
                Err(TryLockError::WouldBlock) => {
                    let holder = fs::read_to_string(&path).unwrap_or_default();
                    let (path, holder) = (directory.to_owned(), holder.trim().to_owned());
                    return Err(FileOpenError::Locked { path, holder, waited: since.elapsed() });
                }
            }
        }
        let me = format!("process {}\n", std::process::id());
        file.set_len(0).and_then(|()| file.write_all(me.as_bytes())).map_err(failed)?;
        sync_directory(directory).map_err(failed)?;
        Ok(Self(file))
    }
}

/// Creates the directory if it does not exist. Returns `false` if it is there and no store.
fn is_store(directory: &Path) -> io::Result<bool> {
    match fs::metadata(directory) {
        Ok(found) if !found.is_dir() => return Ok(false),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(directory)?;
            // A directory whose own name is lost takes the store with it.
            match directory.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent)?,
                _ => sync_directory(Path::new("."))?,
            }
        }
        Err(error) => return Err(error),
    }
    let mut is_empty = true;
    for entry in fs::read_dir(directory)? {
        match entry?.file_name() {
            name if name == NAME => return Ok(true),
            name => is_empty &= name == LOST_AND_FOUND,
        }
    }
    Ok(is_empty)
}
