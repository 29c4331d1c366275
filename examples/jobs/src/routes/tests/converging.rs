//! After any starts and cancels of jobs, and any cuts of connections, all pages show the same as
//! fresh ones.

use std::convert::Infallible;
use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;

use http::Request;
use sse_kit::Hub;
use sse_kit::http::Quota;
use sse_kit_test::{Scenario, TestBody, TestClient, TestPage, assert_converges, seeded};
use sse_kit_test_support::TestResult;

use super::{App, app_on};

fn client() -> TestClient {
    // Short, so that pages that were away for long are told a gap.
    let hub = Hub::builder().history(8).queue(8).log(seeded(17)).build();
    let app = app_on(hub.expect("settings that fit"));
    let app = Arc::new(App { limits: Quota::new().total(100).per_client(100), ..app });
    TestClient::new(tower::service_fn(move |request: Request<TestBody>| {
        let app = Arc::clone(&app);
        async move { Ok::<_, Infallible>(app.answer(request, Ipv4Addr::LOCALHOST.into()).await) }
    }))
}

fn scenario(path: &str, other: &str, folder: &str) -> Scenario {
    let folder = folder.to_owned();
    Scenario::page(path)
        .and_page(other)
        // They are a page's own.
        .leave_out("#refusal")
        .leave_out("#announcement")
        .action("start a job", async move |page: &mut TestPage, choice| {
            page.fill("#path", if choice % 4 == 0 { "/no/such/folder" } else { &folder });
            page.submit("#new-job").await;
        })
        .action("cancel a job", async |page: &mut TestPage, _| {
            if page.count(".job form button") > 0 {
                page.click(".job form button").await;
            }
        })
        .cases(sse_kit_test_support::scaled(16))
        .seed(sse_kit_test_support::seed())
}

fn assert_pages_converge(path: &str, other: &str) -> TestResult {
    let folder = tempfile::tempdir()?;
    fs::create_dir(folder.path().join("in it"))?;
    for name in ["a", "b", "in it/c"] {
        fs::write(folder.path().join(name), name.repeat(1000))?;
    }
    let folder = folder.path().to_str().ok_or("a path that is text")?;
    assert_converges(async || client(), &scenario(path, other, folder));
    Ok(())
}

#[test]
fn pages_converge_with_htmx_4() -> TestResult {
    assert_pages_converge("/", "/")
}

#[test]
fn pages_converge_with_htmx_2() -> TestResult {
    assert_pages_converge("/?htmx=2", "/?htmx=2")
}

#[test]
fn pages_of_both_versions_converge() -> TestResult {
    assert_pages_converge("/", "/?htmx=2")
}
