//! The contents of the page, in which the texts of others are only ever text.

use http::{Request, StatusCode};
use sse_kit_broadcast::{Hub, SlowConsumer};
use sse_kit_event::{Audience, Event, LastEventId, Topics};
use sse_kit_inspector::ClientInfo;

use super::TestResult;
use super::site::{Site, text, topic};

#[tokio::test(start_paused = true)]
async fn the_page_shows_topics_connections_events_and_what_happens() -> TestResult {
    struct User(&'static str);
    let describe = |connection: &sse_kit_broadcast::Connection| {
        Some(ClientInfo::new(connection.metadata::<User>()?.0).address("192.0.2.7"))
    };
    let site = Site::with(|builder| builder.describe(describe));
    let _page = site
        .hub
        .subscribe(Topics::parse(["jobs:17", "users:*"])?)
        .id("tab-1".parse()?)
        .metadata(User("alice"))
        .open()?;
    let receipt = site.publish("jobs:17", "forty per cent").await;
    let page = site.page("").await;
    for expected in ["alice", "192.0.2.7", "tab-1", "jobs:17", "jobs:17, users:*", "forty per cent"]
    {
        assert!(page.contains(expected), "{expected}");
    }
    assert!(page.contains(&format!("<code>{}</code>", receipt.id)), "the last id of the topic");
    assert!(page.contains("data-kind=\"opened\""));
    assert!(page.contains("hx-sse:connect=\"/inspector/live\""));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn gaps_evictions_and_ends_have_their_reasons() -> TestResult {
    let hub = Hub::builder().history(1).queue(1).build()?;
    let site = Site::on(hub, |builder| builder);
    let news = topic("news");
    let before = site.hub.cursor();
    let slow = site.hub.subscribe(&news).slow_consumer(SlowConsumer::Disconnect);
    let _slow = slow.id("slow".parse()?).open()?;
    for n in 0..3 {
        site.publish("news", &n.to_string()).await;
    }
    let mut late = site.hub.subscribe(&news).resume(LastEventId::from(before)).open()?;
    late.recv().await;
    drop(late);
    let page = site.page("").await;
    for expected in ["the client was too slow", "trimmed: from ", "the client went away"] {
        assert!(page.contains(expected), "{expected}");
    }
    for kind in ["evicted", "gap", "closed"] {
        assert!(page.contains(&format!("data-kind=\"{kind}\"")), "{kind}");
    }
    Ok(())
}

const HOSTILE: &str =
    "</hx-partial></template><script>alert(1)</script>\"'><img src=x onerror=alert(2)>";

#[tokio::test(start_paused = true)]
async fn what_others_have_written_is_text() -> TestResult {
    let site =
        Site::with(|builder| builder.describe(|_| Some(ClientInfo::new(HOSTILE).address(HOSTILE))));
    let subscribe = site.hub.subscribe(topic(HOSTILE));
    let page = subscribe.open()?;
    let event = Event::new(HOSTILE).with_name("<u>name</u>".parse()?).with_key(HOSTILE.parse()?);
    site.hub.publish(&topic(HOSTILE), event).await?;
    drop(page);
    let _again = site.hub.subscribe(topic(HOSTILE)).open()?;
    let query = "?topic=%3C%2Fhx-partial%3E&q=%22%3E%3Cscript%3E";
    let view = site.page(query).await;
    assert!(view.contains("value=\"&#34;&#62;&#60;script&#62;\""), "the search stays in its field");
    let shown = site.page("").await;
    let (status, detail) = site.get("/inspector/events/0").await;
    assert_eq!(status, StatusCode::OK);
    let stream = site.send(Request::get("/inspector/live"), "").await;
    let updates = super::site::Stream::new(stream).update().await.ok_or("an update")?;
    assert!(updates.contains("alert(1)") && detail.contains("alert(1)"), "it is shown");
    for html in [&view, &shown, &detail, &updates] {
        for markup in ["<script>", "<img", "<u>", "</template>", "onerror=alert(2)>"] {
            assert!(!html.contains(markup), "{markup}");
        }
    }
    assert_eq!(updates.matches("<hx-partial ").count(), updates.matches("</hx-partial>").count());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn filters_and_searches_leave_out_the_rest() -> TestResult {
    let site = Site::new();
    let _jobs = site.hub.subscribe(topic("jobs:1")).id("worker".parse()?).open()?;
    let _users = site.hub.subscribe(topic("users:1")).id("visitor".parse()?).open()?;
    site.publish("jobs:1", "an Error in job one").await;
    site.publish("users:1", "signed in").await;
    site.hub.publish(Audience::Everyone, Event::new("to everyone")).await?;
    let shows = async |query: &str| {
        let page = site.page(query).await;
        // The comings and goings are searched, and have no topics.
        let page = page.split("id=\"connection-events\"").next().unwrap_or_default();
        ["worker", "visitor", "an Error", "signed in", "to everyone"]
            .map(|text| page.contains(text))
    };
    assert_eq!(shows("").await, [true; 5]);
    assert_eq!(shows("?topic=jobs:*").await, [true, false, true, false, true]);
    assert_eq!(shows("?topic=USERS").await, [false, true, false, true, true]);
    assert_eq!(shows("?q=error").await, [false, false, true, false, false]);
    assert_eq!(shows("?q=visitor").await, [false, true, false, false, false]);
    assert_eq!(site.get("/inspector?q=%FF").await.0, StatusCode::BAD_REQUEST);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn connections_that_get_the_events_of_a_pattern_are_shown() -> TestResult {
    let site = Site::new();
    let mut pages = Vec::new();
    for (id, pattern) in [("all", "**"), ("narrow", "orders:1:*"), ("other", "users:*")] {
        pages.push(site.hub.subscribe(Topics::parse([pattern])?).id(id.parse()?).open()?);
    }
    let shown = async |query: &str| {
        let page = site.page(query).await;
        let rows = page.split("id=\"connections\"").nth(1).unwrap_or_default().to_owned();
        let rows = rows.split("</section>").next().unwrap_or_default().to_owned();
        ["all", "narrow", "other"].map(|id| rows.contains(&format!("<code>{id}</code>")))
    };
    assert_eq!(shown("?topic=orders:*").await, [true, false, false]);
    assert_eq!(shown("?topic=orders:**").await, [true, true, false]);
    assert_eq!(shown("?topic=*:1:2").await, [true, true, false]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_filter_leaves_out_the_connection_events_of_other_topics() -> TestResult {
    let site = Site::new();
    let _jobs = site.hub.subscribe(topic("jobs:1")).id("worker".parse()?).open()?;
    let _users = site.hub.subscribe(topic("users:1")).id("visitor".parse()?).open()?;
    let page = site.page("?topic=jobs:*").await;
    assert!(page.contains("worker") && !page.contains("visitor"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_key_of_an_event_is_found() -> TestResult {
    let site = Site::new();
    let event = Event::new("keyed data").with_key("the-key".parse()?);
    site.hub.publish(&topic("a"), event).await?;
    assert!(site.page("?q=THE-KEY").await.contains("keyed data"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_filter_that_is_no_pattern_says_so() -> TestResult {
    let site = Site::new();
    site.publish("jobs:1", "x").await;
    let page = site.page("?topic=jobs:***").await;
    assert!(page.contains("data-kind=\"refused\"") && page.contains("segment of its own"));
    assert!(!site.page("?topic=jobs:*").await.contains("data-kind=\"refused\""));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_link_of_a_topic_shows_it_alone_however_long_it_is() -> TestResult {
    let site = Site::new();
    let long = format!("jobs:{}", "x".repeat(251));
    for name in ["jobs", "jobs:1", "myjobs", &long] {
        site.publish(name, &format!("data of {name}.")).await;
    }
    let page = site.page("").await;
    for name in ["jobs", &long] {
        let before = page.split(&format!("\">{name}</a>")).next().unwrap_or_default();
        let link = before.rsplit("href=\"").next().unwrap_or_default();
        let (status, alone) = site.get(&link.replace("&#38;", "&")).await;
        assert_eq!(status, StatusCode::OK);
        for other in ["jobs", "jobs:1", "myjobs", &long] {
            let shown = alone.contains(&format!("data of {other}."))
                || alone.contains(&format!("\">{other}</a>"));
            assert_eq!(shown, other == name, "{other} on the page of {name}, {link}");
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_page_is_paused_by_its_address() -> TestResult {
    let site = Site::new();
    let page = site.page("?topic=a%26b&paused=1").await;
    assert!(!page.contains("hx-sse:connect") && page.contains("Resume"));
    assert!(page.contains("href=\"/inspector?topic=a%26b\""), "it leads back to the live page");
    let live = site.page("?topic=a%26b").await;
    assert!(live.contains("hx-sse:connect=\"/inspector/live?topic=a%26b\""));
    assert!(live.contains("href=\"/inspector?topic=a%26b&#38;paused=1\""), "and on");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn one_event_is_shown_with_its_data_and_fragments() -> TestResult {
    let site = Site::new();
    let data = "<hx-partial hx-target=\"#job-17\" hx-swap=\"outerHTML\"><b>40 %</b></hx-partial>";
    site.publish("jobs:17", data).await;
    site.recorded().await;
    let by_htmx = Request::get("/inspector/events/0").header("hx-request", "true");
    let (status, fragment) = text(site.send(by_htmx, "").await).await;
    assert_eq!(status, StatusCode::OK);
    assert!(fragment.starts_with("<article") && fragment.contains("<code>#job-17</code>"));
    assert!(fragment.contains("&#60;b&#62;40 %&#60;/b&#62;</pre>"), "{fragment}");
    let (status, page) = site.get("/inspector/events/0").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("<!DOCTYPE html>") && page.contains("<code>outerHTML</code>"));
    assert!(!page.contains("hx-sse:connect"), "it stays as it is");
    assert_eq!(site.get("/inspector/events/1").await.0, StatusCode::NOT_FOUND);
    assert_eq!(site.get("/inspector/events/x").await.0, StatusCode::NOT_FOUND);
    Ok(())
}
