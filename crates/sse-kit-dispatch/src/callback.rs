//! Functions of the app: handlers, filters, transformers, processors.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_core::future::BoxFuture;
use futures_util::FutureExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sse_kit_event::{StaticTopic, Topic};

use crate::event::{DataError, DomainEvent};

/// Any error that a callback fails with.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A value that a callback may return where a `T` is wanted, or a `Result` of one with any error.
///
/// A callback that never fails returns the value itself. One that returns `Ok(…)` says the type of its error,
/// unless something in it does: otherwise the compiler cannot infer it (E0282).
///
/// ```
/// use sse_kit_dispatch::{BoxError, Dispatcher};
/// use serde_json::json;
///
/// let dispatcher = Dispatcher::new();
/// dispatcher.on("job:done", |_| ())?;
/// dispatcher.on("job:done", |event| json!({ "seen": event.priority() }))?;
/// // A closure that uses `?` says which error it returns.
/// dispatcher.on("job:done", |event| -> Result<_, BoxError> {
///     Ok(json!(event.data_as::<String>()?.parse::<u64>()?))
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "a callback cannot return `{Self}` where `{T}` is wanted",
    note = "a callback returns the value, or a `Result` of it with any error, or a future of either"
)]
pub trait IntoOutput<T> {
    /// Returns the output.
    ///
    /// # Errors
    ///
    /// The error that the callback failed with.
    fn into_output(self) -> Result<T, BoxError>;
}

impl<T, R: IntoOutput<T>, E: Into<BoxError>> IntoOutput<T> for Result<R, E> {
    fn into_output(self) -> Result<T, BoxError> {
        self.map_err(Into::into)?.into_output()
    }
}

/// A handler that returns nothing has the result `null`.
impl IntoOutput<Value> for () {
    fn into_output(self) -> Result<Value, BoxError> {
        Ok(Value::Null)
    }
}

impl IntoOutput<Value> for Value {
    fn into_output(self) -> Result<Value, BoxError> {
        Ok(self)
    }
}

/// For filters.
impl IntoOutput<bool> for bool {
    fn into_output(self) -> Result<bool, BoxError> {
        Ok(self)
    }
}

/// For transformers.
impl IntoOutput<DomainEvent> for DomainEvent {
    fn into_output(self) -> Result<DomainEvent, BoxError> {
        Ok(self)
    }
}

/// For functions that choose the topic of an event.
impl IntoOutput<Topic> for Topic {
    fn into_output(self) -> Result<Topic, BoxError> {
        Ok(self)
    }
}

impl IntoOutput<Topic> for StaticTopic {
    fn into_output(self) -> Result<Topic, BoxError> {
        Ok(self.into())
    }
}

/// The return value of a callback: an output, or a future of an output.
///
/// `Kind` is [`Ready`] or [`Awaited`]; the compiler infers it. So one method takes functions that
/// wait and functions that do not.
#[diagnostic::on_unimplemented(
    message = "a callback cannot return `{Self}` where `{T}` is wanted",
    note = "a callback returns the value, or a `Result` of it with any error, or a future of either \
            that is `Send`"
)]
pub trait CallbackReturn<T, Kind> {
    /// Returns a future of the output.
    fn into_future(self) -> impl Future<Output = Result<T, BoxError>> + Send + 'static;
}

/// Marks callbacks that return their output at once.
#[derive(Debug)]
pub enum Ready {}

/// Marks callbacks that return a future.
#[derive(Debug)]
pub enum Awaited {}

impl<T: Send + 'static, R: IntoOutput<T>> CallbackReturn<T, Ready> for R {
    fn into_future(self) -> impl Future<Output = Result<T, BoxError>> + Send + 'static {
        future::ready(self.into_output())
    }
}

impl<T: 'static, F> CallbackReturn<T, Awaited> for F
where
    F: Future<Output: IntoOutput<T>> + Send + 'static,
{
    fn into_future(self) -> impl Future<Output = Result<T, BoxError>> + Send + 'static {
        self.map(IntoOutput::into_output)
    }
}

/// A function of the app that takes an `A` and makes a `T`. It may wait, fail and panic.
///
/// ```
/// use sse_kit_dispatch::Callback;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let is_even = Callback::<u32, bool>::new(|number| async move { number % 2 == 0 });
/// assert!(is_even.call(42).await?);
/// # Ok(()) }
/// ```
pub struct Callback<A, T>(Arc<Function<A, T>>);

type Function<A, T> = dyn Fn(A) -> BoxFuture<'static, Result<T, CallbackError>> + Send + Sync;

impl<A: Send + 'static, T: Send + 'static> Callback<A, T> {
    /// Makes a callback of a function.
    pub fn new<R, K>(function: impl Fn(A) -> R + Send + Sync + 'static) -> Self
    where
        R: CallbackReturn<T, K>,
    {
        Self(Arc::new(move |argument| returned(function(argument))))
    }

    /// Calls the function and awaits its output. A panic is an error like any other.
    ///
    /// # Errors
    ///
    /// [`CallbackError`] says how the function failed.
    ///
    /// # Cancel safety
    ///
    /// The function's future is dropped where it waits.
    pub async fn call(&self, argument: A) -> Result<T, CallbackError> {
        catch_panic(|| (self.0)(argument)).await.unwrap_or_else(Err)
    }
}

impl<T: Send + 'static> Callback<Arc<DomainEvent>, T> {
    /// Makes a callback of a function of an event's data. When they do not fit the type, the
    /// function is not called, and the callback fails with [`CallbackError::Data`].
    pub fn typed<D, R, K>(function: impl Fn(D) -> R + Send + Sync + 'static) -> Self
    where
        D: DeserializeOwned,
        R: CallbackReturn<T, K>,
    {
        Self(Arc::new(move |event: Arc<DomainEvent>| match event.data_as() {
            Ok(data) => returned(function(data)),
            Err(error) => Box::pin(future::ready(Err(CallbackError::Data(error)))),
        }))
    }
}

fn returned<T, R, K>(value: R) -> BoxFuture<'static, Result<T, CallbackError>>
where
    R: CallbackReturn<T, K>,
{
    value.into_future().map(|output| output.map_err(CallbackError::Returned)).boxed()
}

/// Calls a function and awaits its future; a panic in either is an error.
pub(crate) async fn catch_panic<T>(
    call: impl FnOnce() -> BoxFuture<'static, T>,
) -> Result<T, CallbackError> {
    // A function that does not wait runs within the call, so the call stands inside too.
    let caught = AssertUnwindSafe(async move { call().await }).catch_unwind().await;
    caught.map_err(|payload| {
        let error = CallbackError::from_panic(&*payload);
        // The payload is the app's too, and may panic when it is dropped. A second payload is
        // leaked, as dropping it could panic again.
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            mem::forget(again);
        }
        error
    })
}

impl<A, T> Clone for Callback<A, T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<A, T> fmt::Debug for Callback<A, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback").finish_non_exhaustive()
    }
}

/// The failure of a callback.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallbackError {
    /// The callback returned this error.
    #[error(transparent)]
    Returned(BoxError),
    /// The callback takes a type that the data of the event do not fit.
    #[error(transparent)]
    Data(DataError),
    /// The callback panicked.
    #[error("panicked: {message}")]
    Panicked {
        /// The message of the panic, as far as it is text.
        message: String,
    },
}

impl CallbackError {
    /// Reads what [`std::panic::catch_unwind`] caught.
    fn from_panic(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self::Panicked { message: text.unwrap_or("without a message").to_owned() }
    }
}
