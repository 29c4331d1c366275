//! The address of a client, behind proxies too.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::{ConnectInfo, MockConnectInfo};
use axum::http::Request;
use axum::routing::get;
use http_body_util::BodyExt;
use sse_kit_axum::{Live, trust};
use sse_kit_broadcast::Hub;
use sse_kit_event::Topics;
use sse_kit_http::TrustedProxies;
use sse_kit_test_support::TestResult;
use tower::ServiceExt;

/// Answers with the client for which a subscription would read the log.
fn app() -> Router {
    let client = |live: &Live| {
        let subscribe = format!("{:?}", live.subscribe(Topics::none()));
        let client = subscribe.rsplit("client: ").next().unwrap_or_default();
        client.trim_end_matches(" }").to_owned()
    };
    let by_address = async move |live: Live| client(&live);
    let by_user = async move |live: Live| client(&live.for_client("ada"));
    let app = Router::new().route("/", get(by_address)).route("/user", get(by_user));
    app.with_state(Hub::new())
}

async fn client(app: &Router, path: &str, peer: &str, says: &str) -> String {
    let request = Request::get(path).header("x-forwarded-for", says);
    let mut request = request.body(Body::empty()).expect("a request");
    let peer: SocketAddr = peer.parse().expect("an address");
    request.extensions_mut().insert(ConnectInfo(peer));
    let Ok(response) = app.clone().oneshot(request).await;
    let body = response.into_body().collect().await.expect("it never fails").to_bytes();
    String::from_utf8(body.into()).expect("text")
}

#[tokio::test]
async fn clients_of_a_proxy_are_not_one_client() -> TestResult {
    let behind = app().layer(trust(TrustedProxies::new(["10.0.0.0/8".parse()?])));
    for address in ["192.0.2.7", "192.0.2.8"] {
        let key = client(&behind, "/", "10.0.0.1:443", address).await;
        assert_eq!(key, format!("Some(ClientKey(Line({address})))"));
    }
    let forged = client(&behind, "/", "198.51.100.9:443", "192.0.2.7").await;
    assert_eq!(forged, "Some(ClientKey(Line(198.51.100.9)))", "it is no proxy");
    let alone = client(&app(), "/", "10.0.0.1:443", "192.0.2.7").await;
    assert_eq!(alone, "Some(ClientKey(Line(10.0.0.1)))", "no proxy is trusted");
    Ok(())
}

/// As axum's own extractor is.
#[tokio::test]
async fn a_test_may_say_the_address() -> TestResult {
    let peer: SocketAddr = "192.0.2.7:443".parse()?;
    let app = app().layer(MockConnectInfo(peer));
    let response = app.oneshot(Request::get("/").body(Body::empty())?).await?;
    let key = response.into_body().collect().await?.to_bytes();
    assert_eq!(key, "Some(ClientKey(Line(192.0.2.7)))");
    Ok(())
}

#[tokio::test]
async fn a_user_is_one_client_at_every_address() {
    for peer in ["10.0.0.1:443", "10.0.0.2:443"] {
        assert_eq!(client(&app(), "/user", peer, "").await, "Some(ClientKey(Name(\"ada\")))");
    }
}
