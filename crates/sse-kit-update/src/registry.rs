//! All that is registered, as it is at one moment.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use sse_kit_htmx::Updates;

use crate::handler::{Handler, Input};
use crate::step::Step;

/// All that is registered. Cheap to clone; an update works on its own copy, so registering
/// meanwhile is safe.
#[derive(Clone, Default)]
pub(crate) struct Registry {
    pub(crate) preprocessors: Vec<Step<Input, Value>>,
    /// By event type; the highest priority first, ties in order of registration.
    handlers: BTreeMap<Arc<str>, Vec<Handler>>,
    pub(crate) fallback: Option<Handler>,
    pub(crate) postprocessors: Vec<Step<Updates, Updates>>,
}

impl Registry {
    pub(crate) fn add(&mut self, event_type: &str, handler: Handler) {
        let handlers = self.handlers.entry(event_type.into()).or_default();
        let at = handlers.partition_point(|other| other.priority >= handler.priority);
        handlers.insert(at, handler);
    }

    pub(crate) fn clear(&mut self, event_type: &str) -> Vec<Handler> {
        self.handlers.remove(event_type).unwrap_or_default()
    }

    pub(crate) fn clear_all(&mut self) -> impl Sized + use<> {
        std::mem::take(&mut self.handlers)
    }

    pub(crate) fn event_types(&self) -> impl Iterator<Item = &str> {
        self.handlers.keys().map(AsRef::as_ref)
    }

    /// Those that an event of this type goes to: the fallback, where there are no others.
    pub(crate) fn handlers_of(&self, event_type: &str) -> &[Handler] {
        match self.handlers.get(event_type) {
            Some(handlers) => handlers,
            None => self.fallback.as_slice(),
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("handlers", &self.handlers)
            .field("fallback", &self.fallback)
            .field("preprocessors", &self.preprocessors.len())
            .field("postprocessors", &self.postprocessors.len())
            .finish()
    }
}
