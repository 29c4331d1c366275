//! Streams that outlive the pages that watch them.

mod support;

use std::time::Duration;

use futures_util::{Stream, stream};
use http_body_util::BodyExt;
use sse_kit_broadcast::{Goodbye, Hub, PublishError};
use sse_kit_event::{Event, EventId, Topic};
use sse_kit_http::{SharedProgress, SharedStream, SseBody};
use sse_kit_test_support::{TestResult, rng, scaled};
use tokio::sync::mpsc;

use crate::support::{Client, said};

/// The text of an answer so far.
#[derive(Debug, Default)]
struct Answer(String);

impl SharedProgress for Answer {
    type Item = String;

    fn event(&self, token: &String) -> Event {
        Event::new(token.as_str())
    }

    fn apply(&mut self, token: String) {
        self.0.push_str(&token);
    }
}

fn channel() -> (mpsc::Sender<String>, impl Stream<Item = String> + Send + use<>) {
    let (sender, receiver) = mpsc::channel(1);
    let tokens =
        stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    (sender, tokens)
}

fn text(answer: &SharedStream<Answer>) -> (String, Option<EventId>) {
    answer.read(|answer| answer.0.clone())
}

async fn client(answer: &SharedStream<Answer>, from: Option<EventId>) -> Client {
    let response = answer.open(from.map(Into::into)).await.expect("it is open");
    Client::new(response.into_response())
}

