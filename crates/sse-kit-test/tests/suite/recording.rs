//! The record of what is published.

use sse_kit_htmx::Swap;
use sse_kit_test::Recorder;

use crate::board::{Board, Fault};

#[tokio::test]
async fn what_is_published_is_read_as_events_and_as_changes() {
    let board = Board::new(Fault::Nothing);
    let recorder = Recorder::new(&board.hub);
    recorder.assert_nothing_published();
    board.client().post("/notes", &[("text", "one & two")]).await.expect_status(200);
    // One event for each version of htmx, with the same changes.
    assert_eq!(recorder.published().len(), 2);
    recorder.assert_published("notes:2", "hx-swap-oob");
    recorder.assert_published("notes:4", "<hx-partial");
    recorder.assert_fills("#count", "1");
    recorder.assert_inserts("#notes", "one & two x");
    let swaps: Vec<_> = recorder.changes().iter().map(|change| change.swap).collect();
    assert_eq!(swaps, [Swap::BeforeEnd, Swap::InnerHtml, Swap::BeforeEnd, Swap::InnerHtml]);
    recorder.clear();
    board.client().post("/remove", &[("id", "1")]).await.expect_status(200);
    recorder.assert_deletes("#note-1");
    recorder.assert_fills("#count", "0");
}

#[tokio::test]
#[should_panic(
    expected = "nothing fills `#count` with `2` in the end; what was published:\n  #notes by"
)]
async fn a_failure_lists_what_was_published() {
    let board = Board::new(Fault::Nothing);
    let recorder = Recorder::new(&board.hub);
    board.add("one".to_owned()).await.unwrap();
    recorder.assert_fills("#count", "2");
}

#[tokio::test]
#[should_panic(expected = "for the topic `elsewhere`, but:\n  notes:2: message: ")]
async fn a_topic_that_has_nothing_is_said() {
    let board = Board::new(Fault::Nothing);
    let recorder = Recorder::new(&board.hub);
    board.add("one".to_owned()).await.unwrap();
    recorder.assert_published("elsewhere", "one");
}

#[tokio::test]
#[should_panic(expected = "the record lacks")]
async fn a_record_that_lacks_events_says_so() {
    let board = Board::new(Fault::Nothing);
    let recorder = Recorder::new(&board.hub);
    for number in 0..600 {
        board.add(number.to_string()).await.unwrap();
    }
    recorder.assert_fills("#count", "600");
}
