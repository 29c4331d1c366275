//! Orders and their notifications, in one transaction.

use axum::Router;
use axum::http::StatusCode;
use sse_kit::Hub;
use sse_kit::postgres::{PostgresConfig, PostgresLog};
use sse_kit_test_support::postgres::Server;

use super::{Browser, frame};
use crate::orders::Orders;
use crate::routes::{App, router};

async fn app(database: &Server) -> Router {
    let config = PostgresConfig::new(&database.url()).expect("an address");
    let log = PostgresLog::connect(config).await.expect("PostgreSQL is there");
    let hub = Hub::builder().log(log).build().expect("a hub");
    let orders = Orders::open(&database.url()).await.expect("PostgreSQL is there");
    router(App::new(hub).with_orders(orders))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_committed_order_shows_on_every_node_and_a_rolled_back_one_never_does() {
    let database = Server::start(&[]);
    let nodes = [app(&database).await, app(&database).await];
    let ada = Browser::sign_in(&nodes[0], "ada").await;
    let elsewhere = Browser::sign_in(&nodes[1], "ada").await;
    let bob = Browser::sign_in(&nodes[1], "bob").await;
    let (mut first, mut second) = (ada.listen().await, elsewhere.listen().await);
    // There are three pieces, of which others want five.
    let mut placed = 0;
    for n in 0..8 {
        let browser = if n % 2 == 0 { &ada } else { &elsewhere };
        let status = browser.post("/orders", "item=tea").await.status();
        assert_eq!(status, if n < 3 { StatusCode::OK } else { StatusCode::CONFLICT });
        placed += usize::from(status.is_success());
    }
    assert_eq!(bob.post("/orders", "item=gold").await.status(), StatusCode::CONFLICT);
    assert_eq!(ada.post("/orders", "item=cake").await.status(), StatusCode::OK);
    for stream in [&mut first, &mut second] {
        for _ in 0..placed {
            assert!(frame(stream).await.expect("an order").contains(">tea<"));
        }
        assert!(
            frame(stream).await.expect("an order").contains(">cake<"),
            "and nothing in between"
        );
    }
    let page = elsewhere.page().await;
    assert_eq!(page.matches(">tea<").count(), placed);
    assert_eq!(page.matches(">cake<").count(), 1);
    assert!(!bob.page().await.contains("<li id=\"order-"));
}

#[tokio::test]
async fn without_a_database_there_are_no_orders() {
    let app = super::app();
    let ada = Browser::sign_in(&app, "ada").await;
    assert_eq!(ada.post("/orders", "item=tea").await.status(), StatusCode::NOT_FOUND);
    assert!(!ada.page().await.contains("/orders"));
}
