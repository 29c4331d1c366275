//! All that is registered, as it is at one moment.

use sse_kit_dispatch::{Callback, DomainEvent, Handlers};
use sse_kit_htmx::Updates;

use crate::page_updates::PageUpdates;

/// All that is registered. Cheap to clone; an update works on its own copy, so registering
/// meanwhile is safe.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry {
    pub(crate) preprocessors: Vec<Callback<DomainEvent, DomainEvent>>,
    pub(crate) handlers: Handlers<PageUpdates>,
    /// One handler of every event at most.
    pub(crate) fallback: Handlers<PageUpdates>,
    pub(crate) postprocessors: Vec<Callback<Updates, PageUpdates>>,
}
