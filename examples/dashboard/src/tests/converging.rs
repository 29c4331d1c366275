//! After any readings and any cuts of connections, all pages show the same as fresh ones.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use sse_kit::{Hub, SseKit};
use sse_kit_test::{Scenario, TestClient, TestPage, assert_converges, seeded};

use super::{busy, disk};
use crate::figures::Dashboard;
use crate::panels::{self, Sampled};
use crate::reading::Reading;
use crate::routes::{App, router};
use crate::sampler;

/// The app, whose readings are made by requests: tests choose when.
fn client() -> TestClient {
    let hub =
        Hub::builder().history(4).queue(4).log(seeded(17)).build().expect("settings that fit");
    let kit = panels::kit(hub);
    let measuring = Router::new()
        .route("/sample", post(measure))
        .route("/pause", post(pause))
        .with_state(kit.clone());
    TestClient::new(router(App { kit, machine: Arc::from("a machine") }).merge(measuring))
}

async fn measure(State(kit): State<SseKit<Dashboard>>, choice: String) {
    let choice: u32 = choice.trim_start_matches("choice=").parse().expect("a number");
    let percent = u8::try_from(choice % 101).map_or(0.0, f32::from);
    let disks =
        (0..choice % 3).map(|n| disk(&format!("/{n}"), u64::from(choice / 3 % 3))).collect();
    let reading = Reading { disks, ..busy(percent) };
    kit.change(|dashboard| sampler::add(dashboard, &reading, u64::from(choice % 2)))
        .await
        .expect("it is emitted");
}

async fn pause(State(kit): State<SseKit<Dashboard>>) {
    kit.change(|dashboard| {
        dashboard.figures.skip(1);
        Sampled(dashboard.figures.clone())
    })
    .await
    .expect("it is emitted");
}

fn assert_pages_converge(first: &str, second: &str) {
    let measure = async |page: &mut TestPage, choice: u32| {
        let choice = choice.to_string();
        page.client().post("/sample", &[("choice", &choice)]).await.expect_status(200);
    };
    let scenario = Scenario::page(first)
        .and_page(second)
        .action("measure", async move |page: &mut TestPage, choice| measure(page, choice).await)
        .action("measure more than history has", async move |page: &mut TestPage, choice| {
            for more in 0..6 {
                measure(page, choice.wrapping_add(more)).await;
            }
        })
        .action("pause", async |page: &mut TestPage, _| {
            page.client().post("/pause", &[]).await.expect_status(200);
        })
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
    assert_pages_converge("/?htmx=2", "/?htmx=2");
}

#[test]
fn pages_of_both_versions_converge() {
    assert_pages_converge("/", "/?htmx=2");
}
