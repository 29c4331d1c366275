//! The rules for sites and hosts as layers.

use std::convert::Infallible;

use http::{Method, Request, Response, StatusCode};
use sse_kit_http::{Checked, Cors, HostRules, SameSiteLayer};
use sse_kit_test_support::TestResult;
use tower::{Layer, Service, ServiceExt, service_fn};

async fn answer(_: Request<()>) -> Result<Response<&'static str>, Infallible> {
    Ok(Response::new("done"))
}

async fn send<S>(app: Checked<S>, request: Request<()>) -> (StatusCode, &'static str)
where
    S: Service<Request<()>, Response = Response<&'static str>, Error = Infallible>,
{
    let Ok(response) = app.oneshot(request).await;
    (response.status(), response.into_body())
}

const DONE: (StatusCode, &str) = (StatusCode::OK, "done");
const REFUSED: (StatusCode, &str) = (StatusCode::FORBIDDEN, "");

#[tokio::test]
async fn pages_of_other_sites_change_nothing() -> TestResult {
    let app = || SameSiteLayer::new().layer(service_fn(answer));
    let from = |method: Method, site| {
        Request::builder().method(method).header("sec-fetch-site", site).body(())
    };
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, "PURGE".parse()?] {
        assert_eq!(send(app(), from(method.clone(), "cross-site")?).await, REFUSED, "{method}");
        assert_eq!(send(app(), from(method.clone(), "same-site")?).await, REFUSED, "{method}");
        assert_eq!(send(app(), from(method, "same-origin")?).await, DONE);
    }
    for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
        assert_eq!(send(app(), from(method, "cross-site")?).await, DONE);
    }
    let old_browser = Request::post("/").header("host", "a.test").header("origin", "http://b.test");
    assert_eq!(send(app(), old_browser.body(())?).await, REFUSED);
    assert_eq!(send(app(), Request::post("/").body(())?).await, DONE, "no browser");
    Ok(())
}

#[tokio::test]
async fn other_hosts_are_refused_for_every_method() -> TestResult {
    let rules = HostRules::new(["app.test".parse()?]);
    for (host, expected) in [("app.test", DONE), ("localhost:80", DONE), ("evil.test", REFUSED)] {
        for method in [Method::GET, Method::POST] {
            let request = Request::builder().method(method).header("host", host).body(())?;
            let app = rules.layer(service_fn(answer));
            assert_eq!(send(app, request).await, expected, "{host}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_reads_and_its_preflight_is_answered() -> TestResult {
    let varied = async |_: Request<()>| {
        Response::builder().header("vary", "accept").body("done").map_err(|e| e.to_string())
    };
    let cors = Cors::new(["https://app.test".parse()?]);
    for (origin, is_allowed) in [("https://app.test", true), ("https://evil.test", false)] {
        let send =
            async |method: Method, asks: Option<&str>| -> Result<_, Box<dyn std::error::Error>> {
                let mut request = Request::builder().method(method).header("origin", origin);
                if let Some(asks) = asks {
                    request = request.header("access-control-request-method", asks);
                }
                Ok(cors.layer(service_fn(varied)).oneshot(request.body(())?).await?)
            };
        let response = send(Method::GET, None).await?;
        assert_eq!((response.status(), *response.body()), DONE);
        let vary: Vec<_> = response.headers().get_all("vary").iter().collect();
        assert_eq!(vary, ["accept", "origin"]);
        let allowed = response.headers().get("access-control-allow-origin");
        assert_eq!(allowed.is_some(), is_allowed);
        let preflight = send(Method::OPTIONS, Some("GET")).await?;
        assert_eq!((preflight.status(), *preflight.body()), (StatusCode::NO_CONTENT, ""));
        assert_eq!(preflight.headers().contains_key("access-control-allow-headers"), is_allowed);
        let plain = send(Method::OPTIONS, None).await?;
        assert_eq!(*plain.body(), "done", "it is no preflight");
    }
    Ok(())
}
