//! All handlers, and which of them an event is for.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::event_type::EventType;
use crate::globs::Globs;
use crate::handler::Handler;
use crate::pattern::Pattern;

/// Which handler is meant, to remove it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HandlerId {
    pattern: Pattern,
    number: u64,
}

/// A handler, and where it stands.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) id: HandlerId,
    pub(crate) handler: Handler,
}

impl Registered {
    pub(crate) fn new(pattern: Pattern, handler: Handler) -> Self {
        // One count for all dispatchers, so that none takes another's id for its own.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { id: HandlerId { pattern, number }, handler }
    }

    pub(crate) fn pattern(&self) -> &Pattern {
        &self.id.pattern
    }
}

/// All handlers by their patterns.
///
/// Event types have no `*`, so a pattern that is the event's full type has no wildcard, and one
/// that is its full type with `*` for the last segment has no other. Both are looked up; only what
/// is left is compiled, when it is first needed. What is removed stays compiled until there is
/// something new to compile, and leads to no handler.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handlers {
    by_pattern: HashMap<Pattern, Vec<Arc<Registered>>>,
    globs: OnceLock<Arc<Globs>>,
}

impl Handlers {
    pub(crate) fn insert(&mut self, registered: Registered) {
        let handlers = match self.by_pattern.entry(registered.pattern().clone()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                if needs_glob(entry.key()) {
                    self.globs = OnceLock::new();
                }
                entry.insert(Vec::new())
            }
        };
        handlers.push(Arc::new(registered));
    }

    /// Takes one out, to be dropped where user code may run.
    pub(crate) fn remove(&mut self, id: &HandlerId) -> Option<Arc<Registered>> {
        let handlers = self.by_pattern.get_mut(&id.pattern)?;
        let at = handlers.iter().position(|registered| registered.id == *id)?;
        let removed = handlers.remove(at);
        if handlers.is_empty() {
            self.by_pattern.remove(&id.pattern);
        }
        Some(removed)
    }

    /// Takes those of one pattern out, to be dropped where user code may run.
    pub(crate) fn clear(&mut self, pattern: &Pattern) -> Vec<Arc<Registered>> {
        self.by_pattern.remove(pattern).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_pattern.values().map(Vec::len).sum()
    }

    /// Those that an event of this type is for, in the order in which they are called.
    pub(crate) fn of(&self, full_type: &EventType) -> Vec<&Registered> {
        let text = full_type.as_str();
        let parent = text.rfind(':').map_or("", |colon| &text[..=colon]);
        let siblings = self.by_pattern.get(&*format!("{parent}*"));
        let globs = self.globs.get_or_init(|| Arc::new(self.compile()));
        let matching = globs.matching(text).into_iter();

        let lists = self.by_pattern.get(text).into_iter().chain(siblings);
        let lists = lists.chain(matching.filter_map(|pattern| self.by_pattern.get(pattern)));
        let mut handlers: Vec<&Registered> = lists.flatten().map(|handler| &**handler).collect();
        handlers.sort_unstable_by_key(|it| (Reverse(it.handler.priority), it.id.number));
        handlers
    }

    fn compile(&self) -> Globs {
        Globs::new(self.by_pattern.keys().filter(|pattern| needs_glob(pattern)).cloned().collect())
    }
}

/// Whether it is not found by looking it up.
fn needs_glob(pattern: &Pattern) -> bool {
    let text = pattern.as_str();
    let (parent, last) = text.rsplit_once(':').unwrap_or(("", text));
    pattern.glob().is_some() && (parent.contains('*') || last != "*")
}
