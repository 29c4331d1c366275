//! After any clicks and any cuts of connections, all pages show the same as fresh ones.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use sse_kit::htmx::{Dialect, MessageFormat, PageScripts};
use sse_kit::{Hub, Page, SseKit};
use sse_kit_test::{Scenario, TestClient, TestPage, assert_converges, seeded};

use crate::{app, page};

/// The app, with its page for htmx 2 at `/2`.
fn client() -> TestClient {
    let hub = Hub::builder().history(3).log(seeded(17)).build().expect("settings that fit");
    let kit = SseKit::with_state(hub, 0).message_format(MessageFormat::Both);
    let on_htmx_2 = Router::new().route("/2", get(page_on_htmx_2)).with_state(kit.clone());
    TestClient::new(app(&kit).merge(on_htmx_2))
}

async fn page_on_htmx_2(kit: State<SseKit<u64>>) -> Page {
    page(kit).await.scripts(PageScripts::new(Dialect::V2))
}

fn assert_pages_converge(first: &str, second: &str) {
    let scenario = Scenario::page(first)
        .and_page(second)
        .action("click", async |page: &mut TestPage, _| page.click("button").await)
        .cases(sse_kit_test_support::scaled(12))
        .seed(sse_kit_test_support::seed());
    assert_converges(async || client(), &scenario);
}

#[test]
fn pages_converge_with_htmx_4() {
    assert_pages_converge("/", "/");
}

#[test]
fn pages_converge_with_htmx_2() {
    assert_pages_converge("/2", "/2");
}

#[test]
fn pages_of_both_versions_converge() {
    assert_pages_converge("/", "/2");
}
