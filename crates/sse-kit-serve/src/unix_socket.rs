//! The file of a Unix socket: taking over its path, and removing it at the end.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs4::{FileExt, TryLockError};
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio::time::Instant;

use crate::listen_address::ListenAddress;
use crate::listener::{BACKLOG, ListenError};

/// The maximum wait for other processes that bind sockets in the same folder.
const PATIENCE: Duration = Duration::from_secs(5);

/// Listens at a path. It replaces a socket that nothing listens on.
///
/// Between the check and listening, another process might do the same; and a socket that is bound
/// but does not listen yet looks like a stale one. So the folder is locked meanwhile.
pub(crate) async fn bind(path: &Path) -> Result<(SocketFile, UnixListener), ListenError> {
    let refused =
        |source| ListenError::Refused { address: ListenAddress::Unix(path.into()), source };
    let _locked = lock_folder(path).await.map_err(refused)?;
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(ListenError::NotASocket { path: path.into() });
        }
        Ok(_) if is_stale(path).await.map_err(refused)? => {
            fs::remove_file(path).map_err(refused)?;
        }
        Ok(_) => return Err(ListenError::InUse { path: path.into() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(refused(error)),
    }
    listen(path).map_err(refused)
}

fn listen(path: &Path) -> io::Result<(SocketFile, UnixListener)> {
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    Ok((SocketFile::at(path)?, socket.listen(BACKLOG)?))
}

/// Locks the folder of a path until the returned file is dropped.
async fn lock_folder(path: &Path) -> io::Result<File> {
    let path = std::path::absolute(path)?;
    let folder = File::open(path.parent().unwrap_or(&path))?;
    let began = Instant::now();
    loop {
        match FileExt::try_lock(&folder) {
            Ok(()) => return Ok(folder),
            Err(TryLockError::WouldBlock) if began.elapsed() > PATIENCE => {
                return Err(io::Error::other(
                    "another process keeps the folder of the socket locked",
                ));
            }
            Err(TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Returns `true` if nothing listens on a socket any more.
async fn is_stale(path: &Path) -> io::Result<bool> {
    match UnixStream::connect(path).await {
        Ok(_) => Ok(false),
        Err(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Ok(true),
            // Its accept queue is full, so a process does listen.
            io::ErrorKind::WouldBlock => Ok(false),
            _ => Err(error),
        },
    }
}

/// The file of a socket. Dropping it removes the file, unless another process has replaced it.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<Self> {
        // Make the path absolute, because the process may change its working directory.
        let path = std::path::absolute(path)?;
        let identity = identity(&fs::symlink_metadata(&path)?);
        Ok(Self { path, identity })
    }

    /// Returns `true` if the path still names this file.
    fn is_there(&self) -> io::Result<bool> {
        match fs::symlink_metadata(&self.path) {
            Ok(found) => Ok(identity(&found) == self.identity),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn remove(&self) -> io::Result<()> {
        if self.is_there()? { fs::remove_file(&self.path) } else { Ok(()) }
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the file of a socket");
        }
    }
}
