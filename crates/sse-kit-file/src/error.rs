//! The reasons why a store cannot be opened.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// The error of [`FileLog::open`](crate::FileLog::open).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileOpenError {
    /// The path is not a directory, or a directory with other files than those of a store. Nothing
    /// in it was changed.
    #[error("{} is not a store of sse-kit; name a directory that is empty or does not exist", path.display())]
    NotAStore {
        /// The path.
        path: PathBuf,
    },
    /// Another process has the store open.
    #[error("the store in {} is open in another process ({holder}) since at least {waited:?}", path.display())]
    Locked {
        /// The directory of the store.
        path: PathBuf,
        /// The other process, as it described itself.
        holder: String,
        /// The time that this process waited for the lock.
        waited: Duration,
    },
    /// A newer version of this crate has written the store. Nothing in it was changed.
    #[error(
        "the file {name} of the store is of another version of the format; use the version of sse-kit that wrote it"
    )]
    OtherVersion {
        /// The name of a file of the store.
        name: String,
    },
    /// A limit is too small.
    #[error("the limit `{setting}` is {value}; the minimum is {min}")]
    TooSmall {
        /// The name of the setting.
        setting: &'static str,
        /// The value of the setting.
        value: u64,
        /// The smallest accepted value.
        min: u64,
    },
    /// The operating system refused.
    #[error("the store in {} cannot be opened", path.display())]
    Io {
        /// The directory of the store.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The operating system provides no random number.
    #[error("the operating system provided no random number for an epoch")]
    Random(#[source] Box<dyn std::error::Error + Send + Sync>),
}
