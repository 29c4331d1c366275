//! Tasks that let others run.

pub use shuttle::future::yield_now;

/// The budget of a task.
pub mod coop {
    use std::future::{Ready, ready};

    /// Returns immediately. A task has no budget here: shuttle lets others run wherever there is a
    /// lock.
    pub fn consume_budget() -> Ready<()> {
        ready(())
    }
}
