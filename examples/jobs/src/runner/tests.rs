use std::fs;

use sse_kit::Hub;

use super::*;
use crate::job::Job;

fn runner() -> Runner {
    Runner::new(Arc::new(Board::new(Hub::new(), None)))
}

async fn job(runner: &Runner, id: JobId) -> Job {
    let jobs = runner.board.snapshot().await.newest_first;
    jobs.into_iter().find(|job| job.id == id).unwrap()
}

async fn until(runner: &Runner, id: JobId, state: &str) -> Job {
    loop {
        let job = job(runner, id).await;
        if job.state.name() == state {
            return job;
        }
        assert!(!job.state.has_ended(), "{:?} instead of {state}", job.state);
        tokio::task::yield_now().await;
    }
}

fn folder(path: &std::path::Path) -> Folder {
    Folder::parse(path.to_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_job_runs_to_its_end() {
    let files = tempfile::tempdir().unwrap();
    fs::write(files.path().join("file"), "abc").unwrap();
    let runner = runner();
    let id = runner.start(folder(files.path())).await.unwrap();
    let job = until(&runner, id, "done").await;
    assert_eq!(job.progress.done.files, 1);
    assert!(job.elapsed > Duration::ZERO);
}

#[tokio::test]
async fn a_missing_folder_fails() {
    let runner = runner();
    let id = runner.start(Folder::parse("/no/such/folder").unwrap()).await.unwrap();
    let job = until(&runner, id, "failed").await;
    assert_eq!(job.state, State::Failed("there is no such folder".into()));
}

#[tokio::test]
async fn jobs_wait_for_their_turn_and_can_be_cancelled_there_too() {
    let files = tempfile::tempdir().unwrap();
    fs::File::create(files.path().join("endless")).unwrap().set_len(1 << 40).unwrap();
    let runner = runner();
    let mut running = Vec::new();
    for _ in 0..RUNNING {
        running.push(runner.start(folder(files.path())).await.unwrap());
    }
    let waiting = runner.start(folder(files.path())).await.unwrap();
    for id in &running {
        until(&runner, *id, "running").await;
    }
    assert_eq!(job(&runner, waiting).await.state, State::Queued);
    runner.board.cancel(waiting).await.unwrap();
    until(&runner, waiting, "cancelled").await;
    runner.board.cancel_all().await;
    for id in running {
        until(&runner, id, "cancelled").await;
    }
}
