//! Presence by key: a reload is no change, and nobody stays who has gone.

use std::collections::BTreeMap;
use std::time::Duration;

use sse_kit_broadcast::{Goodbye, Hub, PresenceByKey, RecvError, Subscription};
use sse_kit_event::{Topic, Topics};
use sse_kit_test_support::in_time;
use tokio::time::{Instant, advance, sleep, timeout};

type TestResult = Result<(), Box<dyn std::error::Error>>;

const LONG: Duration = Duration::from_secs(3600);

fn room(name: &str) -> Topic {
    Topic::from_segments(["rooms", name]).expect("a segment")
}

fn open(hub: &Hub, name: &'static str) -> Subscription {
    hub.subscribe(room("tea")).metadata(name).open().expect("it opens")
}

fn people(hub: &Hub) -> PresenceByKey<&'static str> {
    hub.presence_by_key([room("tea"), room("den")], |page| page.metadata().copied())
}

/// The next counts, as text; `-` if there are none for an hour.
async fn next(people: &mut PresenceByKey<&'static str>) -> String {
    let Ok(counts) = timeout(LONG, people.changed()).await else { return "-".into() };
    let counts: BTreeMap<_, _> = counts.expect("the hub is there");
    let counts: Vec<_> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    counts.join(", ")
}

#[tokio::test(start_paused = true)]
async fn tabs_of_a_person_are_one_key() {
    let hub = Hub::new();
    let mut people = people(&hub);
    assert_eq!(next(&mut people).await, "", "the first report comes at once");
    let ada = open(&hub, "ada");
    let _second = open(&hub, "ada");
    let _nameless = hub.subscribe(room("tea")).open().expect("it opens");
    let _elsewhere = hub.subscribe(room("pub")).metadata("eve").open().expect("it opens");
    assert_eq!(next(&mut people).await, "ada 2", "both together");
    drop(ada);
    assert_eq!(next(&mut people).await, "ada 1");
    assert_eq!(next(&mut people).await, "-");
}

