//! The suite of the broadcast core on a disk that loses power, and that is put back.

use std::sync::Arc;

use sse_kit_broadcast::BoxFuture;
use sse_kit_broadcast::conformance::{self, Subject};
use sse_kit_test_support::{in_time, rng};

use super::{ModelDisk, config};
use crate::FileLog;

struct Model {
    disk: ModelDisk,
    saved: ModelDisk,
    random: fastrand::Rng,
}

impl Model {
    fn open(&self) -> FileLog {
        FileLog::open_on(Arc::new(self.disk.clone()), &config(), None).expect("it opens")
    }
}

impl Subject for Model {
    type Log = FileLog;

    fn node(&mut self) -> BoxFuture<'_, FileLog> {
        self.disk = ModelDisk::default();
        Box::pin(async { self.open() })
    }

    fn reopen(&mut self) -> BoxFuture<'_, Option<FileLog>> {
        // The process before may still be writing.
        self.disk = self.disk.copy();
        Box::pin(async { Some(self.open()) })
    }

    fn crash(&mut self) -> BoxFuture<'_, bool> {
        self.disk = self.disk.after_power_loss(&mut self.random);
        Box::pin(async { true })
    }

    fn save(&mut self) -> BoxFuture<'_, bool> {
        self.saved = self.disk.copy();
        Box::pin(async { true })
    }

    fn restore(&mut self) -> BoxFuture<'_, bool> {
        self.disk = self.saved.copy();
        Box::pin(async { true })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_keep_every_promise_over_a_loss_of_power() {
    let mut model =
        Model { disk: ModelDisk::default(), saved: ModelDisk::default(), random: rng() };
    let report = in_time("it ends", conformance::check(&mut model)).await;
    let report = report.unwrap_or_else(|broken| panic!("{broken}"));
    for promise in [
        "a crash loses nothing that was acknowledged",
        "a publish that was interrupted by a crash may be retried",
        "an idempotency key survives a restart",
        "a log that was set back gives no offset twice in one epoch",
    ] {
        assert!(report.kept.contains(&promise), "{promise}");
    }
}
