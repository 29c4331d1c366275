use std::net::Ipv4Addr;
use std::sync::Arc;

use sse_kit::broadcast::{Delivery, Entry, Subscription};
use sse_kit_test_support::in_time;

use super::*;
use crate::digest::Digest;

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn board() -> Board {
    Board::new(Hub::builder().history(10_000).build().unwrap(), None)
}

fn folder() -> Folder {
    Folder::parse("/tmp/<b>&amp;").unwrap()
}

async fn end(board: &Board, id: JobId) {
    board.enter(id, State::Cancelled, Progress::default()).await;
}

async fn ids(board: &Board) -> Vec<String> {
    board.snapshot().await.newest_first.iter().map(|job| job.id.to_string()).collect()
}

/// The next event of a page that watches.
async fn next(watch: &mut Subscription) -> Arc<Entry> {
    match in_time("an event", watch.recv()).await {
        Some(Delivery::Entry(entry)) => entry,
        other => panic!("{other:?}"),
    }
}

/// Returns the messages published after `since`, as HTML.
async fn messages(board: &Board, since: EventId) -> Vec<String> {
    let mut watch = board.watch(Some(since.into()), LOCAL).await.unwrap();
    let end = board.kit.hub().cursor();
    let mut messages = Vec::new();
    let mut last = since;
    while last != end {
        let entry = next(&mut watch).await;
        last = entry.id();
        messages.push(String::from_utf8(entry.frame().to_vec()).unwrap());
    }
    messages
}

#[tokio::test]
async fn only_so_many_jobs_may_wait_or_run() {
    let board = board();
    for _ in 0..UNFINISHED {
        board.add(folder()).await.unwrap();
    }
    assert_eq!(board.add(folder()).await.unwrap_err(), Full);
    assert_eq!(board.count().await, (UNFINISHED, UNFINISHED));
    end(&board, JobId::FIRST).await;
    assert!(board.add(folder()).await.is_ok());
}

#[tokio::test]
async fn the_oldest_job_that_has_ended_drops_off_and_one_that_runs_stays() {
    let board = board();
    let (running, _) = board.add(folder()).await.unwrap();
    for _ in 1..KEPT {
        let (id, _) = board.add(folder()).await.unwrap();
        end(&board, id).await;
    }
    let before = board.snapshot().await;
    assert_eq!(before.newest_first.len(), KEPT);
    board.add(folder()).await.unwrap();

    let ids = ids(&board).await;
    assert_eq!(ids.len(), KEPT);
    assert_eq!(ids.last(), Some(&running.to_string()));
    assert!(!ids.contains(&"2".to_owned()));
    // The message says so, too: whole for the new one, by id alone for the others.
    let messages = messages(&board, before.cursor).await;
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].matches("<article").count(), KEPT);
    assert_eq!(messages[0].matches("hx-preserve></article>").count(), KEPT - 1);
    assert!(!messages[0].contains("id=\"job-2\""));
}

#[tokio::test]
async fn a_page_is_told_of_all_that_happened_since_it_was_rendered_and_of_nothing_else() {
    let board = board();
    let (id, _) = board.add(folder()).await.unwrap();
    let snapshot = board.snapshot().await;
    assert_eq!(snapshot.newest_first.len(), 1);
    assert!(messages(&board, snapshot.cursor).await.is_empty());

    board.enter(id, State::Running, Progress::default()).await;
    let started = messages(&board, snapshot.cursor).await;
    assert_eq!(started.len(), 1);
    assert!(started[0].contains("data-state=\"running\""));

    // What it missed of a job that has ended is its end.
    let digest = Digest::from(sha2::Sha256::default());
    board.enter(id, State::Done(digest), Progress::default()).await;
    let ended = messages(&board, snapshot.cursor).await;
    assert_eq!(ended.len(), 2);
    assert!(ended[1].contains("hx-target=\"#announcement\""));
    assert!(ended[0].contains("data-state=\"done\""));
    assert!(ended[0].contains(&format!("class=\"digest\">{digest}<")));
}

