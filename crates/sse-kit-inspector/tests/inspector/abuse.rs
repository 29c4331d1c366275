//! Requests that other sites cause, and more of them than a server can render.

use futures_util::future::join_all;
use http::{Request, StatusCode};
use sse_kit_event::Topics;

use super::TestResult;
use super::site::{Site, text};

#[tokio::test(start_paused = true)]
async fn a_page_of_another_site_may_lead_here_and_load_nothing() -> TestResult {
    let site = Site::new();
    let ask = async |path: &str, from: &str, mode: &str, dest: &str| {
        let request = Request::get(path)
            .header("sec-fetch-site", from)
            .header("sec-fetch-mode", mode)
            .header("sec-fetch-dest", dest);
        site.send(request, "").await.status()
    };
    let files = site.page("").await;
    let style = files.split("rel=\"stylesheet\" href=\"").nth(1).unwrap_or_default();
    let style = style.split('"').next().unwrap_or_default();
    for path in ["/inspector", "/inspector?q=a", "/inspector/events/none", style] {
        for from in ["cross-site", "same-site", "nonsense"] {
            for (mode, dest) in [
                ("no-cors", "image"),
                ("cors", "empty"),
                ("navigate", "iframe"),
                ("navigate", "object"),
            ] {
                let status = ask(path, from, mode, dest).await;
                assert_eq!(status, StatusCode::FORBIDDEN, "{path} {from} {mode} {dest}");
            }
            assert_eq!(ask(path, from, "navigate", "document").await, StatusCode::OK, "{path}");
        }
        for from in ["same-origin", "none"] {
            assert_eq!(ask(path, from, "no-cors", "style").await, StatusCode::OK, "{path}");
        }
    }
    for from in ["cross-site", "same-site"] {
        let status = ask("/inspector/live", from, "navigate", "document").await;
        assert_eq!(status, StatusCode::FORBIDDEN, "a stream is no page");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn only_so_many_pages_are_rendered_or_wait_for_it() -> TestResult {
    let site = Site::new();
    let answers = join_all((0..64).map(|_| site.send(Request::get("/inspector"), ""))).await;
    let mut shown = 0;
    for answer in answers {
        match answer.status() {
            StatusCode::OK => shown += 1,
            StatusCode::SERVICE_UNAVAILABLE => {
                assert_eq!(answer.headers()["retry-after"], "1");
                assert!(text(answer).await.1.contains("busy"));
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(shown, 16);
    assert_eq!(site.get("/inspector").await.0, StatusCode::OK, "there is room again");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_search_through_all_events_takes_turns_with_others() -> TestResult {
    let site = Site::new();
    for n in 0..300 {
        site.publish("jobs", &"a".repeat(8_000)).await;
        if n % 10 == 9 {
            site.recorded().await;
        }
    }
    let query = format!("/inspector?q={}b", "a".repeat(199));
    let mut search = Box::pin(site.get(&query));
    let mut turns = 0;
    loop {
        tokio::select! {
            biased;
            answer = &mut search => {
                assert_eq!(answer.0, StatusCode::OK);
                break;
            }
            () = tokio::task::yield_now() => turns += 1,
        }
    }
    // Without a search it yields as well, between topics and connections, but not so often.
    let mut plain = Box::pin(site.get("/inspector"));
    let mut plain_turns = 0;
    loop {
        tokio::select! {
            biased;
            _ = &mut plain => break,
            () = tokio::task::yield_now() => plain_turns += 1,
        }
    }
    assert!(turns >= plain_turns + 4, "{turns}, and {plain_turns} without a search");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_a_line_and_no_page() -> TestResult {
    let site = Site::new();
    let cross = Request::post("/inspector/publish").header("sec-fetch-site", "cross-site");
    let (status, answer) = text(site.send(cross, "topic=a&data=x").await).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(answer.len() < 200 && answer.contains("another origin"), "{answer}");
    let site = Site::with(sse_kit_inspector::InspectorBuilder::read_only);
    let post = Request::post("/inspector/publish");
    let (status, answer) = text(site.send(post, "topic=a&data=x").await).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(answer.len() < 200 && answer.contains("read-only"), "{answer}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn every_topic_can_be_seen_however_many_there_are() -> TestResult {
    let site = Site::new();
    let mut pages = Vec::new();
    for n in 0..300 {
        let topics = (0..64).map(|m| format!("a:{n:03}:{m:02}"));
        pages.push(site.hub.subscribe(Topics::parse(topics)?).open()?);
    }
    site.publish("z", "x").await;
    site.publish("z:1", "x").await;
    let topics = async |query: &str| {
        let page = site.page(query).await;
        let topics = page.split("id=\"topics\"").nth(1).unwrap_or_default();
        topics.split("</section>").next().unwrap_or_default().to_owned()
    };
    assert!(topics("?topic=z").await.contains(">z</a>"), "by its name");
    let one = topics("?topic=z:*").await;
    assert!(one.contains(">z:1</a>") && !one.contains("or more"), "by a pattern");
    let some = topics("?topic=zz").await;
    assert!(some.contains("Not all topics were looked at"), "{some}");
    assert!(!topics("?topic=z:1").await.contains(">a:"));
    Ok(())
}
