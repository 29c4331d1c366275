//! After any notifications and any cuts of connections, all pages show the same as fresh
//! ones.

use sse_kit::Hub;
use sse_kit_test::{Scenario, TestClient, TestPage, assert_converges, seeded};

use crate::routes::{App, router};

/// A browser in which Ada is signed in.
async fn client() -> TestClient {
    let hub = Hub::builder().history(5).log(seeded(17)).build().expect("settings that fit");
    let client = TestClient::new(router(App::new(hub)));
    client.post("/login", &[("user", "ada")]).await.expect_status(303);
    client
}

fn assert_pages_converge(first: &str, second: &str) {
    let scenario = Scenario::page(first)
        .and_page(second)
        .action("tell oneself", async |page: &mut TestPage, choice| {
            page.fill("[name=to]", "ada");
            page.fill("[name=text]", &format!("note {choice}"));
            page.submit("form").await;
        })
        // More than are kept: the oldest give way on every page.
        .action("tell oneself much", async |page: &mut TestPage, choice| {
            for number in 0..30 {
                page.fill("[name=to]", "ada");
                page.fill("[name=text]", &format!("note {choice}, {number}"));
                page.submit("form").await;
            }
        })
        .cases(sse_kit_test_support::scaled(8))
        .seed(sse_kit_test_support::seed());
    assert_converges(client, &scenario);
}

#[test]
fn pages_converge_with_htmx_4() {
    assert_pages_converge("/", "/");
}

#[test]
fn pages_converge_with_htmx_2() {
    assert_pages_converge("/?htmx=2", "/?htmx=2");
}

#[test]
fn pages_of_both_versions_converge() {
    assert_pages_converge("/", "/?htmx=2");
}