#[tokio::test]
async fn of_a_page_that_lags_each_piece_becomes_what_it_is() {
    let board = board();
    let (id, _) = board.add(folder()).await.unwrap();
    let mut watch = board.watch(None, LOCAL).await.unwrap();
    board.enter(id, State::Running, Progress::default()).await;
    let tally = crate::progress::Tally::default();
    for n in 0..1000 {
        tally.found(n);
        if n == 500 {
            let error = std::io::Error::other("torn");
            tally.unreadable(std::path::Path::new("<i>"), &error);
        }
        board.progress(id, tally.progress()).await;
    }
    board.add(folder()).await.unwrap();

    let mut taken = Vec::new();
    let end = board.kit.hub().cursor();
    loop {
        let entry = next(&mut watch).await;
        taken.push(String::from_utf8(entry.frame().to_vec()).unwrap());
        if entry.id() == end {
            break;
        }
    }
    assert!(taken.len() < 500, "{} of 1003", taken.len());
    let last = |piece: &str| taken.iter().rfind(|message| message.contains(piece)).unwrap();
    assert!(last("data-state").contains("data-state=\"queued\""));
    assert!(taken.iter().any(|message| message.contains("data-state=\"running\"")));
    assert!(last("hx-target=\"#job-1-bar\"").contains("1,000 files found"));
    assert!(last("hx-target=\"#job-1-error-list\"").contains("&#60;i&#62;"));
    assert!(last("<section").contains("id=\"job-2\""));
}

#[tokio::test]
async fn names_are_escaped() {
    let board = board();
    let cursor = board.snapshot().await.cursor;
    board.add(folder()).await.unwrap();
    let messages = messages(&board, cursor).await;
    assert!(messages[0].contains("/tmp/&#60;b&#62;&#38;amp;"), "{}", messages[0]);
}

#[tokio::test]
async fn cancelling_is_heard_by_the_job_alone() {
    let board = Arc::new(board());
    let (id, cancel) = board.add(folder()).await.unwrap();
    let (_, other) = board.add(folder()).await.unwrap();
    board.cancel(id).await.unwrap();
    assert!(cancel.is_cancelled() && !other.is_cancelled());
    assert_eq!(board.cancel("3".parse().unwrap()).await, Err(NoSuchJob));
    board.cancel_all().await;
    assert!(other.is_cancelled());
}

#[tokio::test]
async fn the_next_process_has_all_jobs_and_tells_the_pages_what_they_may_have_missed() {
    let directory = tempfile::tempdir().unwrap();
    let hub = || Hub::builder().history(10_000).build().unwrap();
    let restored = async |hub| {
        let (store, saved) = Store::open(directory.path()).unwrap();
        Board::restored(hub, store, saved).await
    };
    let (first, none) = restored(hub()).await;
    assert!(none.is_empty() && first.kit.hub().cursor().offset() == 0, "nothing is told");
    for _ in 0..3 {
        first.add(folder()).await.unwrap();
    }
    let [done, running] = ["1", "2"].map(|id| id.parse::<JobId>().unwrap());
    first.enter(running, State::Running, Progress::default()).await;
    end(&first, done).await;
    let before = first.snapshot().await;
    // No page would be told.
    first.kit.hub().shut_down(sse_kit::broadcast::Goodbye::StayAway);
    end(&first, running).await;
    drop(first);

    let next = hub();
    let since = next.cursor();
    let (second, unstarted) = restored(next).await;
    let after = second.snapshot().await;
    let shown = |snapshot: &Snapshot| -> Vec<_> {
        let jobs = snapshot.newest_first.iter();
        jobs.map(|job| (job.id.to_string(), job.state.name())).collect()
    };
    let state = |id: &str, state| (id.to_owned(), state);
    let [three, one] = [state("3", "queued"), state("1", "cancelled")];
    assert_eq!(shown(&before), [three.clone(), state("2", "running"), one.clone()]);
    assert_eq!(shown(&after), [three, state("2", "queued"), one]);
    let ids: Vec<_> = unstarted.iter().map(|(id, ..)| id.to_string()).collect();
    assert_eq!(ids, ["2", "3"]);
    let told = messages(&second, since).await;
    assert_eq!(told.len(), 4, "the list, and each of the three");
    assert_eq!(second.add(folder()).await.unwrap().0.to_string(), "4");
}

#[tokio::test]
async fn a_file_that_has_no_jobs_in_it_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("jobs.json"), "a letter").unwrap();
    let refused = Store::open(directory.path()).unwrap_err();
    assert!(refused.to_string().ends_with("jobs.json has no jobs in it"), "{refused}");
}
