//! What goes wrong in user code.

use std::any::Any;

use crate::event::DataError;

/// What a handler, a filter or a transformer may fail with: any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How user code that a dispatch called has failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// It returned this error.
    #[error(transparent)]
    Error(BoxError),
    /// It is a typed handler, and the data of the event are not of its type.
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