#[tokio::test(start_paused = true)]
async fn a_connection_on_several_topics_counts_once() -> TestResult {
    let hub = Hub::new();
    let both = Topics::new([room("tea"), room("den")], [])?;
    let _page = hub.subscribe(both).metadata("ada").open()?;
    let _pattern = hub.subscribe(Topics::parse(["rooms:*"])?).metadata("bob").open()?;
    let _den = hub.subscribe(room("den")).metadata("cy").open()?;
    assert_eq!(next(&mut people(&hub)).await, "ada 1, bob 1, cy 1");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_reload_is_no_change() {
    let hub = Hub::new();
    let (mut tab, _other) = (open(&hub, "ada"), open(&hub, "bob"));
    let mut people = people(&hub);
    assert_eq!(next(&mut people).await, "ada 1, bob 1");
    let watcher = tokio::spawn(async move { (next(&mut people).await, people) });
    for away in [0, 1, 60, 2900] {
        drop(tab);
        sleep(Duration::from_millis(away)).await;
        tab = open(&hub, "ada");
        sleep(Duration::from_secs(10)).await;
    }
    let gone = Instant::now();
    drop(tab);
    let (told, _people) = watcher.await.expect("it runs");
    assert_eq!(told, "bob 1");
    let lingered = gone.elapsed();
    assert!(lingered >= PresenceByKey::<()>::LINGER && lingered < Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn a_reload_does_not_hide_that_another_tab_has_closed() {
    let hub = Hub::new();
    let (first, second) = (open(&hub, "ada"), open(&hub, "ada"));
    let mut people = people(&hub);
    assert_eq!(next(&mut people).await, "ada 2");
    let watcher = tokio::spawn(async move { (next(&mut people).await, people) });
    drop(first);
    sleep(Duration::from_millis(2800)).await;
    drop(second);
    // Longer than the first tab lingers.
    sleep(Duration::from_millis(500)).await;
    let _reloaded = open(&hub, "ada");
    let (told, mut people) = watcher.await.expect("it runs");
    assert_eq!(told, "ada 1");
    assert_eq!(next(&mut people).await, "-");
}

/// Each closed tab counts by itself, and a new one is the reload of the one that closed last.
#[tokio::test(start_paused = true)]
async fn of_two_tabs_that_are_away_the_one_that_closed_first_is_gone_first() {
    let hub = Hub::new();
    let (first, second) = (open(&hub, "ada"), open(&hub, "ada"));
    let mut people = people(&hub);
    assert_eq!(next(&mut people).await, "ada 2");
    let watcher = tokio::spawn(async move { (next(&mut people).await, people) });
    let gone = Instant::now();
    drop(first);
    sleep(Duration::from_secs(1)).await;
    drop(second);
    sleep(Duration::from_millis(500)).await;
    let _reloaded = open(&hub, "ada");
    let (told, mut people) = watcher.await.expect("it runs");
    assert_eq!(told, "ada 1");
    let lingered = gone.elapsed();
    assert!(lingered >= PresenceByKey::<()>::LINGER, "{lingered:?}");
    assert!(lingered < Duration::from_millis(3_900), "{lingered:?}");
    assert_eq!(next(&mut people).await, "-");
}

#[tokio::test(start_paused = true)]
async fn more_changes_than_a_watch_holds_are_one_report() {
    let hub = Hub::new();
    let mut people = people(&hub).linger(Duration::ZERO);
    assert_eq!(next(&mut people).await, "");
    let mut tabs = Vec::new();
    for _ in 0..500 {
        tabs.push(open(&hub, "ada"));
    }
    assert_eq!(next(&mut people).await, "ada 500");
    tabs.truncate(1);
    assert_eq!(next(&mut people).await, "ada 1");
    assert_eq!(next(&mut people).await, "-");
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_the_hub() {
    let hub = Hub::new();
    let tab = open(&hub, "ada");
    let (mut ended, mut orphaned) = (people(&hub), people(&hub));
    assert_eq!(next(&mut ended).await, "ada 1");
    hub.shut_down(Goodbye::StayAway);
    drop(tab);
    advance(Duration::from_millis(1)).await;
    assert_eq!(ended.changed().await, Err(RecvError::Closed));
    drop(hub);
    assert_eq!(orphaned.changed().await, Err(RecvError::Closed));
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_the_hub_while_nobody_is_there() {
    let hub = Hub::new();
    let mut people = people(&hub);
    assert_eq!(next(&mut people).await, "");
    let waiting = tokio::spawn(async move { timeout(LONG, people.changed()).await });
    sleep(Duration::from_secs(1)).await;
    hub.shut_down(Goodbye::StayAway);
    let ended = waiting.await.expect("it does not panic");
    assert_eq!(ended.expect("it does not wait"), Err(RecvError::Closed));
}

/// Members are collected without the hub's lock, so some come and go meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_came_and_went_while_members_were_collected_is_counted_in_the_end() -> TestResult {
    let hub = Hub::new();
    let people = people(&hub).gather(Duration::ZERO).linger(Duration::ZERO);
    let watching = tokio::spawn(in_time("the last counts", async move {
        let mut people = people;
        let there = BTreeMap::from([("ada", 4), ("bob", 4)]);
        while people.changed().await.expect("the hub is there") != there {}
    }));
    let churning: Vec<_> = (0..4)
        .map(|_| {
            let hub = hub.clone();
            tokio::spawn(async move {
                let both = Topics::parse(["rooms:*"]).expect("topics");
                for _ in 0..2_000 {
                    let page = open(&hub, "cy");
                    let other = hub.subscribe(both.clone()).metadata("bob").open();
                    tokio::task::yield_now().await;
                    drop((page, other));
                }
                let other = hub.subscribe(both).metadata("bob").open();
                (open(&hub, "ada"), other)
            })
        })
        .collect();
    let mut stay = Vec::new();
    for churning in churning {
        stay.push(churning.await?);
    }
    watching.await?;
    Ok(())
}
