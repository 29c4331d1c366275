//! An answer that has come in whole.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::failure::{fail, shortened};

/// An answer that has come in whole.
#[derive(Clone, Debug)]
pub struct TestResponse {
    pub(crate) request: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl TestResponse {
    /// Returns the status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns all headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the first value of a header, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the body.
    pub fn bytes(&self) -> &Bytes {
        &self.body
    }

    /// Returns the body as text, with U+FFFD for invalid UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Fails the test unless the status is this one; returns the answer.
    ///
    /// # Panics
    ///
    /// If the status is another one; the failure has the beginning of the body.
    #[track_caller]
    pub fn expect_status(self, status: u16) -> Self {
        if self.status.as_u16() != status {
            let body = shortened(&self.text());
            fail(
                std::panic::Location::caller(),
                format_args!(
                    "{} answered {}, not {status}, and said: {body}",
                    self.request, self.status
                ),
            );
        }
        self
    }
}
