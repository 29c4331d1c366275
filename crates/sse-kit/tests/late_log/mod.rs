//! A log that takes an event before its node delivers it, as one on another machine does.

use std::collections::HashMap;
use std::future;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use sse_kit::broadcast::{Append, AppendError, Appended, Inlet, Log};
use sse_kit::event::{Epoch, EventId, IdempotencyKey};
use tokio::sync::mpsc::{self, UnboundedSender};

const EPOCH: Epoch = Epoch::new(1);

#[derive(Debug, Default)]
pub(crate) struct LateLog(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: u64,
    /// The ids of records that have an idempotency key.
    known: HashMap<IdempotencyKey, EventId>,
    way_back: Option<UnboundedSender<(EventId, Append)>>,
}

impl Log for LateLog {
    fn position(&self) -> EventId {
        EventId::new(EPOCH, 0)
    }

    fn attach(&self, inlet: Inlet) {
        let (sender, mut receiver) = mpsc::unbounded_channel::<(EventId, Append)>();
        self.0.lock().way_back = Some(sender);
        tokio::spawn(async move {
            while let Some((id, append)) = receiver.recv().await {
                for _ in 0..id.offset() % 7 {
                    tokio::task::yield_now().await;
                }
                if inlet.deliver_with(id, append.record, append.follow_ups).is_err() {
                    return;
                }
            }
        });
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        let mut state = self.0.lock();
        let id = EventId::new(EPOCH, state.last + 1);
        if let Some(once) = &append.once {
            if let Some(&id) = state.known.get(&once.key) {
                return Box::pin(future::ready(Ok(Appended::repeated(id))));
            }
            state.known.insert(once.key.clone(), id);
        }
        state.last += 1 + append.follow_ups.len() as u64;
        let way_back = state.way_back.as_ref().ok_or(AppendError::Closed);
        let sent = way_back.and_then(|it| it.send((id, append)).map_err(|_| AppendError::Closed));
        let appended = sent.map(|()| Appended::new(id));
        Box::pin(future::ready(appended))
    }

    fn is_shared(&self) -> bool {
        true
    }
}
