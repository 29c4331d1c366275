//! What a handler returns.

use serde_json::Value;

use crate::failure::BoxError;

/// What a handler may return: nothing, a JSON value, or a `Result` of either.
///
/// ```
/// use sse_kit_dispatch::Dispatcher;
/// use serde_json::json;
///
/// let dispatcher = Dispatcher::new();
/// dispatcher.on("job:done", |_| ())?;
/// dispatcher.on("job:done", |event| json!({ "seen": event.priority() }))?;
/// dispatcher.on("job:done", |event| Ok(json!(event.data_as::<String>()?)))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait IntoOutcome {
    /// The result as JSON: nothing is `null`.
    ///
    /// # Errors
    ///
    /// Whatever the handler failed with.
    fn into_outcome(self) -> Result<Value, BoxError>;
}

impl IntoOutcome for () {
    fn into_outcome(self) -> Result<Value, BoxError> {
        Ok(Value::Null)
    }
}

impl IntoOutcome for Value {
    fn into_outcome(self) -> Result<Value, BoxError> {
        Ok(self)
    }
}

/// The error has one type, so that a closure may end in `Ok(())` without saying which.
impl<T: IntoOutcome> IntoOutcome for Result<T, BoxError> {
    fn into_outcome(self) -> Result<Value, BoxError> {
        self.and_then(T::into_outcome)
    }
}
