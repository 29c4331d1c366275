//! Heartbeats, taps, and how a hub ends.

mod patience;
mod receiving;

use std::time::Duration;

use patience::soon;
use receiving::{Received, data, received, settle};
use sse_kit_broadcast::{
    Goodbye, HookError, Hub, HubBuildError, PublishError, RecvError, SubscribeError, Verdict,
};
use sse_kit_event::{Audience, Event, EventName, Topic, Topics};

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn topic(text: &str) -> Topic {
    text.parse().expect("a topic")
}

#[tokio::test(start_paused = true)]
async fn heartbeats_come_when_nothing_else_waits() -> TestResult {
    let hub = Hub::builder().heartbeat(Duration::from_secs(10)).build()?;
    let mut idle = hub.subscribe(Topics::none()).open()?;
    let mut busy = hub.subscribe(topic("a")).open()?;
    hub.publish(&topic("a"), Event::new("x")).await?;
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert_eq!(received(&mut idle).await, [Received::Heartbeat], "one waits, however late it is");
    assert_eq!(received(&mut busy).await, [data("x")]);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(received(&mut busy).await, [Received::Heartbeat]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn heartbeats_can_be_switched_off() -> TestResult {
    let hub = Hub::builder().heartbeat(None).build()?;
    let mut idle = hub.subscribe(Topics::none()).open()?;
    tokio::time::sleep(Duration::from_secs(1000)).await;
    assert_eq!(received(&mut idle).await, []);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn shutting_down_delivers_what_was_published_then_says_goodbye() -> TestResult {
    let hub = Hub::builder().queue(2).build()?;
    let goodbye = Goodbye::ComeBack { within: Duration::from_secs(5) };
    let mut live = hub.subscribe(topic("a")).open()?;
    let mut lagging = hub.subscribe(topic("a")).open()?;
    hub.publish(&topic("a"), Event::new("0")).await?;
    settle().await;
    assert_eq!(received(&mut live).await, [data("0")]);
    for n in 1..5 {
        hub.publish(&topic("a"), Event::new(n.to_string())).await?;
    }
    hub.shut_down(goodbye);
    hub.shut_down(Goodbye::StayAway); // too late to change one's mind
    assert!(matches!(
        hub.publish(&topic("a"), Event::new("late")).await,
        Err(PublishError::Closed)
    ));
    assert_eq!(hub.subscribe(topic("a")).open().err(), Some(SubscribeError::Closed));
    settle().await;
    let end = [Received::Goodbye(goodbye), Received::End];
    let all = ["0", "1", "2", "3", "4"].map(data);
    assert_eq!(received(&mut live).await, [&all[1..], &end].concat());
    assert_eq!(received(&mut lagging).await, [&all[..], &end].concat());
    assert_eq!(hub.stats().published, 5);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn when_the_last_handle_goes_the_streams_end() -> TestResult {
    let hub = Hub::new();
    let clone = hub.clone();
    let mut tab = hub.subscribe(topic("a")).open()?;
    drop(hub);
    clone.publish(&topic("a"), Event::new("x")).await?;
    settle().await;
    assert_eq!(received(&mut tab).await, [data("x")], "a clone is as good as the first");
    drop(clone);
    settle().await;
    assert_eq!(received(&mut tab).await, [Received::End]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn its_tasks_end_with_it() -> TestResult {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let hub = Hub::builder().history_age(Duration::from_secs(9)).on_connect(|_| ()).build()?;
    let tab = hub.subscribe(topic("a")).open()?;
    settle().await;
    assert!(tasks() > before);
    drop(hub);
    // Meanwhile the tasks of the fan-out end the streams, and wait again.
    settle().await;
    drop(tab);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(tasks(), before);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_tap_reads_everything_or_says_what_it_missed() -> TestResult {
    let hub = Hub::builder().log_buffer(4).build()?;
    let mut tap = hub.tap();
    hub.publish(&topic("a"), Event::new("x")).await?;
    hub.broadcast(Event::new("y")).await?;
    assert_eq!(soon(tap.recv()).await?.topic(), Some(&topic("a")));
    assert_eq!(soon(tap.recv()).await?.topic(), None);
    for _ in 0..6 {
        hub.publish(&topic("a"), Event::new("x")).await?;
    }
    assert_eq!(soon(tap.recv()).await.err(), Some(RecvError::Lagged { missed: 2 }));
    assert_eq!(soon(tap.recv()).await?.id().offset(), 5);
    drop(hub);
    for _ in 0..3 {
        soon(tap.recv()).await?;
    }
    assert_eq!(soon(tap.recv()).await.err(), Some(RecvError::Closed));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_tap_ends_when_the_hub_shuts_down_and_not_before_it_has_read_all() -> TestResult {
    let hub = Hub::new();
    let mut tap = hub.tap();
    hub.publish(&topic("a"), Event::new("x")).await?;
    hub.shut_down(Goodbye::StayAway);
    assert_eq!(soon(tap.recv()).await?.id().offset(), 1);
    assert_eq!(soon(tap.recv()).await.err(), Some(RecvError::Closed));
    assert_eq!(soon(tap.recv()).await.err(), Some(RecvError::Closed), "again");
    assert_eq!(soon(hub.tap().recv()).await.err(), Some(RecvError::Closed), "and from the start");
    Ok(())
}

#[tokio::test]
async fn users_cannot_publish_what_only_sse_kit_may_say() -> TestResult {
    let hub = Hub::new();
    let control = sse_kit_event::control::ControlName::Shutdown.event();
    assert!(matches!(hub.broadcast(control.clone()).await, Err(PublishError::Reserved)));
    let with_id = Event::new("x").with_id(hub.cursor());
    assert!(matches!(hub.broadcast(with_id.clone()).await, Err(PublishError::HasId)));
    let id = "x".parse()?;
    let _tab = hub.subscribe(Topics::none()).id("x".parse()?).open()?;
    assert_eq!(hub.send_to(&id, &with_id), Err(sse_kit_broadcast::SendError::HasId));
    assert_eq!(hub.send_to(&id, &control), Err(sse_kit_broadcast::SendError::Reserved));
    assert!(EventName::new("sse-kit:x").is_err());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_hook_cannot_publish_what_only_sse_kit_may_say() -> TestResult {
    let hub = Hub::builder()
        .on_broadcast(|draft| -> Result<_, HookError> {
            let control = sse_kit_event::control::ControlName::Gap.event();
            Ok(match draft.event().data() {
                "replace" => Verdict::Replace(control),
                "with id" => Verdict::Replace(Event::new("x").with_id("1-1".parse()?)),
                _ => {
                    draft.follow_up(Audience::Everyone, control);
                    Verdict::Keep
                }
            })
        })
        .build()?;
    let mut tab = hub.subscribe(Topics::none()).open()?;
    let refused = hub.broadcast(Event::new("replace")).await;
    assert!(matches!(refused, Err(PublishError::Reserved)));
    assert!(matches!(hub.broadcast(Event::new("with id")).await, Err(PublishError::HasId)));
    hub.broadcast(Event::new("followed")).await?;
    settle().await;
    assert_eq!(received(&mut tab).await, [data("followed")]);
    Ok(())
}

#[test]
fn outside_of_a_runtime_there_is_an_error_and_no_panic() {
    assert_eq!(Hub::builder().build().err(), Some(HubBuildError::NoRuntime));
}
