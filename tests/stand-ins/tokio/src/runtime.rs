//! The runtime on which the core's own tasks run.

use std::convert::Infallible;

/// A runtime of one worker.
#[derive(Clone, Debug)]
pub struct Handle(());

/// The metrics of a runtime.
#[derive(Clone, Copy, Debug)]
pub struct RuntimeMetrics(());

impl Handle {
    /// Returns the runtime, which is always there.
    ///
    /// # Errors
    ///
    /// None.
    pub fn try_current() -> Result<Self, Infallible> {
        Ok(Self(()))
    }

    /// Spawns a task, which runs by itself.
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        drop(shuttle::future::spawn(task));
    }

    /// Returns the metrics of the runtime.
    pub fn metrics(&self) -> RuntimeMetrics {
        RuntimeMetrics(())
    }
}

impl RuntimeMetrics {
    /// Returns the number of workers.
    pub fn num_workers(&self) -> usize {
        1
    }
}
