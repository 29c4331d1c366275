//! Futures that end although they are dropped.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// A future that is finished by a task when it is dropped before it is ready.
///
/// Most are never dropped, and have no need of a task.
pub(super) struct RunToEnd<F>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    /// `None` once it is ready, and when it has panicked.
    future: Option<Pin<Box<F>>>,
    runtime: Option<Handle>,
}

impl<F> RunToEnd<F>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    pub(super) fn new(future: F) -> Self {
        Self { future: Some(Box::pin(future)), runtime: Handle::try_current().ok() }
    }
}

impl<F> Future for RunToEnd<F>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // Taken out, so that nothing is left of a future that panics.
        let Some(mut future) = self.future.take() else { return Poll::Pending };
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(output),
            Poll::Pending => {
                self.future = Some(future);
                Poll::Pending
            }
        }
    }
}

impl<F> Drop for RunToEnd<F>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn drop(&mut self) {
        match (self.future.take(), &self.runtime) {
            (None, _) => {}
            // Its owner is the lock of the state that it holds: the next change waits for it.
            (Some(future), Some(runtime)) => drop(runtime.spawn(future)),
            (Some(_), None) => tracing::error!(
                "a change was dropped before its events were published, outside of a Tokio runtime"
            ),
        }
    }
}
