//! The position at which a new subscriber begins.

mod receiving;

use std::time::Duration;

use receiving::{Received, data, received, settle};
use sse_kit_broadcast::{Delivery, Hub, SlowConsumer, Start, Subscription};
use sse_kit_event::control::GapReason;
use sse_kit_event::{Epoch, Event, EventId, LastEventId, Topic, Topics};
use sse_kit_test_support::TestResult;
use tokio::time::sleep;

fn topic(text: &str) -> Topic {
    text.parse().expect("a topic")
}

fn topics(texts: &[&str]) -> Topics {
    Topics::parse(texts).expect("topics")
}

/// Takes all that is there, however many pages it is looked for in.
async fn all(subscription: &mut Subscription) -> Vec<Received> {
    let mut all = Vec::new();
    // A search gives up its turn after each page.
    for _ in 0..100 {
        all.extend(received(subscription).await);
        settle().await;
    }
    all
}

fn datas(texts: impl IntoIterator<Item = impl ToString>) -> Vec<Received> {
    texts.into_iter().map(|text| data(&text.to_string())).collect()
}

/// 300 events, in turn on `jobs:0` to `jobs:2`, each about one of ten things.
async fn with_history() -> Result<Hub, Box<dyn std::error::Error>> {
    let hub = Hub::builder().history(200).queue(100).heartbeat(None).build()?;
    for n in 0..300 {
        let event = Event::new(n.to_string()).with_key((n % 10).to_string().parse()?);
        hub.publish(&topic(&format!("jobs:{}", n % 3)), event).await?;
    }
    hub.publish(&topic("other"), Event::new("other")).await?;
    Ok(hub)
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_begins_where_it_asks_to() -> TestResult {
    let hub = with_history().await?;
    for wanted in [topics(&["jobs:*"]), topics(&["jobs:0", "jobs:1", "jobs:2"])] {
        let open = |start| hub.subscribe(wanted.clone()).start(start).open();
        assert_eq!(all(&mut open(Start::Now)?).await, []);
        assert_eq!(all(&mut open(Start::Last(0))?).await, []);
        assert_eq!(all(&mut open(Start::Last(5))?).await, datas(295..300));
        assert_eq!(all(&mut open(Start::Last(250))?).await, datas(50..300));
        assert_eq!(all(&mut open(Start::Last(usize::MAX))?).await, datas(0..300));
        // Each of the three topics has news of each of the ten things.
        assert_eq!(all(&mut open(Start::PerKey)?).await, datas(270..300));
        assert_eq!(all(&mut open(Start::All)?).await, datas(0..300));
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_comes_meanwhile_comes_after_it() -> TestResult {
    for start in [Start::Last(3), Start::PerKey, Start::All] {
        let hub = with_history().await?;
        let mut begun = hub.subscribe(topic("jobs:1")).start(start).open()?;
        let first: Vec<_> = received(&mut begun).await;
        hub.publish(&topic("jobs:1"), Event::new("news")).await?;
        settle().await;
        let rest = all(&mut begun).await;
        let whole = [first, rest].concat();
        assert_eq!(whole.last(), Some(&data("news")));
        assert_eq!(whole.iter().filter(|one| **one == data("news")).count(), 1, "{start:?}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_history_no_longer_has_is_no_gap() -> TestResult {
    let hub = Hub::builder().history(2).build()?;
    for n in 0..5 {
        hub.publish(&topic("a"), Event::new(n.to_string()).with_key("k".parse()?)).await?;
    }
    for (start, expected) in
        [(Start::All, datas(3..5)), (Start::Last(9), datas(3..5)), (Start::PerKey, datas([4]))]
    {
        let mut begun = hub.subscribe(topic("a")).start(start).open()?;
        assert!(!begun.begins_with_gap());
        assert_eq!(all(&mut begun).await, expected);
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn who_resumes_goes_on_where_it_was() -> TestResult {
    let hub = with_history().await?;
    let position = hub.cursor();
    let resume = hub.subscribe(topic("jobs:1")).start(Start::All);
    let mut resumed = resume.resume(LastEventId::Known(position)).open()?;
    assert_eq!(resumed.resumes_from(), Some(position));
    assert_eq!(all(&mut resumed).await, []);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_client_may_resume_from_the_beginning_only_where_it_misses_nothing() -> TestResult {
    let hub = with_history().await?;
    let open = |start| hub.subscribe(topic("jobs:1")).start(start).open();
    assert_eq!(open(Start::Now)?.resumes_from(), Some(hub.cursor()));
    assert!(!hub.subscribe(topic("jobs:1")).resumes());
    for start in [Start::Last(1), Start::PerKey, Start::All] {
        assert_eq!(open(start)?.resumes_from(), None, "{start:?}");
        // A gate asks for more than what comes from now on.
        assert!(hub.subscribe(topic("jobs:1")).start(start).resumes(), "{start:?}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn who_was_left_out_and_what_has_no_key_is_left_out() -> TestResult {
    let hub = Hub::new();
    let me: sse_kit_broadcast::ConnectionId = "me".parse()?;
    hub.publish(&topic("a"), Event::new("no key")).await?;
    let keyed = |text: &str| Event::new(text).with_key("k".parse().expect("a key"));
    hub.publish(&topic("a"), keyed("old")).await?;
    hub.except([me.clone()]).publish(&topic("a"), keyed("not for me")).await?;
    let open = |start| hub.subscribe(topic("a")).id(me.clone()).start(start).open();
    assert_eq!(all(&mut open(Start::PerKey)?).await, [data("old")]);
    assert_eq!(all(&mut open(Start::Last(2))?).await, datas(["no key", "old"]));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn slow_subscribers_begin_there_too() -> TestResult {
    for policy in [SlowConsumer::Heal, SlowConsumer::DropOldest, SlowConsumer::Disconnect] {
        let hub = with_history().await?;
        let subscribe = hub.subscribe(topics(&["jobs:*"])).slow_consumer(policy).queue(1);
        let mut begun = subscribe.start(Start::All).open()?;
        assert_eq!(all(&mut begun).await, datas(0..300), "{policy:?}");
    }
    Ok(())
}

/// Of the clients that share a stream, one without a cursor begins at the newest position.
#[tokio::test(start_paused = true)]
async fn a_stream_that_resumes_names_the_newest_position() -> TestResult {
    let hub = with_history().await?;
    let position = hub.cursor();
    let after = |offset| LastEventId::Known(EventId::new(position.epoch(), offset));
    let resume = |last| hub.subscribe(topic("jobs:1")).resume(last);
    let lost = LastEventId::Known(EventId::new(Epoch::new(7), 1));
    // In history, before it, and of another log: the last two begin with a gap.
    let malformed = LastEventId::parse(b"x").ok_or("an id")?;
    for last in [after(250), after(1), lost, malformed] {
        assert_eq!(resume(last).open()?.newest(), Some(position));
    }
    assert_eq!(hub.subscribe(topic("jobs:1")).open()?.newest(), None);
    // A client without a cursor would get history.
    assert_eq!(resume(after(250)).start(Start::All).open()?.newest(), None);
    Ok(())
}

/// The client has nothing yet, so a gap at its beginning begins before all events.
#[tokio::test(start_paused = true)]
async fn a_gap_after_the_beginning_of_history_goes_forward() -> TestResult {
    let hub = Hub::new();
    for n in 1..=3 {
        hub.publish(&topic("a"), Event::new(n.to_string())).await?;
    }
    let subscribe = hub.subscribe(topic("a")).slow_consumer(SlowConsumer::DropOldest).queue(3);
    let mut begun = subscribe.start(Start::All).open()?;
    hub.publish(&topic("a"), Event::new("4")).await?;
    settle().await;
    let gap = Received::Gap(Some(0), 1, GapReason::Dropped);
    assert_eq!(all(&mut begun).await, [vec![gap], datas(2..=4)].concat());
    Ok(())
}

/// An event that was there when the stream began, and is trimmed before it is read, is lost. One that was
/// trimmed before was never promised, even if it is newer.
#[tokio::test(start_paused = true)]
async fn what_history_drops_while_a_slow_stream_reads_it_is_a_gap() -> TestResult {
    // Alone, and among so many topics that a pattern is read in the order of the log.
    for (wanted, others) in [(topics(&["a", "busy"]), 0), (topics(&["**"]), 600)] {
        let busy = topic("busy");
        let builder = Hub::builder().history(4).history_for(busy.clone(), 1).heartbeat(None);
        let hub = builder.build()?;
        for n in 0..others {
            // For other connections alone: it keeps the topic in the table.
            let me = "me".parse()?;
            hub.except([me]).publish(&topic(&format!("other:{n}")), Event::new("x")).await?;
        }
        let first = hub.cursor().offset() + 1;
        for n in 1..=4 {
            hub.publish(&topic("a"), Event::new(n.to_string())).await?;
        }
        for text in ["never promised", "kept"] {
            hub.publish(&busy, Event::new(text)).await?;
        }
        let subscribe = hub.subscribe(wanted).id("me".parse()?).queue(1);
        let mut begun = subscribe.start(Start::All).open()?;
        while begun.recv().await.and_then(|delivery| delivery.message()).is_none() {}
        for n in 5..=7 {
            hub.publish(&topic("a"), Event::new(n.to_string())).await?;
        }
        let gap = Received::Gap(Some(first), first + 2, GapReason::Trimmed);
        let rest = [vec![gap], datas(["4", "kept", "5", "6", "7"])].concat();
        assert_eq!(all(&mut begun).await, rest, "{others} other topics");
    }
    Ok(())
}

/// Each of them is lost, even if the stream reads that far in another page.
#[tokio::test(start_paused = true)]
async fn each_event_that_history_drops_meanwhile_is_in_a_gap() -> TestResult {
    for others in [20, 600] {
        let hub = Hub::builder().history(1).heartbeat(None).build()?;
        for n in 0..others {
            hub.publish(&topic(&format!("t:{n}")), Event::new(n.to_string())).await?;
        }
        let start = hub.cursor().offset() - others;
        let mut begun = hub.subscribe(topics(&["**"])).queue(1).start(Start::All).open()?;
        for n in [others / 2, others - 2] {
            hub.publish(&topic(&format!("t:{n}")), Event::new("new")).await?;
        }
        let mut lost: Vec<_> = (0..others).collect();
        for received in all(&mut begun).await {
            match received {
                Received::Gap(from, to, GapReason::Trimmed) => {
                    let from = from.ok_or("a beginning")?;
                    lost.retain(|n| !(from + 1..=to).contains(&(start + n + 1)));
                }
                Received::Data(text) => lost.retain(|n| n.to_string() != text),
                other => panic!("unexpected: {other:?}"),
            }
        }
        assert!(lost.is_empty(), "{lost:?} of {others}");
    }
    Ok(())
}

/// The page has loaded again what there was at the first gap.
#[tokio::test(start_paused = true)]
async fn a_gap_that_another_one_has_told_of_is_not_told_again() -> TestResult {
    let hub = Hub::builder().history(1).heartbeat(None).build()?;
    let publish = async |name, text: &str| hub.publish(&topic(name), Event::new(text)).await;
    for (name, text) in [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")] {
        publish(name, text).await?;
    }
    let mut begun = hub.subscribe(topics(&["*"])).queue(1).start(Start::All).open()?;
    publish("d", "new d").await?;
    let mut told = Vec::new();
    for _ in 0..3 {
        told.push(begun.recv().await.ok_or("it is open")?);
    }
    assert!(matches!(&told[1], Delivery::Gap(gap) if gap.to.offset() == 4), "{told:?}");
    publish("c", "new c").await?;
    assert_eq!(all(&mut begun).await, datas(["new d", "new c"]));
    Ok(())
}

/// An event that was trimmed before the stream began was not promised, nor is its loss told before that of a later
/// one of its topic.
#[tokio::test(start_paused = true)]
async fn a_topic_that_had_lost_an_event_before_has_one_gap() -> TestResult {
    for others in [4_u16, 600] {
        let hub = Hub::builder().history(1).heartbeat(None).build()?;
        let publish = async |name: &str| hub.publish(&topic(name), Event::new(name)).await;
        publish("first").await?;
        publish("a").await?;
        for n in 0..others {
            publish(&format!("t:{n}")).await?;
        }
        let promised = publish("a").await?.id.offset();
        let mut begun = hub.subscribe(topics(&["**"])).queue(1).start(Start::All).open()?;
        while begun.recv().await.and_then(|delivery| delivery.message()).is_none() {}
        publish("a").await?;
        let received = all(&mut begun).await;
        let gaps: Vec<_> = received.iter().filter(|it| matches!(it, Received::Gap(..))).collect();
        assert!(
            matches!(gaps[..], [Received::Gap(Some(_), to, GapReason::Trimmed)] if *to == promised),
            "{others} other topics: {gaps:?}"
        );
        assert_eq!(received.len(), usize::from(others) + 2);
    }
    Ok(())
}

/// The hub remembers so many topics without events, and no more.
#[tokio::test(start_paused = true)]
async fn an_event_whose_topic_is_forgotten_meanwhile_is_in_a_gap() -> TestResult {
    let (promised, others) = (topics(&["t:*"]), topics(&["other:*"]));
    let builder = Hub::builder().history_age_for(promised.clone(), Duration::from_secs(1));
    let hub = builder.history_for(others, 0).heartbeat(None).build()?;
    for n in 0..10 {
        hub.publish(&topic(&format!("t:{n}")), Event::new(n.to_string())).await?;
    }
    let last = hub.cursor().offset();
    let mut begun = hub.subscribe(promised).queue(1).start(Start::All).open()?;
    sleep(Duration::from_secs(3)).await;
    for n in 0..16_384 {
        hub.publish(&topic(&format!("other:{n}")), Event::new("x")).await?;
    }
    let gap = Received::Gap(Some(last - 9), last, GapReason::Trimmed);
    assert_eq!(all(&mut begun).await, [data("0"), gap]);
    Ok(())
}
