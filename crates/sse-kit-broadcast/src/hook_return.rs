//! The return values of hooks.

use std::future;

use futures_util::FutureExt;

use crate::hooks::{HookError, Verdict};

/// A value that a hook may return where a `T` is wanted, or a `Result` of one with any error.
#[diagnostic::on_unimplemented(
    message = "a hook cannot return `{Self}` where `{T}` is wanted",
    note = "a hook returns the value, or a `Result` of it with any error, or a future of either"
)]
pub trait HookOutput<T> {
    /// Returns the output.
    ///
    /// # Errors
    ///
    /// The error that the hook failed with.
    fn into_output(self) -> Result<T, HookError>;
}

impl<T, R: HookOutput<T>, E: Into<HookError>> HookOutput<T> for Result<R, E> {
    fn into_output(self) -> Result<T, HookError> {
        self.map_err(Into::into)?.into_output()
    }
}

/// For hooks that decide nothing.
impl HookOutput<()> for () {
    fn into_output(self) -> Result<(), HookError> {
        Ok(())
    }
}

/// For broadcast hooks and guards.
impl HookOutput<Verdict> for Verdict {
    fn into_output(self) -> Result<Verdict, HookError> {
        Ok(self)
    }
}

/// The return value of a hook: an output, or a future of an output.
///
/// `Kind` is [`SyncHook`] or [`AsyncHook`]; the compiler infers it. So one method takes functions
/// that wait and functions that do not.
///
/// A hook that never fails returns the value itself. One that returns `Ok(…)` says the type of its error, unless
/// something in it does: otherwise the compiler cannot infer it (E0282).
///
/// ```
/// use sse_kit_broadcast::{Hub, HookError, Verdict};
///
/// # async fn maximum() -> std::io::Result<u32> { Ok(100) }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// Hub::builder()
///     .on_connect(|connection| println!("{} is here", connection.id()))
///     .on_broadcast(async |_| Verdict::Keep)
///     // A closure that uses `?` says which error it returns.
///     .guard(|draft| -> Result<_, HookError> {
///         let percent: u32 = draft.event().data().parse()?;
///         Ok(if percent <= 100 { Verdict::Keep } else { Verdict::Veto })
///     })
///     .guard(async |draft| {
///         let is_over = draft.event().data().parse::<u32>()? > maximum().await?;
///         Ok::<_, HookError>(if is_over { Verdict::Veto } else { Verdict::Keep })
///     })
///     .build()?;
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "a hook cannot return `{Self}` where `{T}` is wanted",
    note = "a hook returns the value, or a `Result` of it with any error, or a future of either \
            that is `Send`"
)]
pub trait HookReturn<T, Kind> {
    /// Returns a future of the output.
    fn into_future(self) -> impl Future<Output = Result<T, HookError>> + Send + 'static;
}

/// Marks hooks that return their output at once.
#[derive(Debug)]
pub enum SyncHook {}

/// Marks hooks that return a future.
#[derive(Debug)]
pub enum AsyncHook {}

impl<T: Send + 'static, R: HookOutput<T>> HookReturn<T, SyncHook> for R {
    fn into_future(self) -> impl Future<Output = Result<T, HookError>> + Send + 'static {
        future::ready(self.into_output())
    }
}

impl<T: 'static, F> HookReturn<T, AsyncHook> for F
where
    F: Future<Output: HookOutput<T>> + Send + 'static,
{
    fn into_future(self) -> impl Future<Output = Result<T, HookError>> + Send + 'static {
        self.map(HookOutput::into_output)
    }
}
