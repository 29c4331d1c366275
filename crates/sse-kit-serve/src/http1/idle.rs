//! The wait of a connection for its next request.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::connection::{Lifetime, Stop};

/// The timer of an idle connection, and its look at the shutdown. They are kept from one request to the
/// next: to move a registered timer to a later time takes no lock, and to register a new one takes two.
#[derive(Default)]
pub(super) struct Idle(Option<Box<Waiting>>);

struct Waiting {
    timer: Pin<Box<Sleep>>,
    stop: Stop,
}

impl Idle {
    /// Awaits a future. Returns `None` if it takes longer than `longest`, or if the server stops.
    pub(super) async fn wait<T>(
        &mut self,
        future: impl Future<Output = T>,
        longest: Duration,
        lifetime: &Lifetime,
    ) -> Option<T> {
        let mut future = pin!(future);
        let mut begun = false;
        poll_fn(|cx| {
            if let Poll::Ready(done) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            let waiting = self.0.get_or_insert_with(|| {
                let timer = Box::pin(tokio::time::sleep(longest));
                Box::new(Waiting { timer, stop: lifetime.stop() })
            });
            if !std::mem::replace(&mut begun, true) {
                waiting.timer.as_mut().reset(Instant::now() + longest);
            }
            let is_over =
                waiting.timer.as_mut().poll(cx).is_ready() || waiting.stop.poll(cx).is_ready();
            if is_over { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }

    /// Frees the memory, which a stream does not need.
    pub(super) fn clear(&mut self) {
        self.0 = None;
    }
}
