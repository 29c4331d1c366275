//! A page, and what a user does on it.

use std::time::Duration;

use sse_kit_htmx::Dialect;
use sse_kit_test::TestPage;

use crate::board::{Board, Fault};

async fn add(page: &mut TestPage, text: &str) {
    page.fill("[name=text]", text);
    page.submit("#new").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_done_on_one_page_shows_on_another() {
    for (path, dialect) in [("/", Dialect::V4), ("/?htmx=2", Dialect::V2)] {
        let client = Board::new(Fault::Nothing).client();
        let mut alice = TestPage::open(&client, path).await;
        let mut bob = TestPage::open(&client, path).await;
        assert_eq!(bob.dialect(), dialect);
        add(&mut alice, "a < b").await;
        bob.expect_text("#notes li", "a < b x").await;
        bob.click("#notes button").await;
        alice.expect_count("#notes li", 0).await;
        alice.expect_text("#count", "0").await;
        assert_eq!(alice.loads(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_was_away_is_up_to_date_again() {
    let client = Board::new(Fault::Nothing).client();
    let mut alice = TestPage::open(&client, "/").await;
    let mut bob = TestPage::open(&client, "/").await;
    bob.settle().await;
    bob.disconnect();
    add(&mut alice, "one").await;
    bob.settle().await;
    assert_eq!(bob.text("#count").as_deref(), Some("0"), "nothing comes to who is away");
    bob.reconnect().await;
    bob.expect_text("#count", "1").await;
    assert_eq!(bob.loads(), 1);

    bob.disconnect();
    for text in ["two", "three", "four", "five", "six"] {
        add(&mut alice, text).await;
    }
    bob.reconnect().await;
    bob.settle().await;
    assert_eq!(bob.loads(), 2, "history does not reach back: the monitor loads the page anew");
    bob.expect_fresh(&["input"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_within_an_event_loses_nothing() {
    let client = Board::new(Fault::Nothing).client();
    let mut page = TestPage::open(&client, "/").await;
    page.settle().await;
    if let Some(stream) = page.stream() {
        stream.cut_after(40);
    }
    add(&mut page, "one").await;
    page.settle().await;
    assert!(!page.is_connected());
    assert_eq!(page.count("#notes li"), 0, "half an event is none");
    page.reconnect().await;
    page.expect_count("#notes li", 1).await;
}

#[tokio::test(start_paused = true)]
async fn links_and_redirects_are_followed_with_cookies() {
    let client = Board::new(Fault::Nothing).client();
    let mut page = TestPage::open(&client, "/?htmx=2").await;
    page.click("a").await;
    assert_eq!((page.path(), page.loads()), ("/", 2));
    assert_eq!(client.cookie_value("who").as_deref(), Some("ada"));
    assert_eq!(client.get("/who").await.text(), "who=ada");
    let stranger = client.other_browser();
    assert_eq!(stranger.cookie("who", "eve").get("/who").await.text(), "who=eve");
    assert_eq!(client.get("/who").await.text(), "who=ada");
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "`#count` was to have `2`, but has `1`")]
async fn a_text_that_does_not_come_fails_with_what_there_is() {
    let client = Board::new(Fault::Nothing).client();
    let mut page = TestPage::open(&client, "/").await;
    add(&mut page, "one").await;
    page.expect_text("#count", "2").await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "nothing on the page at / matches `#nowhere`")]
async fn a_click_on_nothing_fails() {
    let client = Board::new(Fault::Nothing).client();
    TestPage::open(&client, "/").await.click("#nowhere").await;
}

#[tokio::test]
#[should_panic(expected = "`settle` needs Tokio's clock paused")]
async fn settling_needs_the_paused_clock() {
    let client = Board::new(Fault::Nothing).client();
    let mut page = TestPage::open(&client, "/").await;
    page.settle().await;
}

#[tokio::test]
async fn a_running_clock_does_for_what_comes() {
    let board = Board::new(Fault::Nothing);
    let client = board.client().patience(Duration::from_secs(120));
    let mut page = TestPage::open(&client, "/").await;
    board.add("one".to_owned()).await.unwrap();
    page.expect_text("#count", "1").await;
}
