//! The part of Tokio that the broadcast core uses, under the scheduler of shuttle: tasks are shuttle's, and time
//! passes when the scheduler lets it.

pub use shuttle::future::spawn;
pub use tokio::{sync, task_local};

pub mod runtime;
pub mod task;
pub mod time;
