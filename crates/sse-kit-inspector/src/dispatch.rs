//! Traces of the dispatcher.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use sse_kit_dispatch::middleware::{Middleware, Next};
use sse_kit_dispatch::{BoxFuture, DispatchError, Dispatched, DomainEvent, Ending};

use crate::inspector::Inspector;
use crate::recorder::Recorder;
use crate::text::shortened;

/// The maximum number of bytes of an event's data, and of an outcome, in a trace.
const MAX_DATA: usize = 200;
const MAX_OUTCOME: usize = 300;

/// The maximum number of dispatches that are recorded in a second.
const MAX_A_SECOND: u32 = 100;

/// A dispatch, as it is recorded.
#[derive(Clone, Debug)]
pub(crate) struct Traced {
    pub(crate) number: u64,
    pub(crate) at: SystemTime,
    pub(crate) took: Duration,
    pub(crate) event_type: String,
    pub(crate) data: String,
    pub(crate) outcome: String,
    pub(crate) has_failed: bool,
}

/// A middleware that shows dispatches in the inspector: how long everything after it took, and how it
/// ended. See [`Inspector::trace`].
///
/// At most 100 dispatches are recorded in a second.
#[derive(Clone, Debug)]
pub struct Trace {
    recorder: Option<Arc<Recorder>>,
    second: Arc<Mutex<Second>>,
}

/// The dispatches that were recorded in a second.
#[derive(Debug)]
struct Second {
    began: Instant,
    recorded: u32,
}

impl Inspector {
    /// Returns a middleware for a dispatcher. Add it first: then it stands outermost, and times all
    /// other middleware and the handlers. If the inspector is off, it only passes events on.
    ///
    /// ```
    /// # use sse_kit_broadcast::Hub;
    /// use sse_kit_dispatch::Dispatcher;
    /// use sse_kit_inspector::{Inspector, Viewers};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let inspector = Inspector::builder(Hub::new(), Viewers::on_this_machine()).build()?;
    /// let dispatcher = Dispatcher::new();
    /// dispatcher.middleware(inspector.trace());
    /// # Ok(()) }
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "dispatch")))]
    pub fn trace(&self) -> Trace {
        let second = Second { began: Instant::now(), recorded: 0 };
        Trace { recorder: self.recorder(), second: Arc::new(Mutex::new(second)) }
    }
}

impl Middleware for Trace {
    fn call(
        &self,
        event: Arc<DomainEvent>,
        next: Next,
    ) -> BoxFuture<'static, Result<Dispatched, DispatchError>> {
        let recorder = self.recorder.clone().filter(|_| self.second.lock().has_room());
        let Some(recorder) = recorder else { return next.run(event) };
        Box::pin(async move {
            let (at, began) = (SystemTime::now(), Instant::now());
            let outcome = next.run(Arc::clone(&event)).await;
            let took = began.elapsed();
            let event_type = event.full_type().to_string();
            let data = shortened(&event.data().to_string(), MAX_DATA);
            let (said, has_failed) = describe(&outcome);
            let outcome_text = shortened(&said, MAX_OUTCOME);
            recorder.traces.lock().push(|number| Traced {
                number,
                at,
                took,
                event_type,
                data,
                outcome: outcome_text,
                has_failed,
            });
            outcome
        })
    }
}

impl Second {
    fn has_room(&mut self) -> bool {
        if self.began.elapsed() >= Duration::from_secs(1) {
            *self = Self { began: Instant::now(), recorded: 0 };
        }
        self.recorded += 1;
        self.recorded <= MAX_A_SECOND
    }
}

/// Returns the outcome for people, and whether something failed.
fn describe(outcome: &Result<Dispatched, DispatchError>) -> (String, bool) {
    match outcome {
        Err(error) => (format!("not dispatched: {error}"), true),
        Ok(Dispatched { ending: Ending::Stopped { by }, .. }) => {
            (format!("stopped by {by}"), false)
        }
        Ok(Dispatched { results, errors, .. }) => match &errors[..] {
            // It may have none, as the updater and others get it after the dispatcher.
            [] if results.is_empty() => ("handled".to_owned(), false),
            [] => (handlers(results.len()), false),
            [first, ..] => {
                let all = handlers(results.len() + errors.len());
                (format!("{} of {all} failed: {first}", errors.len()), true)
            }
        },
    }
}

fn handlers(count: usize) -> String {
    if count == 1 { "1 handler".to_owned() } else { format!("{count} handlers") }
}
