//! The suite of the broadcast core, run on files.

use std::fs;
use std::path::{Path, PathBuf};

use sse_kit_broadcast::BoxFuture;
use sse_kit_broadcast::conformance::{self, Subject};
use sse_kit_file::{FileConfig, FileLog, SyncMode};
use sse_kit_test_support::in_time;
use tempfile::TempDir;

struct Files {
    directory: TempDir,
    /// The number of stores so far; each check has its own.
    stores: usize,
    mode: SyncMode,
}

impl Files {
    fn store(&self) -> PathBuf {
        self.directory.path().join(self.stores.to_string())
    }

    fn saved(&self) -> PathBuf {
        self.directory.path().join("saved")
    }

    fn open(&self) -> BoxFuture<'_, FileLog> {
        let config = FileConfig::new(self.store()).sync(self.mode);
        Box::pin(async move { FileLog::open(config).await.expect("the store opens") })
    }
}

impl Subject for Files {
    type Log = FileLog;

    fn node(&mut self) -> BoxFuture<'_, FileLog> {
        self.stores += 1;
        self.open()
    }

    fn reopen(&mut self) -> BoxFuture<'_, Option<FileLog>> {
        Box::pin(async move { Some(self.open().await) })
    }

    fn save(&mut self) -> BoxFuture<'_, bool> {
        copy(&self.store(), &self.saved());
        Box::pin(async { true })
    }

    fn restore(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            // Waits until the process before has let the store go.
            drop(self.open().await);
            drop(self.open().await);
            fs::remove_dir_all(self.store()).expect("it is ours");
            copy(&self.saved(), &self.store());
            true
        })
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("it is there") {
        let entry = entry.expect("a file");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
    }
}

async fn check(mode: SyncMode) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut files = Files { directory, stores: 0, mode };
    let report = in_time("it ends", conformance::check(&mut files)).await;
    let report = report.unwrap_or_else(|broken| panic!("{broken}"));
    // These are of logs over a network, or that are shared.
    let untried = [
        "a new node serves clients that resume",
        "a lost reply makes no duplicate",
        "trimmed records cause a gap",
        "a lost log begins a new epoch, and every stream gets a gap",
        // See the model of a disk, which loses power.
        "a crash loses nothing that was acknowledged",
    ];
    assert_eq!(report.untried, untried);
    assert!(report.kept.len() >= 20, "{:?}", report.kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_keep_every_promise_of_a_log() {
    check(SyncMode::Always).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_keep_every_promise_without_a_sync_too() {
    check(SyncMode::Process).await;
}
