//! The files of a folder.

use std::io;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use crate::digest::path_bytes;
use crate::progress::{Tally, reason};

/// The most files and folders that one job looks at.
const MAX_ENTRIES: usize = 1_000_000;

/// A regular file, by its path below the folder of the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundFile {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
}

/// Finds every regular file below `folder`, in the order of the bytes of their paths.
///
/// Symbolic links below the folder are not followed, so the walk neither leaves it nor goes in
/// circles; pipes, sockets and devices are passed over. All as `find -type f` has it. What cannot
/// be read is noted in `tally`, and the walk goes on.
pub(crate) fn find_files(
    folder: &Path,
    tally: &Tally,
    cancel: &CancellationToken,
) -> Result<Vec<FoundFile>, WalkError> {
    walk(folder, tally, cancel, MAX_ENTRIES)
}

fn walk(
    folder: &Path,
    tally: &Tally,
    cancel: &CancellationToken,
    max_entries: usize,
) -> Result<Vec<FoundFile>, WalkError> {
    ensure_folder(folder)?;
    let mut files = Vec::new();
    let mut entries = 0;
    // A list of our own instead of recursion: depth costs memory here, and no stack.
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        let listing = match folder.join(&below).read_dir() {
            Ok(listing) => listing,
            Err(error) if below.as_os_str().is_empty() => return Err(WalkError::Unreadable(error)),
            Err(error) => {
                tally.unreadable(&below, &error);
                continue;
            }
        };
        for entry in listing {
            if cancel.is_cancelled() {
                return Err(WalkError::Cancelled);
            }
            entries += 1;
            if entries > max_entries {
                return Err(WalkError::TooMany { max: max_entries });
            }
            match entry.and_then(|entry| Kind::of(&entry, &below)) {
                Ok(Kind::Folder(path)) => folders.push(path),
                Ok(Kind::File(file)) => {
                    tally.found(file.bytes);
                    files.push(file);
                }
                Ok(Kind::Other) => {}
                Err(error) => tally.unreadable(&below, &error),
            }
        }
    }
    // Not by `Path`'s own order, which compares segment by segment: `sort` compares bytes.
    files.sort_unstable_by(|a, b| path_bytes(&a.path).cmp(path_bytes(&b.path)));
    tally.listed();
    Ok(files)
}

fn ensure_folder(path: &Path) -> Result<(), WalkError> {
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(WalkError::NotAFolder),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(WalkError::Missing),
        Err(error) => Err(WalkError::Unreadable(error)),
    }
}

enum Kind {
    File(FoundFile),
    Folder(PathBuf),
    Other,
}

impl Kind {
    fn of(entry: &std::fs::DirEntry, below: &Path) -> io::Result<Self> {
        // Neither `file_type` nor `metadata` of an entry follows a link.
        let kind = entry.file_type()?;
        let path = below.join(entry.file_name());
        Ok(if kind.is_dir() {
            Self::Folder(path)
        } else if kind.is_file() {
            Self::File(FoundFile { path, bytes: entry.metadata()?.len() })
        } else {
            Self::Other
        })
    }
}

/// The reason why a folder was not listed. The messages are read on the page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WalkError {
    #[error("there is no such folder")]
    Missing,
    #[error("this is a file, not a folder")]
    NotAFolder,
    #[error("the folder cannot be read: {}", reason(.0))]
    Unreadable(io::Error),
    #[error("there are more than {max} files and folders in it")]
    TooMany { max: usize },
    #[error("cancelled")]
    Cancelled,
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn paths(folder: &Path) -> Vec<String> {
        let files = find_files(folder, &Tally::default(), &CancellationToken::new()).unwrap();
        files.iter().map(|file| file.path.display().to_string()).collect()
    }

    #[test]
    fn files_come_in_the_order_of_bytes() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        for path in ["a/b", "a-b", "a.b", "B", "ä"] {
            fs::write(folder.path().join(path), "").unwrap();
        }
        assert_eq!(paths(folder.path()), ["B", "a-b", "a.b", "a/b", "ä"]);
    }

    #[test]
    fn links_lead_nowhere() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "").unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        fs::write(folder.path().join("sub/file"), "").unwrap();
        symlink(outside.path(), folder.path().join("out")).unwrap();
        symlink(outside.path().join("secret"), folder.path().join("secret")).unwrap();
        symlink("..", folder.path().join("sub/loop")).unwrap();
        symlink("itself", folder.path().join("itself")).unwrap();
        assert_eq!(paths(folder.path()), ["sub/file"]);
    }

    #[test]
    fn the_folder_itself_may_be_a_link() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("real")).unwrap();
        fs::write(folder.path().join("real/file"), "").unwrap();
        symlink("real", folder.path().join("link")).unwrap();
        assert_eq!(paths(&folder.path().join("link")), ["file"]);
    }

    #[test]
    fn what_cannot_be_walked_has_its_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        fs::write(folder.path().join("other"), "").unwrap();
        let (tally, cancel) = (Tally::default(), CancellationToken::new());

        let missing = find_files(&folder.path().join("missing"), &tally, &cancel);
        assert!(matches!(missing, Err(WalkError::Missing)));
        let file = find_files(&folder.path().join("file"), &tally, &cancel);
        assert!(matches!(file, Err(WalkError::NotAFolder)));
        let many = walk(folder.path(), &tally, &cancel, 1);
        assert!(matches!(many, Err(WalkError::TooMany { max: 1 })));
        cancel.cancel();
        let cancelled = find_files(folder.path(), &tally, &cancel);
        assert!(matches!(cancelled, Err(WalkError::Cancelled)));
    }
}
