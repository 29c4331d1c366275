//! The stream of an open page.

use std::time::Duration;

use futures_util::FutureExt;
use http::Request;
use sse_kit_broadcast::Goodbye;
use tokio::time::Instant;

use super::TestResult;
use super::site::{LONG, Site, Stream, topic};

async fn open(site: &Site, query: &str) -> Stream {
    Stream::new(site.send(Request::get(format!("/inspector/live{query}")), "").await)
}

#[tokio::test(start_paused = true)]
async fn a_page_gets_all_of_it_first_and_then_what_changes() -> TestResult {
    let site = Site::new();
    let mut stream = open(&site, "").await;
    let all = stream.update().await.ok_or("all of it")?;
    for id in ["numbers", "events", "topics", "connections", "connection-events"] {
        assert!(all.contains(&format!("hx-target=\"#{id}\" hx-swap=\"outerMorph\"")), "{id}");
    }
    site.publish("jobs:17", "forty per cent").await;
    let update = stream.update_with("forty per cent").await;
    assert!(!update.contains("hx-target=\"#connection-events\""), "it has not changed");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_page_is_updated_at_most_twice_a_second_whatever_the_traffic() -> TestResult {
    let site = Site::new();
    let mut stream = open(&site, "").await;
    stream.update().await.ok_or("all of it")?;
    let mut updates = 0;
    // Ten seconds, by the clock that the test drives.
    for _ in 0..1_000 {
        for n in 0..10 {
            site.publish("jobs", &n.to_string()).await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        while let Some(update) = stream.update().now_or_never() {
            update.ok_or("an update")?;
            updates += 1;
        }
    }
    assert!((15..=20).contains(&updates), "{updates}");
    Ok(())
}

/// Nothing else would bring up to date a table that stood still when the last connection went.
#[tokio::test(start_paused = true)]
async fn a_page_that_may_have_skipped_the_connections_gets_them_again_and_ever_more_rarely()
-> TestResult {
    let site = Site::new();
    let mut stream = open(&site, "").await;
    stream.update().await.ok_or("all of it")?;
    let began = Instant::now();
    let mut times = Vec::new();
    for _ in 0..5 {
        let update = stream.update_with("hx-target=\"#connections\"").await;
        assert!(!update.contains("hx-target=\"#topics\""), "it has not changed");
        times.push(began.elapsed().as_secs());
    }
    assert_eq!(times, [1, 3, 7, 15, 31]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_page_follows_its_filter() -> TestResult {
    let site = Site::new();
    let mut stream = open(&site, "?topic=jobs:*").await;
    stream.update().await.ok_or("all of it")?;
    site.publish("users:1", "not this").await;
    site.publish("jobs:1", "but this").await;
    assert!(!stream.update_with("but this").await.contains("not this"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn only_so_many_pages_are_live_and_their_places_become_free() -> TestResult {
    let site = Site::new();
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(open(&site, "").await);
    }
    let busy = open(&site, "").await.next().await.ok_or("a word")?;
    assert_eq!(busy.0, "sse-kit:busy");
    streams.pop();
    assert!(open(&site, "").await.update().await.is_some());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn pages_come_back_after_a_shutdown_and_are_no_clients_of_the_app() -> TestResult {
    let site = Site::new();
    let mut stream = open(&site, "").await;
    stream.update().await.ok_or("all of it")?;
    assert_eq!(site.hub.connection_count(), 0);
    // An event for every client of the app is not one for the inspector.
    site.hub.broadcast(sse_kit_event::Event::new("<b>for clients</b>")).await?;
    site.hub.shut_down(Goodbye::StayAway);
    for _ in 0..LONG {
        let (name, data) = stream.next().await.ok_or("word of the shutdown")?;
        assert_ne!(data, "<b>for clients</b>");
        assert_ne!(name, "sse-kit:close");
        if name == "sse-kit:shutdown" {
            return Ok(());
        }
    }
    Err("no word of the shutdown".into())
}

#[tokio::test(start_paused = true)]
async fn an_inspector_that_is_dropped_leaves_nothing_behind() -> TestResult {
    let site = Site::new();
    let page = site.hub.subscribe(topic("a")).open()?;
    let Site { hub, inspector } = site;
    let mut page = page;
    drop(inspector);
    drop(hub);
    assert!(sse_kit_test_support::in_time("the end", page.recv()).await.is_none());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_filter_finds_a_quiet_topic_in_a_flood() -> TestResult {
    let site = Site::new();
    let mut stream = open(&site, "?topic=quiet").await;
    stream.update().await.ok_or("all of it")?;
    for _ in 0..500 {
        site.publish("loud", "noise").await;
    }
    site.publish("quiet", "a whisper").await;
    stream.update_with("a whisper").await;
    // And it stays, though what others see has been driven out many times.
    for _ in 0..20 {
        for _ in 0..100 {
            site.publish("loud", "noise").await;
        }
        site.recorded().await;
    }
    assert!(site.page("?topic=quiet").await.contains("a whisper"));
    Ok(())
}
