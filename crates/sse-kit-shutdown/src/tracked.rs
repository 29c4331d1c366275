//! Guards that a shutdown waits for.

use std::sync::Arc;

use tokio::sync::watch;

/// A counter of guards that can be awaited until it is 0.
#[derive(Debug)]
pub(crate) struct Count(watch::Sender<usize>);

impl Default for Count {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Count {
    pub(crate) fn get(&self) -> usize {
        *self.0.borrow()
    }

    pub(crate) async fn none_left(&self) {
        let mut changes = self.0.subscribe();
        // Cannot fail: `self` keeps the channel open.
        let _ = changes.wait_for(|count| *count == 0).await;
    }

    fn add(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    fn remove(&self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// A guard that is counted until it is dropped.
#[derive(Debug)]
struct Counted(Arc<Count>);

impl Counted {
    fn new(count: &Arc<Count>) -> Self {
        count.add();
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.remove();
    }
}

/// A connection that a shutdown waits for after the goodbye: see
/// [`Shutdown::track`](crate::Shutdown::track).
#[derive(Debug)]
#[must_use = "the connection is tracked only until this is dropped"]
pub struct Tracked(Option<Counted>);

impl Tracked {
    pub(crate) fn new(count: &Arc<Count>) -> Self {
        Self(Some(Counted::new(count)))
    }

    /// Stops tracking, as dropping it does. Further calls do nothing.
    pub fn untrack(&mut self) {
        self.0 = None;
    }
}

/// Work that a shutdown waits for before the goodbye: see
/// [`Shutdown::work`](crate::Shutdown::work).
#[derive(Debug)]
#[must_use = "a shutdown waits only until this is dropped"]
pub struct Work(#[expect(dead_code, reason = "it counts by being there")] Counted);

impl Work {
    pub(crate) fn new(count: &Arc<Count>) -> Self {
        Self(Counted::new(count))
    }
}
