//! Tests of the pages, against a server in this process, without a browser.

use std::net::TcpListener;

use http::{Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use sse_kit::Hub;
use sse_kit::shutdown::Shutdown;
use sse_kit_test::{TestBody, TestClient, TestPage};

use crate::counter::counter;
use crate::routes::serve;

/// A browser, in front of a server of its own.
fn browser() -> TestClient {
    let kit = counter(Hub::new());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("the address that was bound");
    let shutdown = Shutdown::builder().hub(kit.hub().clone()).build();
    // It ends with the test.
    tokio::spawn(serve(listener, kit, shutdown));
    let client = Client::builder(TokioExecutor::new()).build_http::<TestBody>();
    TestClient::new(tower::service_fn(move |mut request: Request<TestBody>| {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let uri = Uri::builder().scheme("http").authority(address.to_string());
        *request.uri_mut() = uri.path_and_query(path).build().expect("a URL of the server");
        client.request(request)
    }))
}

#[tokio::test]
async fn a_click_changes_every_page() {
    let browser = browser();
    let mut ada = TestPage::open(&browser, "/").await;
    let mut bob = TestPage::open(&browser, "/").await;
    ada.click("button").await;
    ada.expect_text("#count", "1").await;
    bob.expect_text("#count", "1").await;
}

#[tokio::test]
async fn a_page_that_was_cut_off_gets_what_it_missed() {
    let browser = browser();
    let mut ada = TestPage::open(&browser, "/").await;
    let mut bob = TestPage::open(&browser, "/").await;
    bob.disconnect();
    ada.click("button").await;
    bob.reconnect().await;
    bob.expect_text("#count", "1").await;
}

#[tokio::test]
async fn pages_of_other_sites_do_not_click() {
    let foreign = browser().header("sec-fetch-site", "cross-site");
    foreign.post("/", &[]).await.expect_status(403);
    TestPage::open(&foreign, "/").await.expect_text("#count", "0").await;
}
