//! User code that a dispatch calls: handlers, filters and transformers.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt;

use crate::failure::{BoxError, Failure};

/// A future that may be sent to another thread, on the heap.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A function of `A`, sync or async: both become a future.
pub(crate) struct Step<A, T>(Arc<dyn Fn(A) -> BoxFuture<Result<T, Failure>> + Send + Sync>);

impl<A: Send + 'static, T: 'static> Step<A, T> {
    pub(crate) fn new<F, R>(function: F) -> Self
    where
        F: Fn(A) -> R + Send + Sync + 'static,
        R: Future<Output = Result<T, BoxError>> + Send + 'static,
    {
        Self::failing(move |argument| {
            function(argument).map(|result| result.map_err(Failure::Error))
        })
    }

    /// For what knows by itself how it failed.
    pub(crate) fn failing<F, R>(function: F) -> Self
    where
        F: Fn(A) -> R + Send + Sync + 'static,
        R: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        Self(Arc::new(move |argument| Box::pin(function(argument))))
    }

    pub(crate) async fn run(&self, argument: A) -> Result<T, Failure> {
        catch_panic(|| (self.0)(argument)).await.unwrap_or_else(Err)
    }
}

/// Calls, and awaits what that gives; a panic in either is a failure.
pub(crate) async fn catch_panic<T>(call: impl FnOnce() -> BoxFuture<T>) -> Result<T, Failure> {
    // What is sync runs in the call itself, so the call stands inside too.
    let caught = AssertUnwindSafe(async move { call().await }).catch_unwind().await;
    caught.map_err(|payload| Failure::from_panic(&*payload))
}

impl<A, T> Clone for Step<A, T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
