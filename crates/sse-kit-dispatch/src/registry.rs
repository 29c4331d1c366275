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
    /// Checks that a registered namespace begins the event's full type, however the event was made:
    /// the type `admin:delete` reaches the handlers of the namespace `admin` too. A type of one
    /// segment is in no namespace.
    pub(crate) fn check_namespace(&self, event: &DomainEvent) -> Result<(), DispatchError> {
        let full_type = event.full_type().as_str();
        let Some((first, _)) = full_type.split_once(':').filter(|_| self.enforces_namespaces)
        else {
            return Ok(());
        };
        let is_registered = match event.namespace() {
            Some(namespace) => self.namespaces.contains(namespace),
            None => self.namespaces.iter().any(|namespace| {
                let rest = full_type.strip_prefix(namespace.as_str());
                rest.is_some_and(|rest| rest.starts_with(':'))
            }),
        };
        if is_registered {
            return Ok(());
        }
        let namespace = match event.namespace() {
            Some(namespace) => namespace.clone(),
            None => Namespace::new(first).expect("a segment of an event type is one itself"),
        };
        Err(DispatchError::UnknownNamespace { namespace })
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
