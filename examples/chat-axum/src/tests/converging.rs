//! After any messages and any cuts of connections, all pages show the same as fresh ones.

use sse_kit_test::{Scenario, TestPage, assert_converges};

use super::{ADA, BOB, client, hub, say};

fn scenario(first: &str, second: &str, lobby: &str) -> Scenario {
    Scenario::page(first)
        .and_page(second)
        .and_page(lobby)
        // It is a page's own.
        .leave_out("#refusal")
        .action("say something", async |page: &mut TestPage, choice| {
            if page.count("#say") > 0 {
                say(page, &format!("words {choice}")).await;
            }
        })
        .action("enter another room", async |page: &mut TestPage, choice| {
            if page.count("#open [name=room]") > 0 {
                page.fill("#open [name=room]", &format!("room-{}", choice % 3));
                page.fill("#open [name=nick]", "Eve");
                page.submit("#open").await;
            }
        })
        .action("close the room", async |page: &mut TestPage, choice| {
            if choice % 4 == 0 && page.count(".top button") > 0 {
                page.click(".top button").await;
            }
        })
        .cases(sse_kit_test_support::scaled(24))
        .seed(sse_kit_test_support::seed())
}

#[test]
fn pages_converge_with_htmx_4() {
    let scenario = scenario(ADA, ADA, "/");
    assert_converges(async || client(&hub()).await, &scenario);
}

#[test]
fn pages_converge_with_htmx_2() {
    let scenario = scenario(BOB, BOB, "/?htmx=2");
    assert_converges(async || client(&hub()).await, &scenario);
}

#[test]
fn pages_of_both_versions_converge() {
    let scenario = scenario(ADA, BOB, "/");
    assert_converges(async || client(&hub()).await, &scenario);
}
