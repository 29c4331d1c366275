//! When a subscriber is too slow.

/// What happens when a subscriber is so slow that its queue is full. Others never notice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlowConsumer {
    /// It catches up from history once it has taken what is queued. Only what history has dropped
    /// by then is lost, and it is told so by one gap event.
    #[default]
    Heal,
    /// Of events with the same [key](sse_kit_event::EventKey) and topic only the newest waits for
    /// it, whether its queue is full or not; what it is given from history is thinned in the same
    /// way, a page at a time. Beyond that as `Heal`.
    Conflate,
    /// The oldest event in its queue is dropped, and it is told so by a gap event.
    DropOldest,
    /// It is ended, after what is queued. A client resumes when it comes back.
    Disconnect,
}
