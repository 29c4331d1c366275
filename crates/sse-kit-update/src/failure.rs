//! What goes wrong in user code.

use std::any::Any;

/// What a handler or a processor may fail with: any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How user code that an update called has failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// It returned this error.
    #[error(transparent)]
    Error(BoxError),
    /// The data of the event are not of the type that the handler takes.
    #[error(transparent)]
    Data(DataError),
    /// It panicked.
    #[error("panicked: {message}")]
    Panic {
        /// What it said, as far as that is text.
        message: String,
    },
}

impl Failure {
    /// From what [`std::panic::catch_unwind`] caught.
    pub(crate) fn from_panic(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self::Panic { message: text.unwrap_or("without a message").to_owned() }
    }
}

/// The data of an event are not of the type that a handler takes.
#[derive(Debug, thiserror::Error)]
#[error("the data do not fit at `{path}`")]
#[non_exhaustive]
pub struct DataError {
    /// Where in the data, as `files[3].name`; `.` is the whole.
    pub path: String,
    /// What is wrong there.
    pub source: serde_json::Error,
}
