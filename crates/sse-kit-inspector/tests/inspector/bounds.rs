//! The bounds of the records, and the counts of the rest.

use sse_kit_event::{Event, LastEventId, Topics};
use sse_kit_inspector::ClientInfo;

use super::TestResult;
use super::site::{Site, topic};

#[tokio::test(start_paused = true)]
async fn above_a_rate_events_are_counted_and_not_recorded() -> TestResult {
    let site = Site::new();
    site.recorded().await;
    for n in 0..500 {
        site.publish("jobs", &format!("event {n}.")).await;
    }
    let page = site.page("").await;
    let shown = (0..500).filter(|n| page.contains(&format!("event {n}."))).count();
    assert_eq!(shown, 20);
    assert!(page.contains("event 499.") && !page.contains("event 0."), "the newest");
    assert!(page.contains("480 events were too many at a time"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_flood_that_laps_the_inspector_is_counted_too() -> TestResult {
    let hub = sse_kit_broadcast::Hub::builder().log_buffer(16).build()?;
    let site = Site::on(hub, |builder| builder);
    site.recorded().await;
    for _ in 0..1_000 {
        site.hub.publish(&topic("jobs"), Event::new("x")).await?;
    }
    assert!(site.page("").await.contains("984 events were too many at a time"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn only_the_last_events_and_the_beginning_of_their_data_are_kept() -> TestResult {
    let site = Site::new();
    for n in 0..300 {
        site.publish("jobs", &format!("event {n}.")).await;
        if n % 10 == 9 {
            site.recorded().await;
        }
    }
    assert!(site.page("").await.contains("50 of the last 256"));
    assert_eq!(site.get("/inspector/events/43").await.0, 404);
    assert_eq!(site.get("/inspector/events/44").await.0, 200);
    let large = "é".repeat(1 << 20);
    site.publish("jobs", &large).await;
    let page = site.page("").await;
    assert!(page.len() < 200_000, "{}", page.len());
    let (_, detail) = site.get("/inspector/events/300").await;
    assert!(detail.contains("2,048 KiB, of which these are the first 8,192 B"));
    assert!(detail.len() < page.len() + 30_000);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_some_of_many_topics_and_connections_the_busiest_first() -> TestResult {
    let site = Site::new();
    let mut pages = Vec::new();
    for n in 0..300 {
        let own = format!("users:{n}");
        pages.push(site.hub.subscribe(Topics::parse([own.as_str(), "news"])?).open()?);
    }
    let slow = site.hub.subscribe(topic("news")).queue(1).id("the-slow-one".parse()?).open()?;
    let mut quick = Vec::new();
    for n in 0..20 {
        site.publish("news", &n.to_string()).await;
        for page in &mut pages {
            quick.push(page.recv().await.is_some());
        }
    }
    let page = site.page("").await;
    assert!(page.contains("Topics <span class=\"count\">20 of 301</span>"));
    assert!(page.contains("Connections <span class=\"count\">20 of 301</span>"));
    let connections = page.split("id=\"connections\"").nth(1).unwrap_or_default();
    let first = connections.split("<tr ").nth(2).unwrap_or_default();
    assert!(first.contains("the-slow-one") && first.contains("catching up"), "{first}");
    let topics = page.split("id=\"topics\"").nth(1).unwrap_or_default();
    let first = topics.split("<tr ").nth(2).unwrap_or_default();
    assert!(first.contains("news") && first.contains("301"), "{first}");
    drop(slow);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn many_comings_and_goings_are_counted() -> TestResult {
    let site = Site::new();
    site.recorded().await;
    for _ in 0..1_000 {
        drop(site.hub.subscribe(topic("a")).open()?);
    }
    let page = site.page("").await;
    // Two for each, of which the newest 64 are recorded.
    assert!(page.contains("1,936 more were too many at a time"));
    assert_eq!(page.matches("id=\"connection-event-").count(), 20);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_seen_in_a_crowd_of_connections_that_come_and_go() -> TestResult {
    let hub = sse_kit_broadcast::Hub::builder().history(1).build()?;
    let site = Site::on(hub, |builder| builder);
    let start = site.hub.cursor();
    for n in 0..3 {
        site.publish("news", &n.to_string()).await;
    }
    site.recorded().await;
    let resume = site.hub.subscribe(topic("news")).resume(LastEventId::from(start));
    let mut late = resume.id("late".parse()?).open()?;
    late.recv().await;
    for n in 0..200 {
        drop(site.hub.subscribe(topic("a")).id(format!("visitor-{n}").parse()?).open()?);
    }
    let page = site.page("?q=late").await;
    assert!(page.contains("data-kind=\"gap\""), "{page}");
    let page = site.page("?q=visitor").await;
    assert!(page.contains("visitor-199") && !page.contains("visitor-0<"), "the newest");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_description_that_panics_or_is_long_harms_nothing() -> TestResult {
    let site = Site::with(|builder| {
        builder.describe(|connection| match connection.id().as_str() {
            "panics" => panic!("on purpose"),
            _ => Some(ClientInfo::new("x".repeat(1 << 20))),
        })
    });
    let _panics = site.hub.subscribe(topic("a")).id("panics".parse()?).open()?;
    let _long = site.hub.subscribe(topic("a")).id("long".parse()?).open()?;
    let page = site.page("").await;
    assert!(page.contains("(`describe` panicked)") && page.len() < 100_000, "{}", page.len());
    Ok(())
}

#[cfg(feature = "dispatch")]
#[tokio::test(start_paused = true)]
async fn dispatches_are_traced_with_their_outcomes() -> TestResult {
    use sse_kit_dispatch::{Dispatcher, DomainEvent};

    let site = Site::new();
    let dispatcher = Dispatcher::new();
    dispatcher.middleware(site.inspector.trace());
    dispatcher.on("job:*", |event: std::sync::Arc<DomainEvent>| {
        if event.data()["fails"] == true { Err("<b>on purpose</b>") } else { Ok(()) }
    })?;
    let event = |fails: bool| DomainEvent::new("job:done", &serde_json::json!({ "fails": fails }));
    assert!(dispatcher.dispatch(event(false)?).await?.errors.is_empty());
    assert_eq!(dispatcher.dispatch(event(true)?).await?.errors.len(), 1);
    let page = site.page("").await;
    let traces = page.split("id=\"traces\"").nth(1).unwrap_or_default();
    assert!(traces.contains("job:done") && traces.contains("1 handler<"), "{traces}");
    assert!(traces.contains("1 of 1 handler failed") && !traces.contains("<b>on purpose"));
    for _ in 0..500 {
        dispatcher.dispatch(event(false)?).await?.errors.clear();
    }
    assert!(site.page("").await.matches("id=\"trace-").count() == 20);
    Ok(())
}