#[tokio::test(start_paused = true)]
async fn a_page_shows_what_there_is_and_its_stream_the_rest() -> TestResult {
    let (sender, tokens) = channel();
    let (answer, produce) =
        SharedStream::new(Hub::new(), "answer".parse()?, Answer::default(), tokens);
    let producing = tokio::spawn(produce);
    let mut early = client(&answer, text(&answer).1).await;
    early.next().await.expect("a hello");
    sender.send("To ".into()).await?;
    assert_eq!(early.next().await.expect("a token").data, "To ");
    sender.send("be".into()).await?;
    assert_eq!(early.next().await.expect("a token").data, "be");

    let (shown, cursor) = text(&answer);
    assert_eq!(shown, "To be");
    let mut late = client(&answer, cursor).await;
    sender.send(" or".into()).await?;
    drop(sender);
    producing.await??;
    let rest = [said("message", " or"), said("sse-kit:close", "{}")];
    assert_eq!(early.rest().await, rest);
    assert_eq!(late.rest().await[1..], rest);
    assert_eq!(text(&answer), ("To be or".to_owned(), None));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn who_comes_after_the_end_gets_what_is_missing_and_the_end() -> TestResult {
    let tokens = stream::iter(["a", "b", "c"].map(String::from));
    let (answer, produce) =
        SharedStream::new(Hub::new(), "answer".parse()?, Answer::default(), tokens);
    let begin = text(&answer).1;
    produce.await?;
    let all = ["a", "b", "c"].map(|token| said("message", token));
    for from in [begin, None] {
        let rest = client(&answer, from).await.rest().await;
        assert_eq!(rest[1..4], all);
        assert_eq!(rest[4..], [said("sse-kit:close", "{}")]);
    }
    // One that has everything, as an `EventSource` comes back that does not know the close event.
    let mut complete = client(&answer, begin).await;
    let mut last = String::new();
    while let Some(message) = complete.next().await {
        last = message.last_event_id;
    }
    let rest = client(&answer, Some(last.parse()?)).await.rest().await;
    assert_eq!(rest[1..], [said("sse-kit:close", "{}")]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_page_that_was_away_for_longer_than_history_gets_a_gap_and_then_the_end() -> TestResult {
    let hub = Hub::builder().history(2).build()?;
    let tokens = stream::iter((0..10).map(|n| n.to_string()));
    let (answer, produce) = SharedStream::new(hub, "answer".parse()?, Answer::default(), tokens);
    let begin = text(&answer).1;
    produce.await?;
    let names: Vec<_> =
        client(&answer, begin).await.rest().await.into_iter().map(|m| m.0).collect();
    assert_eq!(names, ["sse-kit:hello", "sse-kit:gap", "message", "message", "sse-kit:close"]);
    assert_eq!(text(&answer).0, "0123456789", "the page reloads, and shows everything");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_producer_that_is_gone_ends_the_streams() -> TestResult {
    let (sender, tokens) = channel();
    let (answer, produce) =
        SharedStream::new(Hub::new(), "answer".parse()?, Answer::default(), tokens);
    let producing = tokio::spawn(produce);
    let mut page = client(&answer, text(&answer).1).await;
    sender.send("half".into()).await?;
    page.next().await.expect("a hello");
    page.next().await.expect("a token");
    producing.abort();
    assert_eq!(page.rest().await, [said("sse-kit:close", "{}")]);
    assert!(sender.is_closed());
    assert_eq!(text(&answer), ("half".to_owned(), None));
    let late = client(&answer, None).await.rest().await;
    assert_eq!(late.last(), Some(&said("sse-kit:close", "{}")));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_shuts_down_ends_the_producer() -> TestResult {
    let hub = Hub::new();
    let (sender, tokens) = channel();
    let (answer, produce) =
        SharedStream::new(hub.clone(), "answer".parse()?, Answer::default(), tokens);
    let producing = tokio::spawn(produce);
    let mut page = client(&answer, text(&answer).1).await;
    hub.shut_down(Goodbye::ComeBack { within: Duration::from_secs(1) });
    assert_eq!(page.rest().await.last(), Some(&said("sse-kit:shutdown", "{}")));
    sender.send("late".into()).await?;
    assert!(matches!(producing.await?, Err(PublishError::Closed)));
    assert_eq!(text(&answer), (String::new(), None));
    Ok(())
}

/// Heartbeats are off, as they are too late and may carry no position.
#[tokio::test(start_paused = true)]
async fn a_stream_of_which_history_has_nothing_ends_too() -> TestResult {
    for history in [0, 1, 10] {
        for (before, items, after) in [(0, 0, 0), (3, 0, 0), (0, 0, 3), (0, 3, 0), (3, 3, 3)] {
            let hub = Hub::builder().history(history).heartbeat(None).build()?;
            let earlier = hub.cursor();
            let others = async |count| -> TestResult {
                for _ in 0..count {
                    hub.publish("other".parse::<Topic>()?, Event::new("x")).await?;
                }
                Ok(())
            };
            others(before).await?;
            let tokens = stream::iter((0..items).map(|n| n.to_string()));
            let topic = "answer".parse()?;
            let (answer, produce) =
                SharedStream::new(hub.clone(), topic, Answer::default(), tokens);
            let mut open = client(&answer, None).await;
            produce.await?;
            others(after).await?;
            assert_eq!(open.rest().await.len(), 2 + items, "a hello, the items and the end");
            for from in [None, Some(earlier), Some(hub.cursor())] {
                let rest = client(&answer, from).await.rest().await;
                assert_eq!(rest.last(), Some(&said("sse-kit:close", "{}")), "{from:?} {rest:?}");
            }
        }
    }
    Ok(())
}

/// A page that appends what it gets, reloads on a gap, and is cut off at times.
struct Page {
    shown: String,
    cursor: Option<EventId>,
    body: SseBody,
}

impl Page {
    async fn load(answer: &SharedStream<Answer>) -> Self {
        let (shown, cursor) = text(answer);
        let body = Self::open(answer, cursor).await;
        Self { shown, cursor, body }
    }

    async fn open(answer: &SharedStream<Answer>, from: Option<EventId>) -> SseBody {
        let response = answer.open(from.map(Into::into)).await.expect("it is open");
        response.into_response().into_body()
    }

    /// Reads a frame; false when the page is told to stay away.
    async fn read(&mut self, answer: &SharedStream<Answer>) -> bool {
        let Some(Ok(frame)) = self.body.frame().await else { return false };
        let mut decoder = sse_kit_event::Decoder::new();
        decoder.push(&frame.into_data().expect("data")).expect("it is small");
        while let Some(decoded) = decoder.pop() {
            let sse_kit_event::Decoded::Message(message) = decoded else { continue };
            match &*message.name {
                "message" => self.shown.push_str(&message.data),
                "sse-kit:gap" => {
                    *self = Self::load(answer).await;
                    return self.cursor.is_some();
                }
                "sse-kit:close" => return false,
                _ => {}
            }
            self.cursor = message.last_event_id.parse().ok().or(self.cursor);
        }
        true
    }
}

#[tokio::test(start_paused = true)]
async fn pages_that_are_cut_off_anywhere_show_the_whole_answer() -> TestResult {
    let mut random = rng();
    for _ in 0..scaled(50) {
        let hub = Hub::builder().history(random.usize(1..8)).build()?;
        let tokens = random.usize(0..40);
        let expected = (0..tokens).map(|n| format!("{n} ")).collect::<Vec<_>>().concat();
        let pauses: Vec<u64> = (0..tokens).map(|_| random.u64(0..3)).collect();
        let items = stream::unfold(pauses.into_iter().enumerate(), async |mut pauses| {
            let (n, pause) = pauses.next()?;
            tokio::time::sleep(Duration::from_millis(pause)).await;
            Some((format!("{n} "), pauses))
        });
        let (answer, produce) = SharedStream::new(hub, "answer".parse()?, Answer::default(), items);
        let producing = tokio::spawn(produce);
        let mut page = Page::load(&answer).await;
        while page.read(&answer).await {
            if random.u8(..) < 60 {
                tokio::time::sleep(Duration::from_millis(random.u64(0..20))).await;
                page.body = Page::open(&answer, page.cursor).await;
            }
        }
        assert_eq!(page.shown, expected);
        producing.await??;
    }
    Ok(())
}
