//! The test of the guide "A counter in five minutes".

use sse_kit_test::{TestClient, TestPage};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_click_in_one_page_shows_in_another() {
    let client = TestClient::new(app(&SseKit::with_state(Hub::new(), 0)));
    let mut one = TestPage::open(&client, "/").await;
    let mut other = TestPage::open(&client, "/").await;
    one.click("button").await;
    other.expect_text("#count", "1").await;
}
