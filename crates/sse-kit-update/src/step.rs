//! User code that an update calls: handlers and processors.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt;

use crate::failure::Failure;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A function of `A`, sync or async: both become a future.
pub(crate) struct Step<A, T>(Arc<dyn Fn(A) -> BoxFuture<Result<T, Failure>> + Send + Sync>);

impl<A: Send + 'static, T: 'static> Step<A, T> {
    pub(crate) fn new<F, R>(function: F) -> Self
    where
        F: Fn(A) -> R + Send + Sync + 'static,
        R: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        Self(Arc::new(move |argument| Box::pin(function(argument))))
    }

    /// A panic of it is a failure like any other.
    pub(crate) async fn run(&self, argument: A) -> Result<T, Failure> {
        // What is sync runs in the call itself, so the call stands inside too.
        let caught = AssertUnwindSafe(async { (self.0)(argument).await }).catch_unwind().await;
        caught.unwrap_or_else(|payload| Err(Failure::from_panic(&*payload)))
    }
}

impl<A, T> Clone for Step<A, T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
