//! All handlers, and which of them an event is for.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::fmt;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use serde_json::Value;
use sse_kit_event::TopicPattern;

use crate::event::DomainEvent;
use crate::event_type::EventType;
use crate::globs::Globs;
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
    wild: HashMap<TopicPattern, List<T>>,
    /// The patterns that no look-up finds, compiled when an event first needs them. A pattern that was removed stays
    /// compiled until there is a new one to compile, and leads to no handler.
    globs: OnceLock<Arc<Globs>>,
}

/// A handler and its identity. Removing handlers returns them, so that the caller drops them when it
/// holds no lock: a handler may own anything, even the registry that it was in.
#[derive(Debug)]
pub struct Registered<T = Value> {
    id: HandlerId,
    handler: Handler<T>,
}

/// The results and failures of the handlers of one event, each in the order of the calls.
#[derive(Debug)]
#[non_exhaustive]
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
            Pattern::Wild(pattern) => match self.wild.entry(pattern.clone()) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    if needs_glob(pattern) {
                        self.globs = OnceLock::new();
                    }
                    entry.insert(Vec::new())
                }
            },
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
        let parent = text.rfind(':').map_or("", |colon| &text[..=colon]);
        let siblings = self.wild.get(&*format!("{parent}*"));
        let globs = self.globs.get_or_init(|| Arc::new(self.compile()));
        let by_glob = globs.matching(text).into_iter().filter_map(|pattern| self.wild.get(pattern));
        let wild = siblings.into_iter().chain(by_glob).flatten();
        let mut handlers: Vec<_> = exact.chain(wild).map(|registered| &**registered).collect();
        handlers.sort_unstable_by_key(|it| (Reverse(it.handler.priority), it.id.number));
        handlers
    }

    fn compile(&self) -> Globs {
        Globs::new(self.wild.keys().filter(|pattern| needs_glob(pattern)).cloned().collect())
    }

    fn all(&self) -> impl Iterator<Item = &Registered<T>> {
        self.exact.values().chain(self.wild.values()).flatten().map(|registered| &**registered)
    }

    fn take(
        &mut self,
        pattern: &Pattern,
        mut which: impl FnMut(&Registered<T>) -> bool,
    ) -> List<T> {
        let take = |handlers: &mut List<T>| {
            handlers.extract_if(.., |registered| which(registered)).collect()
        };
        match pattern {
            Pattern::Exact(event_type) => take_from(&mut self.exact, event_type, take),
            Pattern::Wild(pattern) => take_from(&mut self.wild, pattern, take),
        }
    }
}

fn take_from<K: Eq + Hash, T>(
    lists: &mut HashMap<K, List<T>>,
    key: &K,
    take: impl FnOnce(&mut List<T>) -> List<T>,
) -> List<T> {
    let Some(handlers) = lists.get_mut(key) else { return Vec::new() };
    let taken = take(handlers);
    if handlers.is_empty() {
        lists.remove(key);
    }
    taken
}

/// Returns `true` if no look-up finds the pattern: `job:*` is found by the parent of an event's type.
fn needs_glob(pattern: &TopicPattern) -> bool {
    let text = pattern.as_str();
    let (parent, last) = text.rsplit_once(':').unwrap_or(("", text));
    parent.contains('*') || last != "*"
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
        Self { exact: self.exact.clone(), wild: self.wild.clone(), globs: self.globs.clone() }
    }
}

impl<T> Default for Handlers<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), wild: HashMap::new(), globs: OnceLock::new() }
    }
}

impl<T: Send + 'static> fmt::Debug for Handlers<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let patterns = self.all().map(|registered| registered.id.pattern.as_str());
        f.debug_set().entries(patterns.collect::<BTreeSet<_>>()).finish()
    }
}
