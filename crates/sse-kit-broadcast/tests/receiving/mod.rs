//! The deliveries of a subscriber, in a form that is easy to compare.

use futures_util::FutureExt;
use sse_kit_broadcast::{Delivery, Goodbye, Subscription};
use sse_kit_event::EventId;
use sse_kit_event::control::GapReason;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    Data(String),
    /// From, to, why.
    Gap(Option<u64>, u64, GapReason),
    Heartbeat,
    Goodbye(Goodbye),
    End,
}

pub(crate) fn data(text: &str) -> Received {
    Received::Data(text.to_owned())
}

/// Takes all that is there, and the end of the stream with it.
pub(crate) async fn received(subscription: &mut Subscription) -> Vec<Received> {
    let mut all = Vec::new();
    while let Some(delivery) = subscription.recv().now_or_never() {
        let Some(delivery) = delivery else {
            all.push(Received::End);
            break;
        };
        all.push(match delivery {
            Delivery::Entry(entry) => Received::Data(data_of(entry.frame())),
            Delivery::Direct(frame) => Received::Data(data_of(&frame)),
            Delivery::Gap(gap) => {
                Received::Gap(gap.from.map(EventId::offset), gap.to.offset(), gap.reason)
            }
            Delivery::Heartbeat { .. } => Received::Heartbeat,
            Delivery::Goodbye(goodbye) => Received::Goodbye(goodbye),
            other => panic!("unexpected: {other:?}"),
        });
    }
    all
}

/// Lets the tasks of the hub do what they can do now.
pub(crate) async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn data_of(frame: &[u8]) -> String {
    let text = std::str::from_utf8(frame).expect("UTF-8");
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.collect::<Vec<_>>().join("\n")
}
