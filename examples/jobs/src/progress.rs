//! The progress of a job: written by the threads that do its work, read when a page is updated.

use std::path::Path;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// The number of unreadable files that are named; further ones are only counted.
const NAMED_ERRORS: usize = 20;

/// The progress of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The work to do; grows until the folder is [listed](Progress::listed).
    pub(crate) found: Size,
    pub(crate) listed: bool,
    /// The work that has been done, unreadable files included.
    pub(crate) done: Size,
    /// The file that was begun last.
    pub(crate) current: String,
    pub(crate) errors: Errors,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Size {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

/// Files and folders that could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Errors {
    pub(crate) total: u64,
    /// The first of them.
    pub(crate) named: Vec<Unreadable>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unreadable {
    pub(crate) path: String,
    pub(crate) reason: String,
}

impl Progress {
    /// Returns the progress between 0 and 1000, by bytes; `None` while the amount of work is
    /// unknown.
    pub(crate) fn permille(&self) -> Option<u64> {
        let (done, all) = match self.found.bytes {
            _ if !self.listed => return None,
            0 => (self.done.files, self.found.files),
            bytes => (self.done.bytes, bytes),
        };
        let permille = (u128::from(done) * 1000).checked_div(u128::from(all)).unwrap_or(1000);
        u64::try_from(permille).ok()
    }
}

impl Errors {
    /// Returns the number of unreadable files beyond those that are named.
    pub(crate) fn unnamed(&self) -> u64 {
        self.total - self.named.len() as u64
    }
}

/// The progress of one job, shared by the threads that work on it.
///
/// One short lock a block of a file: that is nothing beside hashing the block.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Progress>);

impl Tally {
    pub(crate) fn progress(&self) -> Progress {
        self.0.lock().clone()
    }

    pub(crate) fn found(&self, bytes: u64) {
        let found = &mut self.0.lock().found;
        found.files += 1;
        found.bytes += bytes;
    }

    pub(crate) fn listed(&self) {
        self.0.lock().listed = true;
    }

    pub(crate) fn begun(&self, path: &Path) {
        self.0.lock().current = path.display().to_string();
    }

    pub(crate) fn read(&self, bytes: u64) {
        self.0.lock().done.bytes += bytes;
    }

    /// Counts a file that has ended, of which `bytes` have not been counted yet.
    pub(crate) fn ended(&self, bytes: u64) {
        let done = &mut self.0.lock().done;
        done.files += 1;
        done.bytes += bytes;
    }

    pub(crate) fn unreadable(&self, path: &Path, error: &std::io::Error) {
        let errors = &mut self.0.lock().errors;
        errors.total += 1;
        if errors.named.len() < NAMED_ERRORS {
            let path = path.display().to_string();
            errors.named.push(Unreadable { path, reason: reason(error) });
        }
    }
}

/// Describes the failure, without the number that `io::Error` adds.
pub(crate) fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((reason, _)) => reason.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_goes_by_bytes_and_by_files_where_all_are_empty() {
        let tally = Tally::default();
        assert_eq!(tally.progress().permille(), None);
        tally.found(0);
        tally.found(0);
        tally.listed();
        tally.ended(0);
        assert_eq!(tally.progress().permille(), Some(500));
        tally.found(u64::MAX / 2);
        tally.read(u64::MAX / 4);
        assert_eq!(tally.progress().permille(), Some(499));
    }

    #[test]
    fn an_empty_folder_is_done_at_once() {
        let tally = Tally::default();
        tally.listed();
        assert_eq!(tally.progress().permille(), Some(1000));
    }

    #[test]
    fn only_the_first_errors_are_named() {
        let tally = Tally::default();
        for n in 0..100 {
            let error = std::io::Error::from_raw_os_error(13);
            tally.unreadable(Path::new(&n.to_string()), &error);
        }
        let errors = tally.progress().errors;
        assert_eq!((errors.named.len(), errors.unnamed()), (20, 80));
        assert_eq!(errors.named[0].reason, "Permission denied");
    }
}
