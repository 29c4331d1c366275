//! All handlers, and which of them an event is for.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use sse_kit_event::TopicPattern;

use crate::event::DomainEvent;
use crate::event_type::EventType;
use crate::handler::{Handler, HandlerError, HandlerResult};
use crate::pattern::Pattern;

type List<T> = Vec<Arc<Registered<T>>>;

/// The identity of a registered handler, to remove it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HandlerId {
    pattern: Pattern,
    number: u64,
}

/// Handlers by their patterns: the registry of a [`Dispatcher`](crate::Dispatcher), and of others
/// that call handlers, such as the element updater of sse-kit.
///
/// Cheap to clone; a clone is a snapshot.
pub struct Handlers<T = Value> {
    exact: HashMap<EventType, List<T>>,
    /// By the length of the literal text before the first wildcard, then by that text. A pattern
    /// matches only types that begin with this text, so an event looks up each length that occurs,
    /// and matches the few patterns that it finds there, however many others there are.
    wild: BTreeMap<usize, HashMap<Box<str>, List<T>>>,
}

/// A handler and its identity. What is removed is returned as one, to be dropped when no lock is
/// held: a handler may own anything, also the registry that it was in.
#[derive(Debug)]
pub struct Registered<T = Value> {
    id: HandlerId,
    handler: Handler<T>,
}

/// The results and failures of the handlers of one event, each in the order of the calls.
#[derive(Debug)]
#[must_use = "the errors of handlers are in it"]
pub struct Called<T = Value> {
    /// The results of those that returned one.
    pub results: Vec<HandlerResult<T>>,
    /// The failures of the others, which are logged already.
    pub errors: Vec<HandlerError>,
}

impl<T: Send + 'static> Handlers<T> {
    /// Adds a handler.
    pub fn insert(&mut self, pattern: Pattern, handler: Handler<T>) -> HandlerId {
        // One count for all registries, so that none takes another's id for its own.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let id = HandlerId { pattern, number };
        let handlers = match &id.pattern {
            Pattern::Exact(event_type) => self.exact.entry(event_type.clone()).or_default(),
            Pattern::Wild(pattern) => {
                let prefix = pattern.literal_prefix();
                let same_length = self.wild.entry(prefix.len()).or_default();
                same_length.entry(prefix.into()).or_default()
            }
        };
        handlers.push(Arc::new(Registered { id: id.clone(), handler }));
        id
    }

    /// Removes one handler.
    pub fn remove(&mut self, id: &HandlerId) -> Option<Arc<Registered<T>>> {
        self.take(&id.pattern, |registered| registered.id == *id).pop()
    }

    /// Removes the handlers of one pattern.
    pub fn clear(&mut self, pattern: &Pattern) -> Vec<Arc<Registered<T>>> {
        self.take(pattern, |registered| registered.id.pattern == *pattern)
    }

    /// Returns the number of handlers.
    pub fn len(&self) -> usize {
        self.all().count()
    }

    /// Returns `true` if there is no handler.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the patterns that have a handler, in alphabetical order.
    pub fn patterns(&self) -> Vec<Pattern> {
        let mut patterns: Vec<_> = self.all().map(|registered| &registered.id.pattern).collect();
        patterns.sort_unstable_by_key(|pattern| pattern.as_str());
        patterns.dedup();
        patterns.into_iter().cloned().collect()
    }

    /// Calls the handlers that an event is for, one after another: the highest priority first, and
    /// those of the same priority in order of registration.
    ///
    /// A handler that fails or panics is logged, and the others are called all the same.
    ///
    /// # Cancel safety
    ///
    /// The handler that runs is dropped where it waits, and those after it are not called.
    pub async fn call(&self, event: &Arc<DomainEvent>) -> Called<T> {
        let mut called = Called { results: Vec::new(), errors: Vec::new() };
        for (index, registered) in self.matching(event.full_type()).into_iter().enumerate() {
            let pattern = registered.id.pattern.clone();
            match registered.handler.callback.call(Arc::clone(event)).await {
                Ok(value) => called.results.push(HandlerResult { pattern, value }),
                Err(source) => {
                    let event_type = event.full_type().clone();
                    let error = HandlerError { pattern, index, event_type, source };
                    log(&error);
                    called.errors.push(error);
                }
            }
        }
        called
    }

    fn matching(&self, full_type: &EventType) -> Vec<&Registered<T>> {
        let text = full_type.as_str();
        let exact = self.exact.get(full_type).into_iter().flatten();
        let same_prefix = self.wild.range(..=text.len()).filter_map(|(&length, by_prefix)| {
            // Not `Some` in the middle of a character, which no prefix ends in.
            by_prefix.get(text.get(..length)?)
        });
        let wild = same_prefix.flatten().filter(|it| it.id.pattern.matches(full_type));
        let mut handlers: Vec<_> = exact.chain(wild).map(|registered| &**registered).collect();
        handlers.sort_unstable_by_key(|it| (Reverse(it.handler.priority), it.id.number));
        handlers
    }

    fn all(&self) -> impl Iterator<Item = &Registered<T>> {
        let wild = self.wild.values().flat_map(HashMap::values);
        self.exact.values().chain(wild).flatten().map(|registered| &**registered)
    }

    fn take(
        &mut self,
        pattern: &Pattern,
        mut which: impl FnMut(&Registered<T>) -> bool,
    ) -> List<T> {
        let mut take = |handlers: &mut List<T>| {
            handlers.extract_if(.., |registered| which(registered)).collect()
        };
        match pattern {
            Pattern::Exact(event_type) => {
                let Some(handlers) = self.exact.get_mut(event_type) else { return Vec::new() };
                let taken = take(handlers);
                if handlers.is_empty() {
                    self.exact.remove(event_type);
                }
                taken
            }
            Pattern::Wild(pattern) => self.take_wild(pattern, take),
        }
    }

    fn take_wild(
        &mut self,
        pattern: &TopicPattern,
        take: impl FnOnce(&mut List<T>) -> List<T>,
    ) -> List<T> {
        let prefix = pattern.literal_prefix();
        let Some(by_prefix) = self.wild.get_mut(&prefix.len()) else { return Vec::new() };
        let Some(handlers) = by_prefix.get_mut(prefix) else { return Vec::new() };
        let taken = take(handlers);
        if handlers.is_empty() {
            by_prefix.remove(prefix);
        }
        if by_prefix.is_empty() {
            self.wild.remove(&prefix.len());
        }
        taken
    }
}

/// Logs the failure of a handler, with its causes.
fn log(error: &HandlerError) {
    tracing::error!(
        event_type = %error.event_type,
        pattern = %error.pattern,
        index = error.index,
        error = error as &dyn Error,
        "a handler failed",
    );
}

impl<T> Clone for Handlers<T> {
    fn clone(&self) -> Self {
        Self { exact: self.exact.clone(), wild: self.wild.clone() }
    }
}

impl<T> Default for Handlers<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), wild: BTreeMap::new() }
    }
}

impl<T: Send + 'static> fmt::Debug for Handlers<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let patterns = self.all().map(|registered| registered.id.pattern.as_str());
        f.debug_set().entries(patterns.collect::<BTreeSet<_>>()).finish()
    }
}
