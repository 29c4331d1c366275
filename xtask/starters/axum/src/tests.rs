//! Tests of the pages, in this process: no browser, no socket, and a paused clock.

use sse_kit::Hub;
use sse_kit_test::{Scenario, TestClient, TestPage, assert_converges, seeded};

use crate::counter::counter;
use crate::routes::routes;

/// A browser, in front of an app of its own.
fn browser() -> TestClient {
    // A short history, so that pages are told of gaps; ids that are the same in each run.
    let hub = Hub::builder().history(3).log(seeded(1)).build().expect("settings that fit");
    TestClient::new(routes(&counter(hub)))
}

#[tokio::test(start_paused = true)]
async fn a_click_changes_every_page() {
    let browser = browser();
    let mut ada = TestPage::open(&browser, "/").await;
    let mut bob = TestPage::open(&browser, "/").await;
    ada.click("button").await;
    ada.expect_text("#count", "1").await;
    bob.expect_text("#count", "1").await;
}

#[tokio::test(start_paused = true)]
async fn a_page_that_was_cut_off_gets_what_it_missed() {
    let browser = browser();
    let mut ada = TestPage::open(&browser, "/").await;
    let mut bob = TestPage::open(&browser, "/").await;
    bob.disconnect();
    ada.click("button").await;
    bob.reconnect().await;
    bob.expect_text("#count", "1").await;
}

#[tokio::test(start_paused = true)]
async fn pages_of_other_sites_do_not_click() {
    let foreign = browser().header("sec-fetch-site", "cross-site");
    foreign.post("/", &[]).await.expect_status(403);
    TestPage::open(&foreign, "/").await.expect_text("#count", "0").await;
}

/// After any clicks and any cuts of connections, all pages show the same as fresh ones.
#[test]
fn pages_converge() {
    let scenario = Scenario::page("/")
        .and_page("/")
        .action("click", async |page: &mut TestPage, _| page.click("button").await);
    assert_converges(async || browser(), &scenario);
}
