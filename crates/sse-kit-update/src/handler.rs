//! What makes updates of an event.

use std::fmt;
use std::future;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;
use sse_kit_htmx::Updates;

use crate::failure::{DataError, Failure};
use crate::into_updates::IntoUpdates;
use crate::step::Step;

/// What makes updates of an event, and when, among the others of its type.
///
/// Most are made by [`ElementUpdater::on`](crate::ElementUpdater::on) and its kin; this one is for
/// those that have a priority:
///
/// ```
/// use sse_kit_htmx::{Html, Update};
/// use sse_kit_update::{ElementUpdater, Handler};
///
/// let updater = ElementUpdater::new();
/// let total = Handler::new(|n: u64| Ok(Update::fill("total".parse()?, &Html::text(n))?));
/// updater.register("job:counted", total.priority(10));
/// ```
#[derive(Clone)]
pub struct Handler {
    pub(crate) step: Step<Input, Updates>,
    pub(crate) priority: i32,
}

/// The event type, and the data.
pub(crate) type Input = (Arc<str>, Arc<Value>);

impl Handler {
    /// A handler of data of a type; [`Value`] takes any. Where they do not fit, it fails with
    /// [`Failure::Data`], and is not called.
    pub fn new<D, T>(handler: impl Fn(D) -> T + Send + Sync + 'static) -> Self
    where
        D: DeserializeOwned,
        T: IntoUpdates,
    {
        Self::from_step(Step::new(move |(_, data): Input| {
            let made = read(&data).and_then(|data| finish(handler(data)));
            future::ready(made)
        }))
    }

    /// As [`Handler::new`], for a handler that waits.
    pub fn new_async<D, R>(handler: impl Fn(D) -> R + Send + Sync + 'static) -> Self
    where
        D: DeserializeOwned,
        R: Future<Output: IntoUpdates> + Send + 'static,
    {
        Self::from_step(Step::new(move |(_, data): Input| {
            let making = read(&data).map(&handler);
            async move { finish(making?.await) }
        }))
    }

    /// The higher, the sooner; those of the same priority are called in order of registration.
    /// Default: 0.
    pub fn priority(self, priority: i32) -> Self {
        Self { priority, ..self }
    }

    pub(crate) fn from_step(step: Step<Input, Updates>) -> Self {
        Self { step, priority: 0 }
    }
}

/// What a handler returned, as updates.
pub(crate) fn finish(returned: impl IntoUpdates) -> Result<Updates, Failure> {
    returned.into_updates().map_err(Failure::Error)
}

fn read<D: DeserializeOwned>(data: &Value) -> Result<D, Failure> {
    serde_path_to_error::deserialize(data).map_err(|error| {
        let path = error.path().to_string();
        Failure::Data(DataError { path, source: error.into_inner() })
    })
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler").field("priority", &self.priority).finish_non_exhaustive()
    }
}
