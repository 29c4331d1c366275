//! All that is registered with a dispatcher.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use crate::callback::Callback;
use crate::dispatch::DispatchError;
use crate::event::DomainEvent;
use crate::handlers::Handlers;
use crate::middleware::Middleware;
use crate::namespace::Namespace;

/// All that is registered with a dispatcher. A dispatch holds one and sees no change of it.
#[derive(Clone, Default)]
pub(crate) struct Registry {
    pub(crate) namespaces: HashSet<Namespace>,
    pub(crate) enforces_namespaces: bool,
    pub(crate) filters: Vec<Callback<Arc<DomainEvent>, bool>>,
    pub(crate) transformers: Vec<Callback<DomainEvent, DomainEvent>>,
    pub(crate) middleware: Vec<Arc<dyn Middleware>>,
    pub(crate) handlers: Handlers,
}

impl Registry {
    /// An event without a namespace is always welcome.
    pub(crate) fn check_namespace(&self, event: &DomainEvent) -> Result<(), DispatchError> {
        match event.namespace() {
            Some(namespace) if self.enforces_namespaces && !self.namespaces.contains(namespace) => {
                Err(DispatchError::UnknownNamespace { namespace: namespace.clone() })
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("namespaces", &self.namespaces)
            .field("enforces_namespaces", &self.enforces_namespaces)
            .field("filters", &self.filters.len())
            .field("transformers", &self.transformers.len())
            .field("middleware", &self.middleware.len())
            .field("handlers", &self.handlers.len())
            .finish()
    }
}
