//! Traces of the dispatcher.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use sse_kit_dispatch::middleware::{Middleware, Next};
use sse_kit_dispatch::{BoxFuture, DispatchError, Dispatched, DomainEvent, Ending};
use tokio::time::Instant;

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
/// An inspector records at most 100 dispatches a second, of all its traces.
#[derive(Clone, Debug)]
pub struct DispatchTrace {
    recorder: Option<Arc<Recorder>>,
}

/// The dispatches that were recorded in the current second, of [`MAX_A_SECOND`].
#[derive(Debug)]
pub(crate) struct TraceBudget {
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
    /// use sse_kit_inspector::{Inspector, AccessPolicy};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let inspector = Inspector::builder(Hub::new(), AccessPolicy::on_this_machine()).build()?;
    /// let dispatcher = Dispatcher::new();
    /// dispatcher.middleware(inspector.trace());
    /// # Ok(()) }
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "dispatch")))]
    pub fn trace(&self) -> DispatchTrace {
        DispatchTrace { recorder: self.recorder() }
    }
}

impl Middleware for DispatchTrace {
    fn call(
        &self,
        event: Arc<DomainEvent>,
        next: Next,
    ) -> BoxFuture<'static, Result<Dispatched, DispatchError>> {
        let recorder = self.recorder.clone();
        let recorder = recorder.filter(|recorder| recorder.trace_budget.lock().has_room());
        let Some(recorder) = recorder else { return next.run(event) };
        Box::pin(async move {
            let (at, began) = (SystemTime::now(), Instant::now());
            let outcome = next.run(Arc::clone(&event)).await;
            let took = began.elapsed();
            let event_type = event.full_type().to_string();
            let data = beginning_of_json(event.data(), MAX_DATA);
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

impl TraceBudget {
    pub(crate) fn begin() -> Self {
        Self { began: Instant::now(), recorded: 0 }
    }

    fn has_room(&mut self) -> bool {
        if self.began.elapsed() >= Duration::from_secs(1) {
            *self = Self::begin();
        }
        self.recorded += 1;
        self.recorded <= MAX_A_SECOND
    }
}

/// Returns the beginning of a value as JSON. The rest is not serialized, as this happens while the
/// app dispatches.
fn beginning_of_json(value: &impl Serialize, max: usize) -> String {
    let mut beginning = Beginning { text: Vec::with_capacity(max + 4), max };
    // An error says that it was cut off.
    let is_whole = serde_json::to_writer(&mut beginning, value).is_ok();
    let text = String::from_utf8_lossy(&beginning.text);
    // A character that was cut is left out.
    let text = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
    if is_whole { text.to_owned() } else { format!("{text}…") }
}

/// The beginning of the text that is written to it.
struct Beginning {
    text: Vec<u8>,
    max: usize,
}

impl io::Write for Beginning {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.max - self.text.len();
        if room == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = &bytes[..bytes.len().min(room)];
        self.text.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use sse_kit_broadcast::Hub;
    use sse_kit_dispatch::Dispatcher;

    use super::*;
    use crate::access_policy::AccessPolicy;

    #[test]
    fn only_the_beginning_of_the_data_is_serialized() {
        /// Counts the items that are serialized.
        struct Items<'a>(&'a Cell<usize>);

        impl Serialize for Items<'_> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_seq((0..100_000).inspect(|_| self.0.set(self.0.get() + 1)))
            }
        }

        let items = Cell::new(0);
        let begun = beginning_of_json(&Items(&items), 10);
        assert_eq!(begun, "[0,1,2,3,4…");
        assert!(items.get() < 10, "{}", items.get());
        assert_eq!(beginning_of_json(&"ab", 4), "\"ab\"");
        assert_eq!(beginning_of_json(&"añb", 3), "\"a…");
    }

    #[tokio::test(start_paused = true)]
    async fn an_inspector_records_so_many_a_second_of_all_its_traces() {
        let builder = Inspector::builder(Hub::new(), AccessPolicy::checked_by_the_app());
        let inspector = builder.in_release_builds().build().unwrap();
        let (one, other) = (Dispatcher::new(), Dispatcher::new());
        one.middleware(inspector.trace());
        other.middleware(inspector.trace());
        let recorded = || inspector.recorder().unwrap().traces.lock().numbered().count();
        let dispatch = async || {
            for dispatcher in [&one, &other] {
                for _ in 0..80 {
                    let event = DomainEvent::new("a", &serde_json::json!({})).unwrap();
                    assert!(dispatcher.dispatch(event).await.unwrap().errors.is_empty());
                }
            }
        };
        dispatch().await;
        assert_eq!(recorded(), 100);
        tokio::time::advance(Duration::from_secs(1)).await;
        dispatch().await;
        assert_eq!(recorded(), 128, "as many as are kept");
    }
}
