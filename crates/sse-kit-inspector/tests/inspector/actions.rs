//! Publishing by hand, and ending a connection.

use http::{Request, StatusCode};
use sse_kit_broadcast::{Delivery, Goodbye};
use sse_kit_test_support::in_time;

use super::TestResult;
use super::site::{Site, text, topic};

#[tokio::test(start_paused = true)]
async fn an_event_is_published_and_the_viewer_learns_who_gets_it() -> TestResult {
    let site = Site::new();
    let mut page = site.hub.subscribe(topic("a&b")).open()?;
    let form = "topic=a%26b&name=note&data=%3Cb%3E+1%0D%0A2";
    let (status, notice) = site.post("publish", form).await;
    assert_eq!(status, StatusCode::OK);
    let id = site.hub.cursor();
    let expected = format!("Published {id} to a&amp;b: 1 connection gets it.");
    assert_eq!(notice, format!("<p data-kind=\"done\">{expected}</p>"));
    let Some(Delivery::Entry(entry)) = in_time("the event", page.recv()).await else {
        panic!("an event");
    };
    let message = entry.message();
    assert_eq!((&*message.name, &*message.data), ("note", "<b> 1\n2"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_form_that_cannot_be_published_says_why() -> TestResult {
    let site = Site::new();
    for (form, status) in [
        ("topic=&data=x", StatusCode::UNPROCESSABLE_ENTITY),
        ("topic=a*&data=x", StatusCode::UNPROCESSABLE_ENTITY),
        ("topic=a&name=sse-kit:close&data=x", StatusCode::UNPROCESSABLE_ENTITY),
        ("topic=%3Cscript%3E%00", StatusCode::UNPROCESSABLE_ENTITY),
        ("topic=%FF", StatusCode::BAD_REQUEST),
    ] {
        let (answer, notice) = site.post("publish", form).await;
        assert_eq!(answer, status, "{form}: {notice}");
        assert!(notice.starts_with("<p data-kind=\"refused\">"), "{notice}");
        assert!(!notice.contains("<script"), "{notice}");
    }
    let (status, _) = site.post("publish", &format!("topic=a&data={}", "x".repeat(300_000))).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(site.hub.stats().published, 0);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn one_connection_is_disconnected_or_dismissed() -> TestResult {
    let site = Site::new();
    let mut pages = Vec::new();
    for id in ["one", "two", "three"] {
        pages.push(site.hub.subscribe(topic("a")).id(id.parse()?).open()?);
    }
    let (status, notice) = site.post("disconnect", "connection=one&end=disconnect").await;
    // It takes the focus from the button, whose row is gone.
    let expected = "<p data-kind=\"done\" tabindex=\"-1\" autofocus>Disconnected one.</p>";
    assert_eq!((status, &*notice), (StatusCode::OK, expected));
    let (status, _) = site.post("disconnect", "connection=two&end=dismiss").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(site.hub.connection_count(), 1);
    assert!(in_time("its end", pages[0].recv()).await.is_none());
    let goodbye = in_time("its goodbye", pages[1].recv()).await;
    assert!(matches!(goodbye, Some(Delivery::Goodbye(Goodbye::StayAway))));
    for (form, expected) in [
        ("connection=one&end=disconnect", StatusCode::NOT_FOUND),
        ("connection=three", StatusCode::UNPROCESSABLE_ENTITY),
        ("connection=%00&end=dismiss", StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        assert_eq!(site.post("disconnect", form).await.0, expected, "{form}");
    }
    assert_eq!(site.hub.connection_count(), 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn actions_are_posts_of_the_page_itself() -> TestResult {
    let site = Site::new();
    let _page = site.hub.subscribe(topic("a")).id("one".parse()?).open()?;
    for (path, form) in
        [("publish", "topic=a&data=x"), ("disconnect", "connection=one&end=disconnect")]
    {
        let uri = format!("/inspector/{path}");
        for method in ["GET", "HEAD", "PUT", "DELETE"] {
            let request = Request::builder().method(method).uri(format!("{uri}?{form}"));
            let answer = site.send(request, form).await;
            assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
            assert_eq!(answer.headers()["allow"], "POST");
        }
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "http://evil.example"),
            ("origin", "null"),
        ] {
            let answer = site.send(Request::post(&uri).header(name, value), form).await;
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{name}: {value}");
        }
    }
    let cross = Request::get("/inspector/live").header("sec-fetch-site", "cross-site");
    assert_eq!(site.send(cross, "").await.status(), StatusCode::FORBIDDEN);
    for path in ["/inspector", "/inspector/live", "/inspector/events/0"] {
        let answer = site.send(Request::post(path), "").await;
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
    assert_eq!((site.hub.stats().published, site.hub.connection_count()), (0, 1));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_browser_without_script_is_led_back_to_the_page() -> TestResult {
    let site = Site::new();
    let answer = site.send(Request::post("/inspector/publish"), "topic=a&data=x").await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let location = answer.headers()["location"].to_str()?.to_owned();
    assert!(site.get(&location).await.1.contains("Published "), "{location} says what was done");
    let query = "?topic=a%26b&q=x&paused=1";
    let page = site.page(query).await;
    let escaped = "?topic=a%26b&#38;q=x&#38;paused=1";
    assert!(page.contains(&format!("action=\"/inspector/publish{escaped}\"")));
    let post = Request::post(format!("/inspector/publish{query}"));
    let answer = site.send(post, "topic=a%26b&data=x").await;
    let location = answer.headers()["location"].to_str()?.to_owned();
    assert!(location.starts_with(&format!("/inspector{query}&")), "{location}");
    let page = site.page(query).await;
    assert!(page.contains(&format!("/inspector/events/1{escaped}\"")), "the filter stays");
    let answer = site.send(Request::post("/inspector/publish"), "topic=&data=x").await;
    let (status, page) = text(answer).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.contains("<p data-kind=\"refused\">") && page.contains("id=\"connections\""));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_read_only_inspector_does_nothing_and_offers_nothing() -> TestResult {
    let site = Site::with(sse_kit_inspector::InspectorBuilder::read_only);
    let _page = site.hub.subscribe(topic("a")).id("one".parse()?).open()?;
    assert_eq!(site.post("publish", "topic=a&data=x").await.0, StatusCode::FORBIDDEN);
    let form = "connection=one&end=disconnect";
    assert_eq!(site.post("disconnect", form).await.0, StatusCode::FORBIDDEN);
    assert_eq!((site.hub.stats().published, site.hub.connection_count()), (0, 1));
    assert!(!site.page("").await.contains("method=\"post\""));
    Ok(())
}
