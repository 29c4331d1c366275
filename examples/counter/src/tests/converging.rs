//! Whatever is clicked, and whatever becomes of the connections: all pages show the same as fresh ones.

use sse_kit::{Hub, SseKit};
use sse_kit_test::{Scenario, TestClient, TestPage, assert_converges, seeded};

use crate::app;

fn client() -> TestClient {
    let hub = Hub::builder().history(3).log(seeded(17)).build().expect("settings that fit");
    TestClient::new(app(&SseKit::with_state(hub, 0)))
}

#[test]
fn pages_converge() {
    let scenario = Scenario::page("/")
        .and_page("/")
        .action("click", async |page: &mut TestPage, _| page.click("button").await)
        .cases(sse_kit_test_support::scaled(24))
        .seed(sse_kit_test_support::seed());
    assert_converges(async || client(), &scenario);
}
